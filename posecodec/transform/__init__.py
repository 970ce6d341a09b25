"""The transform codec: keypoints to nearly independent channels, blocks of cosines and sines over time, integers, bytes.

`basis` turns poses into channels and back, `blocks` cuts channels into blocks and transforms them, `coefficients` codes
the quantized coefficients with a learned integer context model, `layer` puts them together and chooses the integers.
"""
