"""Rate against distortion on a folder of motion: baselines, metrics of curves, tables and a figure.

Everything here is for measuring. Nothing in the codec imports it, and packages that only a baseline needs are imported
when that baseline runs (the extra `bench` gets all of them).
"""
