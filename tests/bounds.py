"""Sequences made to break a bound: steps, outliers, constants, alternation, denormals, far places; is it kept or refused?

`PYTHONPATH=tests python tests/bounds.py --count 10000` encodes that many within bounds, as the codec chooses and frame by
frame, and measures what decodes in float64. `--first NUMBER --count 1` makes one again. A few run with the other tests.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import numpy as np

from posecodec import PoseCodec, PoseSequence, Skeleton
from posecodec.coders.chunk import ChunkContext, split_sequence
from posecodec.coders.predictive.coder import PredictiveCoder
from posecodec.errors import InputError, PosecodecError

CODEC, FRAME_BY_FRAME = PoseCodec(), PredictiveCoder()
SHAPES = ("steps", "outliers", "constant", "alternating", "denormals", "far", "noise", "walk", "line", "huge")
FAR = 5e8  # 500 km in mm


def make_points(rng: np.random.Generator, shape: str, size: tuple[int, int, int]) -> np.ndarray:
    """(T, K, D) float64 of a kind."""
    frames = np.arange(size[0])[:, None, None]
    if shape == "steps":
        return np.cumsum((rng.random(size) < 0.05) * rng.normal(scale=300, size=size), axis=0)
    if shape == "outliers":
        return rng.normal(size=size) + 1e6 * (rng.random(size) < 0.02) * rng.choice([-1, 1], size)
    if shape == "constant":
        return np.broadcast_to(rng.normal(scale=100, size=size[1:]), size).copy()
    if shape == "alternating":
        return rng.normal(scale=100, size=size[1:]) + np.where(frames % 2, 1, -1) * rng.uniform(0.1, 50, size[1:])
    if shape == "denormals":
        return rng.normal(size=size) * 1e-40
    if shape == "far":
        return FAR + np.cumsum(rng.normal(size=size), axis=0)
    if shape == "noise":
        return rng.normal(scale=10.0 ** rng.uniform(-3, 3), size=size)
    if shape == "walk":
        return np.cumsum(rng.normal(scale=10.0 ** rng.uniform(-2, 2), size=size), axis=0)
    if shape == "line":
        return frames * rng.normal(scale=20, size=size[1:]) + rng.normal(size=size[1:])
    return rng.normal(size=size) * 1e30


def make_case(number: int) -> tuple[PoseSequence, float]:
    """A sequence and a bound, by number."""
    rng = np.random.default_rng(number)
    shape, dims = SHAPES[number % len(SHAPES)], int(rng.integers(2, 4))
    size = (int(2 ** rng.uniform(0, 6)), int(rng.choice([1, 2, 5, 19])), dims)
    points = make_points(rng, shape, size)
    points[rng.random(size[:2]) < rng.choice([0, 0, 0.1, 0.6])] = np.nan
    points = points.astype(np.float32) if rng.random() < 0.5 else points
    spread = {"huge": 1e30, "denormals": 1e-40, "far": 1.0}.get(shape, 1.0)
    skeleton = Skeleton("some", tuple(f"p{k}" for k in range(size[1])), tuple((k, k + 1) for k in range(size[1] - 1)))
    sequence = PoseSequence.from_arrays(points, fps=30, skeleton=skeleton, unit="mm" if dims == 3 else "px")
    return sequence, float(spread * 10.0 ** rng.uniform(-3, 2))


def measure(sequence: PoseSequence, positions: np.ndarray) -> float:
    """The largest distance, infinite where other keypoints are missing."""
    there = ~np.isnan(positions[..., 0])
    if (there != sequence.valid).any():
        return np.inf
    off = positions[there].astype(np.longdouble) - sequence.positions[there].astype(np.longdouble)
    return float(np.sqrt((off**2).sum(axis=-1)).max(initial=0))


def find_fault(number: int) -> str:
    """ "kept", "refused", or what is wrong."""
    sequence, bound = make_case(number)
    try:
        with np.errstate(all="ignore"):
            found = measure(sequence, CODEC.decode(CODEC.encode(sequence, max_error=bound)).positions)
    except InputError:
        return "refused"
    except PosecodecError as error:
        return f"{type(error).__name__}: {error}"
    if not found <= bound:
        return f"{found} where {bound} was asked for"
    return _try_frame_by_frame(sequence, bound) or "kept"


def _try_frame_by_frame(sequence: PoseSequence, bound: float) -> str | None:
    """What is wrong with chunks coded frame by frame that say they keep the bound."""
    for chunk in split_sequence(sequence):
        context = ChunkContext(len(chunk.points), chunk.skeleton, sequence.dims, chunk.up, chunk.rate, chunk.unit)
        try:
            made = FRAME_BY_FRAME.encode(chunk, max_error=bound)
        except InputError:
            continue
        back = FRAME_BY_FRAME.decode(made.chunk, context).positions
        there = chunk.presence.mask
        off = np.linalg.norm(back[there].astype(float) - chunk.points[there].astype(float), axis=-1).max(initial=0)
        if made.max_error <= bound and not off <= bound * (1 + 1e-9):
            return f"frame by frame {off} where {bound} was promised"
    return None


def main() -> None:
    """Print how many kept their bound, were refused, or broke it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    asked, began = parser.parse_args(), time.time()
    counts: Counter[str] = Counter()
    for number in range(asked.first, asked.first + asked.count):
        found = find_fault(number)
        counts[found if found in ("kept", "refused") else "broken"] += 1
        if found not in ("kept", "refused"):
            print(f"{number} ({SHAPES[number % len(SHAPES)]}): {found}", flush=True)
    print(f"{dict(counts)} in {time.time() - began:.0f} s")
    sys.exit(bool(counts["broken"]))


if __name__ == "__main__":
    main()
