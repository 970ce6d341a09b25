"""Pieces of one recording on several cores: `threads`, or `forks` of the process where it may be copied."""
