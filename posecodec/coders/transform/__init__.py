"""The transform coder: keypoints to nearly independent channels, blocks of cosines and sines over time, integers, bytes.

`bone_basis` and `graph_fourier` turn poses into channels and back, `basis_choice` chooses between them and writes that down;
`block_coder` cuts channels into blocks and transforms them; `trellis` chooses the integers, with two quantizers by turns;
`coefficient_model` says how large they are expected to be, `magnitudes` codes them; `error_bound` finds what a bound has to
move, `corrections` codes that; `stream` puts all together. `weights` holds what is learned.
"""
