"""The low-rate coder: windows of a body's channels as frequencies, quantized, as bits of an integer prior.

`lengths` says how long windows may be, `frequency_bands` transforms them, `prior` codes their integers, `deblocking` smooths
the seams, `stream` puts these together, `weights` holds what is learned, `coder` makes chunks of it.
"""
