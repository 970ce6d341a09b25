"""One chunk of one person's motion as bytes, and back: one coder for each kind of chunk, all as `registry` says."""
