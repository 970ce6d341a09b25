"""Corpora as data sets of Hugging Face's `datasets`: rows of the shards, recordings decoded as they are asked for.

    from posecodec.interop.huggingface import load_dataset
    for row in load_dataset("corpus"):              # or hf://datasets/NAME/corpus, streamed
        row["positions"], row["fps"], row["skeleton"]

The columns are those of docs/corpora.md; `positions` (T, P, K, D) float32 takes the place of `posec`.
"""

from __future__ import annotations

from typing import Any

from posecodec.errors import DependencyError
from posecodec.files import decode


def load_dataset(root: str, streaming: bool = True) -> Any:
    """An `IterableDataset` (or, with streaming off, a `Dataset`) of the recordings that were encoded.

    root: of a corpus, on this machine or where `datasets` reads from. Raises DependencyError without `datasets`.
    """
    try:
        import datasets
    except ImportError as error:
        raise DependencyError("this needs Hugging Face's datasets; pip install datasets") from error
    files = f"{root.rstrip('/')}/data/*/*.parquet"
    found = datasets.load_dataset("parquet", data_files=files, split="train", streaming=streaming)
    whole = found.filter(lambda row: row["posec"] is not None)
    if streaming:
        return whole.map(decode_row, remove_columns=["posec"])
    return whole.with_transform(lambda batch: _decode_batch(batch))


def decode_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a shard with `positions` in place of the file."""
    kept = {name: value for name, value in row.items() if name != "posec"}
    return {**kept, "positions": decode(row["posec"]).positions}


def _decode_batch(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    rows = [decode_row(dict(zip(batch, values, strict=True))) for values in zip(*batch.values(), strict=True)]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else batch
