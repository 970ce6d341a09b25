"""Many recordings as a manifest and Parquet shards: what is planned, encoded, checked, counted and taken out again.

Needs pyarrow: `pip install '.[corpus]'` in a checkout.
"""
