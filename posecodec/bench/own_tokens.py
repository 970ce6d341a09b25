"""Tokens of any weights on recordings of one's own: by levels what they cost, how far they are off, and what the same error
costs without them.

Whole files with headers, error over all keypoints that were seen; the other way is what `encode` takes by default, at that
mean error.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from posecodec import io
from posecodec.codec import PoseCodec
from posecodec.corpus.reading import Corpus
from posecodec.corpus.shards import INFO
from posecodec.errors import InputError
from posecodec.io.replacing import replace_file
from posecodec.pose.sequence import PoseSequence

HEADING = "| levels | tokens/s | bits/frame | mean error | p95 | the same error without tokens, bits/frame |"
FILE = "tokens.json"


@dataclass(frozen=True)
class Row:
    """One number of levels. error, p95: in `unit`. tokens_per_second, bits_per_frame: of a person."""

    levels: int
    tokens_per_second: float
    bits_per_frame: float
    error: float
    p95: float
    other_bits_per_frame: float
    unit: str

    @property
    def line(self) -> str:
        """The row in Markdown."""
        return (
            f"| {self.levels} | {self.tokens_per_second:.1f} | {self.bits_per_frame:.2f} | {self.error:.3g} {self.unit} "
            f"| {self.p95:.3g} | {self.other_bits_per_frame:.2f} |"
        )


def load_recordings(path: Path, codec: PoseCodec) -> Iterator[PoseSequence]:
    """The recordings of a corpus, a folder or a file, with the keypoints of the codec's weights.

    Raises InputError where there is none.
    """
    skeleton = codec.tokenizer.skeleton
    if (path / INFO).is_file():
        yield from (sequence.mapped_to(skeleton) for sequence in Corpus(path))
        return
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    known = {suffix for format in io.FORMATS.values() for suffix in format.suffixes if suffix}
    files = [file for file in files if path == file or file.suffix.lower() in known]
    if not files:
        raise InputError(f"{path}: no pose files in it; `posecodec formats` lists what is known")
    yield from (io.load(file).mapped_to(skeleton) for file in files)


def list_levels(codec: PoseCodec) -> Iterator[int]:
    """1 to as many as the codec's weights have."""
    with contextlib.suppress(InputError):
        for levels in itertools.count(1):
            codec.tokenizer.check_levels(levels)
            yield levels


def run(codec: PoseCodec, recordings: list[PoseSequence], show: Callable[[Row], None]) -> list[Row]:
    """A row for each number of levels."""
    rows, plain = [], PoseCodec()
    for levels in list_levels(codec):
        tokens = size = other = 0
        misses, seconds, poses = [], 0.0, 0
        for sequence in recordings:
            encoded = codec.encode(sequence, levels=levels)
            decoded = codec.decode(encoded.data)
            off = np.linalg.norm(decoded.positions - sequence.positions, axis=-1)
            misses.append(off[~np.isnan(off)])
            seconds += sequence.people * sequence.frames / sequence.rate
            poses += sequence.people * sequence.frames
            tokens += sum(grid.indices.size for grid in encoded.tokens)
            size += len(encoded.data)
            other += len(plain.encode(sequence, mean_error=max(float(misses[-1].mean()), 1e-6)).data)
        off = np.concatenate(misses)
        row = Row(levels, tokens / seconds, 8 * size / poses, float(off.mean()), float(np.quantile(off, 0.95)),
                  8 * other / poses, recordings[0].unit)  # fmt: skip
        rows.append(row)
        show(row)
    return rows


def write(rows: list[Row], weights: str, out: Path) -> Path:
    """OUT/tokens.json; where it is."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / FILE
    replace_file(
        path, f"{json.dumps({'weights': weights, 'rows': [asdict(row) for row in rows]}, indent=1)}\n".encode()
    )
    return path
