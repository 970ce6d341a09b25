"""What is doubtful about a recording: gaps, swaps, jumps, units and the like, each in one line with the remedy.

It only looks: nothing is changed (`mend` and `tracking` do that), and a clean recording has no findings. Thresholds are
set so that motion capture of dancing and jumping raises no alarm; an alarm is a reason to look, not a proof. It leaves
out what needs a model of the body (wrong limb lengths, feet through the floor) and spikes in the first or last frame.
Frames and people are counted from 0; people are named by their ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.metrics import body_heights
from posecodec.pose.orientation import guess_up
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.typing import Bools, Floats

Indices = NDArray[np.intp]

_TALL_MM = (300.0, 3000.0)
_USUAL_MM = 1600.0
_UNIT_WORDS = {"mm": "millimeters", "cm": "centimeters", "m": "meters", "in": "inches"}
_FACTORS = np.log10([10.0, 25.4, 100.0, 1000.0])
_NAMED = 4
_BEND, _ACROSS = 4.0, 1.5
"""A jump's distance from the middle of its neighbors is beyond these multiples of what the frames around it bend there,
and of the way between the neighbors."""
_JITTER = 0.01
"""Share of the body's height that its second differences at rest may reach: noise of about 0.25 % in each axis."""


@dataclass(frozen=True)
class Finding:
    """kind: a short slug, such as "jumps". text: one line with counts, the first place and the remedy. count: of what
    the text says, at least 1."""

    kind: str
    text: str
    count: int


def findings(sequence: PoseSequence) -> list[Finding]:
    """Everything doubtful about a recording, at most one of a kind, empty where there is nothing.

    kinds: nobody, come-and-go, gaps, unseen, confidence, zeros, repeated, identity, left-right, jumps, jitter,
    timestamps, unit, mixed-units, far, tiny, up.

    >>> findings(PoseSequence.from_arrays(np.full((2, 1, 19, 3), np.nan), fps=30))[0].kind
    'nobody'
    """
    if not sequence.valid.any():
        return [Finding("nobody", "no keypoint is there in any frame; check that the export is whole", 1)]
    with np.errstate(all="ignore"):
        motion = _measure(sequence)
        found = [check(sequence, motion) for check in _CHECKS]
    return [finding for finding in found if finding is not None]


@dataclass(frozen=True, eq=False)
class _Motion:
    """Measured once for all checks. Frame t compares with those before it; NaN where something is missing.

    planes: (D, T, P, K) positions, zeros that stand for "missing" taken out. zeros: (T, P, K) those.
    heights: (T, P) of the bodies along their longest axis. size: their median, 0 where it cannot be told.
    step: (T, P, K) distance from t - 1. turns: (D, T, P, K) second difference of t - 2, t - 1, t. turn: its length.
    stay: (T, P, K) distance from where the keypoint was or was heading, whichever is nearer.
    identity: (T, P) people that seem to take another's place in t. sides: (T, P) left and right seem to swap in t.
    """

    planes: Floats
    zeros: Bools
    heights: Floats
    size: float
    step: Floats
    turns: Floats
    turn: Floats
    stay: Floats
    identity: Bools
    sides: Bools


def _measure(sequence: PoseSequence) -> _Motion:
    points = sequence.positions.astype(np.float64)
    zeros = _zeros(sequence)
    points[zeros] = np.nan
    heights = body_heights(points, "unknown")
    known = heights[np.isfinite(heights)]
    size = float(np.median(known)) if known.size else 0.0
    planes = np.ascontiguousarray(np.moveaxis(points, -1, 0))
    steps = _difference(planes)
    turns = _difference(steps)
    step, turn = _length(steps), _length(turns)
    stay = np.fmin(step, turn)
    identity = _exchanges(planes, stay, size)
    sides = _side_swaps(planes, stay, size, sequence.skeleton.pairs) & ~identity
    return _Motion(planes, zeros, heights, size, step, turns, turn, stay, identity, sides)


def _difference(planes: Floats) -> Floats:
    """(D, T, P, K) minus the frame before; NaN in the first."""
    result = np.full_like(planes, np.nan)
    np.subtract(planes[:, 1:], planes[:, :-1], out=result[:, 1:])
    return result


