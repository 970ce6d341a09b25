"""Integer entropy coding: everything between a token and a byte, and nothing else.

`rangecoder` turns intervals into bytes, `adaptive` holds the models that learn while they code. Only integers are
used, so what one machine wrote every machine reads. This file imports nothing, because numba takes a third of a second
to load and `import posecodec` must not wait for it: import the modules by name where they are used.
"""
