"""Chunks for files drawn at random (`valid_files`): small ones of every kind, encoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from coding import add_fingers, as_smpl22, rename

from posecodec import PoseCodec, PoseSequence
from posecodec.bitstream.container import Chunk
from posecodec.coders.chunk import Candidate, ChunkInput, split_sequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO17, COCO19, SMPL22
from posecodec.pose.synthetic import walk

LENGTHS = (1, 2, 7, 16, 24, 40)  # Frames of voices
LONG = 1024  # Frames of those that begin tracks of several chunks
USUAL = 30.0  # Rate that voices are made at, and what times that tell none stand for


@cache
def load_codec(name: str | None) -> PoseCodec:
    return PoseCodec.from_pretrained(name)


@dataclass(frozen=True, eq=False)
class Voice:
    """A chunk of some frames. positions, confidence: (T, K, D) and (T, K) of an exact one; None of others."""

    chunk: Chunk
    frames: int
    positions: Any = None
    confidence: Any = None

    @property
    def dtype(self) -> str | None:
        return None if self.positions is None else self.positions.dtype.name


@dataclass(frozen=True, eq=False)
class Stage:
    """What voices have in common. rate: at which alone they mean what they do; None if at any.

    free: whether names, edges and pairs of keypoints are nothing to them. names_bodies: whether chunks in parts say by which
    trained body, as those of a skeleton do that has more of its keypoints than of coco19's.
    """

    weights: str | None
    skeleton: Skeleton
    dims: int
    rate: float | None
    voices: tuple[Voice, ...]
    free: bool = False
    names_bodies: bool = False


def make_points(frames: int, keypoints: int, dims: int, seed: int) -> Any:
    """(T, K, D) that move smoothly."""
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(1, keypoints, dims)) * 200
    return start + np.cumsum(rng.normal(size=(frames, keypoints, dims)), axis=0)


def record(points: Any, skeleton: Skeleton, rate: float, seed: int) -> PoseSequence:
    """Of points (T, K, D), one in three with gaps, one in three with confidences and gaps."""
    rng, kind = np.random.default_rng(seed), seed % 3
    points = np.array(points, np.float64)
    gone = rng.random(points.shape[:2]) < (0.2 if kind else 0.0)
    gone[:, 0] = False
    points[gone] = np.nan
    confidence = np.where(gone, 0, rng.random(gone.shape) * (1 + seed % 2) if kind == 2 else 1)
    unit, up = ("mm", "y") if points.shape[2] == 3 else ("px", "-y")
    return PoseSequence.from_arrays(points, fps=rate, confidence=confidence, skeleton=skeleton, unit=unit, up=up)


def make_exact(codec: PoseCodec, sequence: PoseSequence) -> list[Voice]:
    """As float32 and as float64."""
    found = []
    for dtype in (np.float32, np.float64):
        cast = sequence.with_positions(sequence.positions.astype(dtype), sequence.confidence)
        chunk = split_sequence(cast, whole=True)[0]
        found.append(
            Voice(codec.coders.lossless.encode(chunk).chunk, cast.frames, cast.positions[:, 0], cast.confidence[:, 0])
        )
    return found


Encode = Callable[[ChunkInput, int], Candidate | Chunk]


def make_stage(
    weights: str | None, skeleton: Skeleton, dims: int, rate: float | None, points: Callable[[int], Any], *encoders: Encode,
    lengths: Sequence[int] = LENGTHS, free: bool = False,
) -> Stage:  # fmt: skip
    """Voices by each of some encoders, of each length, and exact ones; and long ones that are exact and hold nothing."""
    codec, voices = load_codec(weights), list[Voice]()
    for seed, frames in enumerate(lengths):
        sequence = record(points(frames), skeleton, rate or USUAL, seed)
        for number, encode in enumerate(encoders):
            chunk = split_sequence(sequence, whole=True)[0]
            made = encode(chunk, seed + number)
            voices.append(Voice(made.chunk if isinstance(made, Candidate) else made, frames))
        voices += make_exact(codec, sequence)
    nothing = np.full((LONG, 1, len(skeleton), dims), np.nan, np.float32)
    voices += make_exact(codec, PoseSequence.from_arrays(nothing, fps=USUAL, skeleton=skeleton))
    split = codec.coders.body_parts.find_split(skeleton, dims)
    return Stage(weights, skeleton, dims, rate, tuple(voices), free, split is not None and split.number > 0)


def make_smpl22(skeleton: Skeleton, frames: int) -> Any:
    """(T, 22, 3) of a walk with SMPL's keypoints, in the order of a skeleton."""
    points = as_smpl22(walk(frames)).positions[:, 0]
    return points if skeleton == SMPL22 else points[:, ::-1]


