"""Corpora on a Ray cluster: a task a shard, made again where a worker is lost.

    import ray
    from posecodec.interop import ray as posecodec_ray
    ray.init(...)
    posecodec_ray.encode_corpus("manifest.parquet", "corpus", shards=100, max_error="5mm")

The shards are those of `posecodec corpus encode`, byte for byte.
"""

from __future__ import annotations

from typing import Any

from posecodec.corpus.encoding import Options
from posecodec.corpus.making import make_shard
from posecodec.errors import DependencyError

RETRIES = 3  # Of a task whose worker was lost


def encode_corpus(
    manifest: str, root: str, shards: int, reading: dict[str, Any] | None = None, **target: Any
) -> list[dict[str, int]]:
    """What came of each shard, in order. Paths are those that workers see.

    reading: as of `posecodec.io.load`. target: as of `posecodec.encode`. A file that cannot be read is a row with its error.
    Raises DependencyError without Ray.
    """
    try:
        import ray
    except ImportError as error:
        raise DependencyError("this needs Ray; pip install ray") from error
    made, task = Options(reading or {}, target), ray.remote(make_shard).options(max_retries=RETRIES, num_cpus=1)
    waiting = [task.remote(number, manifest, root, shards, made) for number in range(shards)]
    found: list[dict[str, int]] = ray.get(waiting)
    return found
