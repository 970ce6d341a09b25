"""Networks between heatmaps and what a codec stores, in torch: all that does not train, and that a decoder may need.

`heatmap` draws keypoints and reads them out; `part_vqgan` is the network by parts of a body and `path` where the body goes;
`grid_vqgan` is the VQ-GAN of the paper, whose whole shape is in a `grid_config.GridConfig`, lean or, in `dense_vqgan`, as it
was published; `limb_maps` and `grid_io` draw for it. Losses and training loops are in `train`. torch is optional:
`availability` asks for it.
"""
