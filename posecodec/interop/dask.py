"""Corpora on a Dask cluster (SLURM by dask-jobqueue, Kubernetes, ...): a task a shard, made again where a worker is lost.

    from dask.distributed import Client
    from posecodec.interop import dask
    dask.encode_corpus("manifest.parquet", "corpus", shards=100, client=Client(...), max_error="5mm")

The shards are those of `posecodec corpus encode`, byte for byte.
"""

from __future__ import annotations

from typing import Any

from posecodec.corpus.encoding import Options
from posecodec.corpus.making import make_shard

RETRIES = 3  # Of a task whose worker was lost


def encode_corpus(
    manifest: str, root: str, shards: int, client: Any, reading: dict[str, Any] | None = None, **target: Any
) -> list[dict[str, int]]:
    """What came of each shard, in order. client: a `distributed.Client`. Paths are those that workers see.

    reading: as of `posecodec.io.load`. target: as of `posecodec.encode`. A file that cannot be read is a row with its error.
    """
    made = Options(reading or {}, target)
    futures = client.map(
        make_shard,
        range(shards),
        manifest=manifest,
        root=root,
        shards=shards,
        options=made,
        pure=False,
        retries=RETRIES,
    )
    found: list[dict[str, int]] = client.gather(futures)
    return found
