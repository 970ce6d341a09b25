"""Between keypoints and tokens without a network: bodies as channels, windows as frequencies, and their integer prior.

Nothing here needs torch. `tokenizer` joins it with the networks that see heatmaps.
"""
