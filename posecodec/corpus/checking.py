"""Whether a corpus is whole, and what is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from posecodec.corpus.manifest import choose_shard
from posecodec.corpus.reading import SOME, Corpus
from posecodec.errors import PosecodecError
from posecodec.files import decode

MOST_IDS = 100  # Of recordings that failed, which a summary names
SAMPLE_OF = 1 << 16  # Parts that shares are told in


def check(corpus: Corpus, share: float = 1.0) -> Iterator[tuple[str, str | None]]:
    """(id, what is wrong with it or None) of each recording of a share of them, chosen by their ids.

    Every file is decoded whole and must have the frames and people that its row says, and lie where the index says. Of each
    shard one is looked at at least. A shard that is not there or cannot be read is an entry of its own.
    """
    for number in range(corpus.layout.shards):
        try:
            rows = corpus.read_rows(number)
        except PosecodecError as error:
            yield f"shard {number}", str(error)
            continue
        if not rows:
            yield f"shard {number}", "is not there; encode it"
        there = [row for row in rows if row["posec"] is not None]
        chosen = [row for row in there if choose_shard(row["id"] + " sampled", SAMPLE_OF) < share * SAMPLE_OF]
        for row in chosen or there[: share > 0]:
            yield row["id"], _find_fault(corpus, row)


def _find_fault(corpus: Corpus, row: dict[str, Any]) -> str | None:
    try:
        if corpus.read_file(row["id"]) != row["posec"]:
            return "is not where the index says"
        sequence = decode(row["posec"])
    except PosecodecError as error:
        return str(error)
    if (sequence.frames, sequence.people) != (row["frames"], row["people"]):
        return f"has {sequence.frames} frames of {sequence.people} people, not {row['frames']} of {row['people']}"
    return None


def summarize(corpus: Corpus) -> dict[str, Any]:
    """Counts, hours, bytes, bits and error over all shards that are there; JSON values.

    error: by unit the mean over all poses and the largest. failures: what went wrong, and how often.
    """
    by_shard = [corpus.read_rows(number, SOME) for number in range(corpus.layout.shards)]
    rows = [row for shard in by_shard for row in shard]
    done = [row for row in rows if row["error"] is None]
    poses = sum(row["frames"] * row["people"] for row in done)
    size = sum(row["bytes_out"] for row in done)
    return {
        "shards": corpus.layout.shards, "missing_shards": by_shard.count([]), "recordings": len(done),
        "failed": len(rows) - len(done), "frames": sum(row["frames"] for row in done), "poses": poses,
        "hours": sum(row["frames"] / row["fps"] for row in done) / 3600,
        "bytes_in": sum(row["bytes_in"] or 0 for row in done),
        "bytes_out": size, "bits_per_frame": 8 * size / poses if poses else None, "error": list(_summarize_errors(done)),
        "failed_ids": [row["id"] for row in rows if row["error"] is not None][:MOST_IDS],
        "failures": dict(Counter(_shorten(row) for row in rows if row["error"] is not None).most_common(10)),
    }  # fmt: skip


def _summarize_errors(done: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for unit in sorted({row["unit"] for row in done}):
        known = [row for row in done if row["unit"] == unit and row["mean_error"] is not None]
        weight = sum(row["frames"] * row["people"] for row in known)
        total = sum(row["mean_error"] * row["frames"] * row["people"] for row in known)
        yield {"unit": unit, "mean": total / weight if weight else None,
               "max": max((row["max_error"] for row in known), default=None)}  # fmt: skip


def _shorten(row: dict[str, Any]) -> str:
    """An error without the name of its file, so that equal ones are counted together."""
    text: str = row["error"].replace(row["id"], "...")
    return text
