"""Poses in the arrays of other libraries: xarray, numcodecs, zarr. Each module needs its library, as an extra."""
