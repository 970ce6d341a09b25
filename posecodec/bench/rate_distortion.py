"""Rate and distortion of methods on takes of motion: every file is written, decoded from its bytes alone and checked.

One process, one take after the other. Rates are whole files, except B0's, which is a code length (`baseline_b0`). Speeds are
wall-clock and include what a method does beside coding, such as temporary files; the first take warms it up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from posecodec.analysis.metrics import error_per_keypoint, root_relative_errors
from posecodec.bench.baseline_b0 import B0, STEPS
from posecodec.bench.bdrate import RANGE_MM, Delta, bd_rate
from posecodec.bench.data import Take
from posecodec.bench.method import Method
from posecodec.errors import InputError, PosecodecError
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.typing import Floats

REFERENCE = "B0"  # The method that all others are compared with
RANGES_MM = (RANGE_MM, (2.0, 5.0), (5.0, 15.0), (15.0, 40.0), (40.0, 80.0))
"""Errors (global MPJPE) over which rates are compared with B0's."""


@dataclass(frozen=True)
class Row:
    """One method at one setting, over all takes.

    bits_per_frame: 8 x bytes / frames. mpjpe, mpjpe_root, p99, max: mm; mean over frames and keypoints, the same after
    subtracting the mid-hip, 99th percentile and maximum. bound: mm promised, bound_held: whether it was kept; None where
    none is. encode_fps, decode_fps: frames per second; None for B0, which has no coder.
    """

    method: str
    parameter: str
    setting: float | None
    ours: bool
    bits_per_frame: float
    mpjpe: float
    mpjpe_root: float
    p99: float
    max: float
    bound: float | None = None
    bound_held: bool | None = None
    encode_fps: float | None = None
    decode_fps: float | None = None


@dataclass(frozen=True)
class Result:
    """What `run` found. left_out: method -> why. deltas: method -> one BD-rate for each of RANGES_MM, or None."""

    rows: tuple[Row, ...]
    left_out: dict[str, str]
    deltas: dict[str, tuple[Delta | None, ...]]


def run(
    chosen: Sequence[Method], takes: list[Take], b0: B0 | None, show: Callable[[Row], None] = lambda row: None
) -> Result:
    """Every method at every setting; B0 first, where there is one. show: told of each row when it is there.

    Raises InputError where there are no takes, and PosecodecError where a method does not give back the frames it got.
    """
    if not takes:
        raise InputError("no motion to measure on; give at least one take")
    rows: list[Row] = []
    left_out = {method.name: f"not installed: {', '.join(method.missing)}" for method in chosen if method.missing}
    of_b0 = (measure_b0(b0, step, takes) for step in STEPS if b0)
    of_others = (measure(m, setting, takes) for m in chosen if not m.missing for setting in m.settings)
    for row in chain(of_b0, of_others):
        rows.append(row)
        show(row)
    return Result(tuple(rows), left_out, compare_with(REFERENCE, rows))


def measure(method: Method, setting: float | None, takes: list[Take]) -> Row:
    """One row of a method. Raises PosecodecError where what it decodes does not match what it got."""
    sequences = [take.to_sequence() for take in takes]
    method.decode(method.encode(sequences[0], setting))
    began = time.perf_counter()
    files = [method.encode(sequence, setting) for sequence in sequences]
    between = time.perf_counter()
    decoded = [method.decode(file) for file in files]
    ended = time.perf_counter()
    frames = sum(sequence.frames for sequence in sequences)
    errors = _measure_errors(method.name, sequences, decoded)
    bound = method.bound(setting)
    return Row(
        method.name, method.parameter, setting, method.ours, 8 * sum(map(len, files)) / frames, *_summarize(*errors),
        bound, None if bound is None else _is_within(errors[0], bound, sequences),
        frames / (between - began), frames / (ended - between),
    )  # fmt: skip


def measure_b0(b0: B0, step: float, takes: list[Take]) -> Row:
    """One row of B0."""
    bits, points = b0.run([take.points for take in takes], step)
    sequences = [take.to_sequence() for take in takes]
    decoded = [s.with_positions(x[:, None], s.confidence) for s, x in zip(sequences, points, strict=True)]
    frames = sum(sequence.frames for sequence in sequences)
    errors = _measure_errors(REFERENCE, sequences, decoded)
    return Row(REFERENCE, "step mm", step, False, bits / frames, *_summarize(*errors))


def compare_with(reference: str, rows: Sequence[Row]) -> dict[str, tuple[Delta | None, ...]]:
    """BD-rates of all methods against one of them, for each of RANGES_MM.

    None where curves share no error, are too short, or repeat one; empty where the reference was not measured.
    """
    names = dict.fromkeys(row.method for row in rows)
    if reference not in names:
        return {}
    base = _select_curve(rows, reference)
    others = [name for name in names if name != reference]
    return {name: tuple(_compare(base, _select_curve(rows, name), limits) for limits in RANGES_MM) for name in others}


def _compare(base: tuple[Floats, Floats], curve: tuple[Floats, Floats], limits: tuple[float, float]) -> Delta | None:
    try:
        return bd_rate(base, curve, limits)
    except InputError:
        return None


def _select_curve(rows: Sequence[Row], name: str) -> tuple[Floats, Floats]:
    points = [(row.bits_per_frame, row.mpjpe) for row in rows if row.method == name and row.mpjpe > 0]
    rates, errors = np.array(points, np.float64).reshape(-1, 2).T
    return rates, errors


def _measure_errors(name: str, originals: list[PoseSequence], decoded: list[PoseSequence]) -> tuple[Floats, Floats]:
    """Errors of all keypoints in mm, and those relative to the root."""
    pairs = list(zip(originals, decoded, strict=True))
    try:
        everywhere = np.concatenate([error_per_keypoint(a, b).ravel() for a, b in pairs])
    except InputError as error:
        raise PosecodecError(f"{name} does not give back what it got: {error}; leave it out with --methods") from error
    relative = [root_relative_errors(_to_mm(a), _to_mm(b), a.skeleton.root).ravel() for a, b in pairs]
    if np.isnan(everywhere).any():
        raise PosecodecError(f"{name} loses keypoints; leave it out with --methods")
    return everywhere, np.concatenate(relative)


def _to_mm(sequence: PoseSequence) -> Floats:
    return sequence.positions.astype(np.float64) * UNIT_MM[sequence.unit]


def _summarize(everywhere: Floats, relative: Floats) -> tuple[float, float, float, float]:
    """mpjpe, mpjpe_root, p99, max."""
    p99, top = np.percentile(everywhere, (99, 100)).tolist()
    return float(everywhere.mean()), float(relative.mean()), p99, top


def _is_within(errors: Floats, bound: float, sequences: list[PoseSequence]) -> bool:
    """Whether no error passes the bound, but for the rounding of float32 coordinates this far out."""
    furthest = max(float(np.abs(sequence.positions).max()) for sequence in sequences)
    slack = 2 * np.finfo(np.float32).eps * furthest if bound else 0.0
    return bool(errors.max() <= bound + slack)
