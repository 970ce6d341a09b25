"""The file: header, container, chunk kinds, and what stands at the beginning of a chunk. docs/bitstream.md specifies it."""
