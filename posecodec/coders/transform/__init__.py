"""The transform coder: keypoints to nearly independent channels, blocks of cosines and sines over time, integers, bytes.

`bone_basis` and `graph_fourier` turn poses into channels and back, `basis_choice` chooses between them and writes that down;
`block_coder` cuts channels into blocks, transforms and quantizes them; `coefficient_model` codes the integers with a learned
integer context model; `error_bound` keeps a bound; `stream` puts all together. `weights` holds what is learned.
"""
