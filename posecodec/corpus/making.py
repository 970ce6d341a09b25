"""One shard from nothing: what a task of a cluster does. Everything it is given can be pickled."""

from __future__ import annotations

from pathlib import Path

from posecodec.corpus.encoding import Options, encode_row, settle_process
from posecodec.corpus.manifest import iterate_rows
from posecodec.corpus.shards import open_layout, split_rows, write_shard


def make_shard(number: int, manifest: str, root: str, shards: int, options: Options) -> dict[str, int]:
    """Encode the recordings of a manifest that belong to a shard and write it; nothing where it is there already.

    Returns how many there were and how many failed: {"shard", "recordings", "failed"}.
    """
    settle_process()
    layout = open_layout(Path(root), shards, options)
    rows = split_rows(iterate_rows(Path(manifest)), shards, [number])[number]
    if layout.is_done(number, rows):
        return {"shard": number, "recordings": 0, "failed": 0}
    coded = [encode_row(row, options) for row in rows]
    write_shard(layout, number, rows, coded)
    failed = sum(row.get("error") is not None for row in coded)
    return {"shard": number, "recordings": len(coded) - failed, "failed": failed}
