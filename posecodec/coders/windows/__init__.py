"""The low-rate scalar coder: windows of a body's channels as frequencies, quantized, as bits of an integer prior.

`frequency_bands` transforms windows, `prior` codes their integers, `stream` puts both together, `bitplanes` writes the
integers as tokens, `deblocking` smooths the seams, `weights` holds what is learned. Nothing here needs torch but
`tokenizer`, which joins it with the network that sees heatmaps.
"""