def _length(vectors: Floats) -> Floats:
    """Euclidean length over the first axis."""
    total = np.square(vectors[0])
    for plane in vectors[1:]:
        total += np.square(plane)
    return np.asarray(np.sqrt(total, out=total), np.float64)


# -- what is missing ----------------------------------------------------------------------------------------------------


def _come_and_go(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    there = np.asarray(sequence.valid.any(axis=2))
    seen = np.asarray(there.any(axis=0))
    first, last = _first_last(there)
    late, early = seen & (first > 0), seen & (last < sequence.frames - 1)
    partly = late | early | ~seen
    if not partly.any():
        return None
    p = int(partly.argmax())
    spell = f"is there in frames {first[p]} to {last[p]}" if seen[p] else "is never there"
    text = (
        f"{partly.sum()} of {_some(sequence.people, 'person', 'people')} not there throughout ({late.sum()} enter late, "
        f"{early.sum()} leave early, {(~seen).sum()} never seen): {_person(sequence, p)} {spell}; kept so, but where one "
        "leaves as another enters they may be the same: pass --track"
    )
    return Finding("come-and-go", text, int(partly.sum()))


def _gaps(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    valid = sequence.valid
    there = np.asarray(valid.any(axis=2))
    first, last = _first_last(there)
    frame = np.arange(sequence.frames)[:, None]
    away = ~there & (frame > first) & (frame < last) & there.any(axis=0)
    seen = np.asarray(valid.any(axis=0))
    lost = there[..., None] & ~valid & seen
    if not (away.any() or lost.any()):
        return None
    people, points = _runs(away), _runs(lost)
    count = len(people) + len(points)
    expected = int((there | away).sum(axis=0) @ seen.sum(axis=1))
    missing = int(away.sum(axis=0) @ seen.sum(axis=1)) + int(lost.sum())
    longest = max((tuple(runs[runs[:, 1].argmax()]) for runs in (people, points) if len(runs)), key=lambda run: run[1])
    text = (
        f"{_some(count, 'gap')} ({len(people):,} of whole people, {len(points):,} of single keypoints), "
        f"{100 * missing / expected:.2g} % missing; the longest is {_some(longest[1], 'frame')} "
        f"({longest[1] / sequence.rate:.3g} s) from {_place(sequence, longest[0], *longest[2:])}; kept as missing, "
        "fill them first if a later step needs every frame"
    )
    return Finding("gaps", text, count)


def _unseen(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    seen = np.asarray(sequence.valid.any(axis=0))
    unseen = ~seen & seen.any(axis=1, keepdims=True)
    if not unseen.any():
        return None
    nobody = ~seen.any(axis=0)
    if nobody.any():
        names = _listed([sequence.skeleton.keypoints[k] for k in np.flatnonzero(nobody)])
        text = f"{_some(int(nobody.sum()), 'keypoint')} never seen in anybody: {names}"
        own = int((unseen & ~nobody).sum())
        text += f", and {own:,} more in one person or another" if own else ""
    else:
        p, k = np.argwhere(unseen)[0]
        text = f"{_some(int(unseen.sum()), 'keypoint')} never seen in one person or another, the first "
        text += f"{_person(sequence, p)}, {_named(sequence.skeleton.keypoints[k])}"
    return Finding("unseen", f"{text}; check the skeleton, or leave it: it costs next to nothing", int(unseen.sum()))


def _confidence(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    outside = (sequence.confidence < 0) | (sequence.confidence > 1)
    if not outside.any():
        return None
    low, high = sequence.confidence.min(), sequence.confidence.max()
    text = (
        f"{_some(int(outside.sum()), 'confidence')} outside 0 to 1 (range {low:.4g} to {high:.4g}), the first at "
        f"{_first(sequence, outside)}; kept as they are, scale them first if they should be shares"
    )
    return Finding("confidence", text, int(outside.sum()))


def _zeros(sequence: PoseSequence) -> Bools:
    """(T, P, K) positions of exact zeros; not those of one keypoint that is the origin of its frames."""
    zeros = np.asarray((sequence.positions == 0).all(axis=-1))
    always = (zeros | ~sequence.valid).all(axis=(0, 1)) & zeros.any(axis=(0, 1))
    origin = np.flatnonzero(always)
    root = sequence.skeleton.root
    if len(origin) == 1 and root in (None, int(origin[0])) and len(sequence.skeleton) > 1:
        zeros[..., origin] = False
    return zeros


def _zero_positions(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    zeros = motion.zeros
    if not zeros.any():
        return None
    where = ",".join("0" * sequence.dims)
    text = (
        f"{_some(int(zeros.sum()), 'position')} exactly {where}, the first at {_first(sequence, zeros)}; "
        "if that means missing, pass --zeros-missing"
    )
    return Finding("zeros", text, int(zeros.sum()))


# -- what does not move as bodies do ------------------------------------------------------------------------------------


def _repeated(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    missing = ~sequence.valid
    same = np.zeros((sequence.frames, sequence.people), np.bool_)
    still = (sequence.positions[1:] == sequence.positions[:-1]).all(axis=-1) | (missing[1:] & missing[:-1])
    still &= sequence.confidence[1:] == sequence.confidence[:-1]
    same[1:] = still.all(axis=2) & ~missing[1:].all(axis=2)
    if not same.any():
        return None
    runs = _runs(same)
    count, longest = int(same.sum()), runs[runs[:, 1].argmax()]
    share = same.all(axis=1).mean()
    rate = f" (the true rate may be nearer {sequence.rate * (1 - share):.3g} fps)" if 0.2 < share < 0.9 else ""
    text = (
        f"{_some(count, 'pose')} the same as in the frame before, to the last digit, in {_some(len(runs), 'run')}; the "
        f"longest is {longest[1]} from {_place(sequence, longest[0], longest[2])}; drop padded frames and state the "
        f"true rate with --fps{rate}"
    )
    return Finding("repeated", text, count)


def _exchanges(planes: Floats, stay: Floats, size: float) -> Bools:
    """(T, P): people who continue where another one was, who in turn went elsewhere, came or vanished."""
    frames, people = stay.shape[:2]
    result = np.zeros((frames, people), np.bool_)
    there = ~np.asarray(np.isnan(planes[0]).all(axis=2))
    away = _mean_known(stay)
    moved = np.isnan(away) | (away > 0.1 * size)
    for p in range(people):
        for q in range(people):
            here = moved[1:, p] & moved[1:, q] & there[1:, p] & there[:-1, q]
            t = 1 + np.flatnonzero(here) if p != q else np.zeros(0, np.intp)
            if len(t):
                limit = np.fmin(np.fmin(away[t, p], away[t, q]) / 2, 0.2 * size if size else np.inf)
                across = _mean_known(_length(planes[:, t, p] - planes[:, t - 1, q]))
                result[t[across < limit], p] = True
    return result


def _identity(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    frames = motion.identity.any(axis=1)
    if not frames.any():
        return None
    t, count = int(frames.argmax()), int(frames.sum())
    names = _listed([sequence.ids[p] for p in np.flatnonzero(motion.identity[t])])
    text = (
        f"people seem to change places in {_some(count, 'frame')}, the first frame {t} (ids {names}): their positions "
        "go on under another id; pass --track to follow them by where they are"
    )
    return Finding("identity", text, count)


def _side_swaps(planes: Floats, stay: Floats, size: float, pairs: tuple[tuple[int, int], ...]) -> Bools:
    """(T, P): a left and a right keypoint each continue where the other one was."""
    result = np.zeros(stay.shape[:2], np.bool_)
    if not pairs:
        return result
    left, right = np.array(pairs).T
    away = np.minimum(stay[:, :, left], stay[:, :, right])
    far = away > 0.02 * size
    if far.any():
        far &= away > 4 * _quantile(away, 0.25)
    t, p, i = np.nonzero(far)
    crossed = [_length(planes[:, t, p, a[i]] - planes[:, t - 1, p, b[i]]) for a, b in ((left, right), (right, left))]
    hit = np.maximum(*crossed) < away[t, p, i] / 2
    result[t[hit], p[hit]] = True
    return result


def _left_right(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    if not motion.sides.any():
        return None
    count = int(motion.sides.sum())
    t, p = np.argwhere(motion.sides)[0]
    text = (
        f"left and right seem to change places {_some(count, 'time')}, the first at {_place(sequence, t, p)}; "
        "swap them back in the source, or expect spikes there"
    )
    return Finding("left-right", text, count)


def _jumps(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    if sequence.frames < 3:
        return None
    off = motion.turn[2:] / 2
    jump = off > 0.02 * motion.size
    jump &= ~np.isnan(off)
    if jump.any():
        jump &= off > 10 * _quantile(off, 0.5)
        jump &= ~_beside(motion.identity | motion.sides)[..., None]
    t, p, k = np.nonzero(jump)
    hit = off[t, p, k] > _expected_off(motion.planes, t + 1, p, k)
    if not hit.any():
        return None
    t, p, k = t[hit], p[hit], k[hit]
    poses = len(set(zip(t.tolist(), p.tolist(), strict=True)))
    text = (
        f"{_some(len(t), 'keypoint')} out and back within a frame (in {_some(poses, 'pose')}), the first at "
        f"{_place(sequence, t[0] + 1, p[0], k[0])}, {_amount(sequence, off[t[0], p[0], k[0]])} off its neighbors; "
        "make them missing or smooth them if they are no motion"
    )
    return Finding("jumps", text, len(t))


def _expected_off(planes: Floats, t: Indices, p: Indices, k: Indices) -> Floats:
    """How far at most the keypoints may be off the middle of their neighbors, as those (and the next) move."""
    before, after = planes[:, t - 1, p, k], planes[:, t + 1, p, k]
    middle, wide = (before + after) / 2, np.full_like(before, np.nan)
    inner = (t >= 2) & (t < planes.shape[1] - 2)
    t, p, k = t[inner], p[inner], k[inner]
    wide[:, inner] = (planes[:, t - 2, p, k] + planes[:, t + 2, p, k]) / 2
    bend = _length(wide - middle)
    return np.fmax(_BEND * bend, _ACROSS * _length(after - before))


def _beside(swapped: Bools) -> Bools:
    """(T - 2, P): frames 1 to T - 2 that a swap leads into or out of."""
    return swapped[1:-1] | swapped[2:]


def _jitter(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    if sequence.frames < 5 or not motion.size:
        return None
    net = _length(motion.planes[:, 4:] - motion.planes[:, :-4])
    known = ~np.isnan(net)
    known &= ~np.isnan(bend := motion.turn[3:-1])
    if not known.any():
        return None
    rest = known & (net <= np.quantile(net[known], 0.2))
    level = float(np.median(bend[rest]))
    if not level > _JITTER * motion.size:
        return None
    t, p, k = np.nonzero(rest)
    fourth = motion.turns[:, t + 4, p, k] - 2 * motion.turns[:, t + 3, p, k] + motion.turns[:, t + 2, p, k]
    if not np.nanmedian(_length(fourth)) > 2 * level:
        return None
    text = (
        f"keypoints tremble: even at rest their second difference is {_amount(sequence, level)} in the median "
        f"({100 * level / motion.size:.2g} % of the body's height); smoothing first saves most of the bytes"
    )
    return Finding("jitter", text, int(rest.sum()))


# -- time, units and axes -----------------------------------------------------------------------------------------------


def _timestamps(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    if sequence.timestamps is None or sequence.frames < 3:
        return None
    steps = np.diff(sequence.timestamps)
    usual = float(np.median(steps))
    odd = np.abs(steps - usual) > max(0.1 * usual, min(1.001e-3, 0.5 * usual))
    if not odd.any():
        return None
    dropped = np.maximum(np.rint(np.minimum(steps / usual, 1e15)) - 1, 0)
    lost = f", about {_some(int(dropped.sum()), 'frame')} dropped" if dropped.any() else ""
    text = (
        f"{_some(int(odd.sum()), 'step')} between frames irregular ({1000 * steps.min():.4g} to {1000 * steps.max():.4g} "
        f"ms, usually {1000 * usual:.4g}){lost}, the first after frame {int(odd.argmax())}; times are kept, resample "
        "first if a later step needs a constant rate"
    )
    return Finding("timestamps", text, int(odd.sum()))


def _unit(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    if not motion.size:
        return None
    if sequence.unit == "px" and np.nanmax(np.abs(motion.planes)) <= 2:
        text = f"bodies are {motion.size:.3g} px tall: these look like shares of the image, not pixels; "
        return Finding("unit", text + "multiply by the image's width and height, or pass --unit unknown", 1)
    if sequence.unit not in UNIT_MM or sequence.dims != 3 or not _is_human(sequence):
        return None
    stated = motion.size * UNIT_MM[sequence.unit]
    if _TALL_MM[0] <= stated <= _TALL_MM[1]:
        return None
    text = f"bodies are {motion.size:.3g} {sequence.unit} tall in the median"
    fits = {unit: motion.size * mm for unit, mm in UNIT_MM.items() if _TALL_MM[0] <= motion.size * mm <= _TALL_MM[1]}
    if fits:
        best = min(fits, key=lambda unit: abs(np.log(fits[unit] / _USUAL_MM)))
        text += f": looks like {_UNIT_WORDS[best]} although the file says {sequence.unit}; pass --unit {best}"
    else:
        text += ", which no unit makes a person's; check the scale, or pass --unit unknown"
    return Finding("unit", text, 1)


def _is_human(sequence: PoseSequence) -> bool:
    """Whether hips and ankles are named, so that the body's height is that of a person."""
    names = " ".join(sequence.skeleton.keypoints).lower()
    return ("hip" in names or "pelvis" in names) and ("ankle" in names or "foot" in names)


def _mixed_units(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    ratio = motion.heights / motion.size if motion.size else np.ones((1, 1))
    if sequence.dims != 3 or not ((ratio > 4) | (ratio < 0.25)).any():
        return None
    ends = np.array(sequence.skeleton.edges or [(k, k + 1) for k in range(len(sequence.skeleton) - 1)]).T
    bones = np.log10(_length(motion.planes[..., ends[0]] - motion.planes[..., ends[1]]))
    bones[np.isinf(bones)] = np.nan
    usual = _quantile(bones, 0.5)
    odd = _is_factor(_middle(bones - usual))
    own = _middle(usual - usual[_middle_person(usual)])
    people = _is_factor(own)
    if people.any():
        p = int(people.argmax())
        text = f"{_person(sequence, p)} is {10 ** own[p]:.4g} times as large as "
        text += f"{_person(sequence, _middle_person(usual))} ({_some(int(people.sum()), 'person', 'people')} so)"
    elif odd.any():
        t, p = np.argwhere(odd)[0]
        scale = 10 ** float(_middle(bones - usual)[t, p])
        text = f"{_some(int(odd.sum()), 'pose')} another scale than the rest of that person, the first at "
        text += f"{_place(sequence, t, p)} ({scale:.4g} times as large)"
    else:
        return None
    count = int(people.sum()) or int(odd.sum())
    return Finding("mixed-units", f"{text}; units seem to be mixed: bring all to one in the source", count)


def _is_factor(logs: Floats) -> Bools:
    """Whether log10 of a ratio is within 17 % of 10, 25.4, 100, 1000 or the inverse of one."""
    return np.asarray((np.abs(np.abs(logs)[..., None] - _FACTORS) < 0.07).any(axis=-1))


def _middle(values: Floats) -> Floats:
    """Median over the last axis of what is not NaN; NaN where fewer than 3 are (or fewer than there could be)."""
    count = (~np.isnan(values)).sum(axis=-1)
    result = _quantile(np.moveaxis(values, -1, 0), 0.5)
    return np.where(count >= min(3, values.shape[-1]), result, np.nan)


def _middle_person(usual: Floats) -> int:
    """Index of the person of the middle size; usual: (P, E) log lengths."""
    sizes = np.array([np.median(row[~np.isnan(row)]) if (~np.isnan(row)).any() else np.nan for row in usual])
    order = np.argsort(sizes)
    return int(order[(max(int((~np.isnan(sizes)).sum()), 1) - 1) // 2])


def _far(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    reach = np.abs(motion.planes).max(axis=0)
    far = reach > (min(1e4 * motion.size, 1e9) if motion.size else 1e9)
    if not far.any():
        return None
    text = (
        f"{_some(int(far.sum()), 'keypoint')} up to {np.nanmax(reach):.3g} away from the origin (bodies are "
        f"{motion.size:.3g} tall), the first at {_first(sequence, far)}; single-precision numbers are coarse there: "
        "move the origin near the people, or make wild ones missing"
    )
    return Finding("far", text, int(far.sum()))


def _tiny(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    if not 0 < motion.size < 1e-4:
        return None
    text = f"bodies are only {motion.size:.3g} tall; scale them up, and check the unit"
    return Finding("tiny", text, 1)


def _up(sequence: PoseSequence, motion: _Motion) -> Finding | None:
    if sequence.up == "unknown":
        return None
    points = sequence.positions.reshape(-1, len(sequence.skeleton), sequence.dims)
    guess = guess_up(points, sequence.skeleton)
    if guess == sequence.up or not (share := _standing(sequence, guess)) > 0.8:
        return None
    text = (
        f"{sequence.up} is said to be up, but the shoulders are {guess} of the hips in {100 * share:.0f} % of the poses; "
        f"pass --up {guess} unless people lie or hang"
    )
    return Finding("up", text, 1)


def _standing(sequence: PoseSequence, up: str) -> float:
    """Share of the poses whose trunk is within 45 degrees of that axis; 0 where no trunk is seen."""
    names = sequence.skeleton.keypoints
    parts = [[f"{side}_{part}" for side in ("left", "right")] for part in ("shoulder", "hip")]
    if not all(name in names for part in parts for name in part):
        return 0.0
    top, bottom = (
        sequence.positions[:, :, [names.index(n) for n in part]].astype(np.float64).mean(axis=2) for part in parts
    )
    stem = (top - bottom)[~np.isnan(top - bottom).any(axis=-1)]
    along = stem[:, "xyz".index(up[-1])] * (-1 if up[0] == "-" else 1)
    return float((along > np.sqrt(0.5) * _length(stem.T)).mean()) if len(stem) else 0.0


# -- shared -------------------------------------------------------------------------------------------------------------


def _first_last(there: Bools) -> tuple[NDArray[Any], NDArray[Any]]:
    """First and last frame (P,) in which people are there; for those who never are, 0 and the last of all."""
    return there.argmax(axis=0), len(there) - 1 - there[::-1].argmax(axis=0)


def _runs(mask: Bools) -> NDArray[np.intp]:
    """(N, 2 + M) start, length and the other M indices of each run of True along the first axis, columns in order."""
    columns = mask.reshape(len(mask), -1)
    used = columns.any(axis=0)
    columns = columns[:, used]
    padded = np.zeros((columns.shape[1], len(mask) + 2), np.int8)
    padded[:, 1:-1] = columns.T
    edges = np.diff(padded, axis=1)
    column, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    others = np.unravel_index(np.flatnonzero(used)[column], mask.shape[1:])
    return np.stack([start, end - start, *others], axis=1)


def _quantile(values: Floats, share: float) -> Floats:
    """That quantile over the first axis of what is not NaN (the lower neighbor); NaN where nothing is."""
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(values, 0, -1)), axis=-1)
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    index = (share * np.maximum(count - 1, 0)).astype(np.intp)
    return np.asarray(np.take_along_axis(ordered, index, axis=-1)[..., 0])


def _mean_known(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1))


def _first(sequence: PoseSequence, mask: Bools) -> str:
    return _place(sequence, *np.unravel_index(int(mask.argmax()), mask.shape))


def _place(sequence: PoseSequence, frame: Any, person: Any, keypoint: Any = None) -> str:
    text = f"frame {frame}, {_person(sequence, person)}"
    return text if keypoint is None else f"{text}, {_named(sequence.skeleton.keypoints[keypoint])}"


def _person(sequence: PoseSequence, person: Any) -> str:
    return f"person {_named(sequence.ids[person])}"


def _named(text: str) -> str:
    """A name out of a file, safe to print in one line."""
    short = text if len(text) <= 40 else text[:37] + "..."
    return short if short.isprintable() else repr(short)


def _listed(names: list[str]) -> str:
    text = ", ".join(_named(name) for name in names[:_NAMED])
    return text + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _some(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _amount(sequence: PoseSequence, value: float) -> str:
    return f"{value:.3g} {'units' if sequence.unit == 'unknown' else sequence.unit}"


_CHECKS: tuple[Callable[[PoseSequence, _Motion], Finding | None], ...] = (
    _come_and_go, _gaps, _unseen, _confidence, _zero_positions, _repeated, _identity, _left_right, _jumps, _jitter,
    _timestamps, _unit, _mixed_units, _far, _tiny, _up,
)  # fmt: skip
