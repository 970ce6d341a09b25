"""The single checks of `diagnostics`: each takes a recording and its measured motion and finds at most one thing."""
