"""The data: sequences of poses, skeletons, tracks, which way is up. Values only; needs nothing but numpy."""
