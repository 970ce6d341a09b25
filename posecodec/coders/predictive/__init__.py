"""The frame-by-frame coder: keypoints on a lattice as fine as a bound asks for, each coordinate predicted and coded at once.

It is for fine bounds on what was really measured: noise that no block of frequencies makes smaller. Nothing waits for later
frames, and all that decides a symbol is integer arithmetic on a state that can be copied (`frames.Model`).
"""