@cache
def make_stages() -> list[Stage]:
    """Every kind of chunk, in 3D and 2D, with one keypoint and many."""
    plain, bodies = (
        load_codec(None),
        {3: lambda n: walk(n).positions[:, 0], 2: lambda n: walk(n).positions[:, 0, :, :2]},
    )
    in_17 = [COCO19.keypoints.index(name) for name in COCO17.keypoints]
    hands = tuple(f"{side}_hand/{i}" for side in ("left", "right") for i in range(3))
    wrists = [COCO19.keypoints.index(f"{side}_wrist") for side in ("left", "right")]
    edges = (*COCO19.edges, (wrists[0], 19), (19, 20), (20, 21), (22, 23))  # the right hand is loose
    handed = Skeleton("handed", (*COCO19.keypoints, *hands), edges)

    def with_hands(dims: int) -> Callable[[int], Any]:
        def make(frames: int) -> Any:
            body = bodies[dims](frames)
            around = np.repeat(body[:, wrists], 3, axis=1) + make_points(frames, 6, dims, 1) / 10
            return np.concatenate([body, around], axis=1)

        return make

    def of_points(count: int, dims: int) -> Callable[[int], Any]:
        return lambda frames: make_points(frames, count, dims, frames)

    def code(codec: PoseCodec) -> Encode:
        bounds = (None, 5.0, 0.5)
        return lambda chunk, n: codec.coders.transform.encode(chunk, (150, 60, 100)[n % 3], max_error=bounds[n % 3])

    def code_predictive(chunk: ChunkInput, n: int) -> Candidate:
        return plain.coders.predictive.encode(chunk, max_error=(5.0, 0.5, 40.0)[n % 3])

    def code_windows(codec: PoseCodec) -> tuple[Encode, Encode]:
        windows = codec.coders.windows
        return (
            lambda chunk, n: windows.encode_alone(chunk, (100, 140, 200)[n % 3], (159, 47)[n % 2]),
            lambda chunk, n: windows.encode_refined(chunk, 150, (80, 120)[n % 2]).chunk,
        )

    def code_parts(codec: PoseCodec, in_windows: bool) -> Encode:
        options: dict[str, Any] = {"windows_qp": 150} if in_windows else {}
        bounds = (None, 5.0)
        return lambda chunk, n: codec.coders.body_parts.encode(chunk, 90, max_error=bounds[n % 2], **options)

    def code_tokens(codec: PoseCodec) -> Encode:
        return lambda chunk, n: codec.coders.tokens.encode_levels(chunk, 1 + 3 * n % 8)

    made = [
        make_stage(None, COCO19, 3, 30.0, bodies[3], code(plain), code_predictive, lengths=(*LENGTHS, LONG)),
        make_stage(None, COCO19, 3, 120.0, bodies[3], code(plain)),
        make_stage(None, COCO17, 3, 30.0, lambda n: bodies[3](n)[:, in_17], code(plain)),
        make_stage(None, COCO19, 2, 30.0, bodies[2], code(plain), code_predictive),
        make_stage(None, BUILT_IN["hand21"], 3, None, of_points(21, 3), code(plain), free=True),
        make_stage(None, handed, 3, 30.0, with_hands(3), code_parts(plain, False)),
        make_stage(None, handed, 2, 30.0, with_hands(2), code_parts(plain, False), code(plain)),
    ]
    fingered = add_fingers(as_smpl22(walk(5))).skeleton
    made.append(
        make_stage(
            None, fingered, 3, 30.0, lambda n: add_fingers(as_smpl22(walk(n))).positions[:, 0], code_parts(plain, False)
        )
    )
    for known in (as_smpl22(walk(5)), rename(as_smpl22(walk(5)), tuple(range(21, -1, -1)), spell=True)):
        made.append(make_stage(None, known.skeleton, 3, 30.0, partial(make_smpl22, known.skeleton), code(plain)))
    for count in (1, 2, 5):
        skeleton = Skeleton(f"of {count}", tuple("abcde"[:count]))
        for d in (2, 3):
            made.append(make_stage(None, skeleton, d, None, of_points(count, d), code(plain), free=True))
            made.append(make_stage(None, skeleton, d, None, of_points(count, d), code_predictive))  # along its edges
    for dims in (3, 2):
        codec = load_codec(f"windows{dims}d")
        alone, refined = code_windows(codec)
        made += [
            make_stage(f"windows{dims}d", COCO19, dims, 30.0, bodies[dims], alone, refined),
            make_stage(f"windows{dims}d", COCO17, dims, 30.0, lambda n, d=dims: bodies[d](n)[:, in_17], alone),
            make_stage(f"windows{dims}d", handed, dims, 30.0, with_hands(dims), code_parts(codec, True)),
        ]  # fmt: skip
        codec = load_codec(f"body{dims}d")
        for rate in (30.0, 25.0):
            made.append(make_stage(f"body{dims}d", COCO19, dims, rate, bodies[dims], code_tokens(codec)))
    return made
