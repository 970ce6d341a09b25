"""What a recording is measured in: times, units of length, the place of the origin, the axis that is up."""

from __future__ import annotations

import numpy as np

from posecodec.analysis.checks.finding import Finding, name_first, name_person, name_place, say_count
from posecodec.analysis.checks.measures import MeasuredMotion, measure_lengths, take_quantile
from posecodec.pose.orientation import find_trunks, guess_up
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.typing import Bools, Floats

_IRREGULAR = 0.1  # Share of the usual step between frames that another may differ by
_ROUNDING_S = 1.001e-3  # Seconds that it may differ by anyway, up to half of it: times in whole milliseconds
_TALL_MM = (300.0, 3000.0)  # What people, babies and jumpers included, are tall
_USUAL_MM = 1600.0  # What people are tall most often: the unit that comes nearest is proposed
_UNIT_WORDS = {"mm": "millimeters", "cm": "centimeters", "m": "meters", "in": "inches"}
_IMAGE_SHARES = 2  # Coordinates in an image up to which they are shares of it: pixels would be more
_FACTORS = np.log10([10.0, 25.4, 100.0, 1000.0])  # What lies between two units of length
_FACTOR_LOG = 0.07  # log10 that a ratio may be off a factor: 17 %, as far as sizes of people differ
_MIXED_RATIO = 4.0  # Times that a body must differ from the median for units to be looked at: none bends so far
_FAR_HEIGHTS = 1e4  # Heights from the origin beyond which float32 rounds persons' coordinates to about a millimeter
_FAR = 1e9  # The same in any unit, and where no height is known
_TINY = 1e-4  # Height in the recording's unit that hardly a body falls short of: a mite's in meters
_STANDING_COSINE = np.sqrt(0.5)  # Of the angle to an axis, 45 degrees, within which a trunk stands along it
_STANDING_SHARE = 0.8  # Share of the poses whose trunk must be along another axis than the one stated


def check_timestamps(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    if sequence.timestamps is None or sequence.frames < 3:
        return None
    steps = np.diff(sequence.timestamps)
    usual = float(np.median(steps))
    odd = np.abs(steps - usual) > max(_IRREGULAR * usual, min(_ROUNDING_S, 0.5 * usual))
    if not odd.any():
        return None
    dropped = np.maximum(np.rint(np.minimum(steps / usual, 1e15)) - 1, 0)
    lost = f", about {say_count(int(dropped.sum()), 'frame')} dropped" if dropped.any() else ""
    text = (
        f"{say_count(int(odd.sum()), 'step')} between frames irregular ({1000 * steps.min():.4g} to {1000 * steps.max():.4g} "
        f"ms, usually {1000 * usual:.4g}){lost}, the first after frame {int(odd.argmax())}; times are kept, resample "
        "first if a later step needs a constant rate"
    )
    return Finding("timestamps", text, int(odd.sum()))


def check_unit(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    if sequence.unit == "px" and sequence.dims == 3:
        text = "three dimensions in pixels: is the third a confidence, pass --columns xyc (arrays), or 3D in another unit, "
        return Finding("unit", text + "pass --unit mm or the like", 1)
    if not motion.size:
        return None
    if sequence.unit == "px" and np.nanmax(np.abs(motion.planes)) <= _IMAGE_SHARES:
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


def check_mixed_units(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    ratio = motion.heights / motion.size if motion.size else np.ones((1, 1))
    if sequence.dims != 3 or not ((ratio > _MIXED_RATIO) | (ratio < 1 / _MIXED_RATIO)).any():
        return None
    ends = np.array(sequence.skeleton.edges or [(k, k + 1) for k in range(len(sequence.skeleton) - 1)]).T
    bones = np.log10(measure_lengths(motion.planes[..., ends[0]] - motion.planes[..., ends[1]]))
    bones[np.isinf(bones)] = np.nan
    usual = take_quantile(bones, 0.5)
    scales, middle = _take_median(bones - usual), _pick_middle_person(usual)
    own = _take_median(usual - usual[middle])
    odd, people = _is_factor(scales), _is_factor(own)
    if people.any():
        p = int(people.argmax())
        text = f"{name_person(sequence, p)} is {10 ** own[p]:.4g} times as large as "
        text += f"{name_person(sequence, middle)} ({say_count(int(people.sum()), 'person', 'people')} so)"
    elif odd.any():
        t, p = np.argwhere(odd)[0]
        text = f"{say_count(int(odd.sum()), 'pose')} another scale than the rest of that person, the first at "
        text += f"{name_place(sequence, t, p)} ({10 ** float(scales[t, p]):.4g} times as large)"
    else:
        return None
    count = int(people.sum()) or int(odd.sum())
    return Finding("mixed-units", f"{text}; units seem to be mixed: bring all to one in the source", count)


def _is_factor(logs: Floats) -> Bools:
    """Whether log10 of a ratio is near one of _FACTORS or its inverse."""
    return np.asarray((np.abs(np.abs(logs)[..., None] - _FACTORS) < _FACTOR_LOG).any(axis=-1))


def _take_median(values: Floats) -> Floats:
    """Median over the last axis of what is not NaN; NaN where fewer than 3 are (or fewer than there could be)."""
    count = (~np.isnan(values)).sum(axis=-1)
    result = take_quantile(np.moveaxis(values, -1, 0), 0.5)
    return np.where(count >= min(3, values.shape[-1]), result, np.nan)


def _pick_middle_person(usual: Floats) -> int:
    """Index of the person of the middle size; usual: (P, E) log lengths."""
    sizes = np.array([np.median(row[~np.isnan(row)]) if (~np.isnan(row)).any() else np.nan for row in usual])
    order = np.argsort(sizes)
    return int(order[(max(int((~np.isnan(sizes)).sum()), 1) - 1) // 2])


def check_far(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    reach = np.abs(motion.planes).max(axis=0)
    far = reach > (min(_FAR_HEIGHTS * motion.size, _FAR) if motion.size else _FAR)
    if not far.any():
        return None
    text = (
        f"{say_count(int(far.sum()), 'keypoint')} up to {np.nanmax(reach):.3g} away from the origin (bodies are "
        f"{motion.size:.3g} tall), the first at {name_first(sequence, far)}; single-precision numbers are coarse there: "
        "move the origin near the people, or make wild ones missing"
    )
    return Finding("far", text, int(far.sum()))


def check_tiny(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    if not 0 < motion.size < _TINY:
        return None
    return Finding("tiny", f"bodies are only {motion.size:.3g} tall; scale them up, and check the unit", 1)


def check_up(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    if sequence.up == "unknown":
        return None
    points = sequence.positions.reshape(-1, len(sequence.skeleton), sequence.dims)
    guess = guess_up(points, sequence.skeleton)
    trunks = find_trunks(points, sequence.skeleton)
    if guess == sequence.up or not len(trunks):
        return None
    along = trunks[:, "xyz".index(guess[-1])] * (-1 if guess[0] == "-" else 1)
    share = float((along > _STANDING_COSINE * measure_lengths(trunks.T)).mean())
    if not share > _STANDING_SHARE:
        return None
    text = (
        f"{sequence.up} is said to be up, but the shoulders are {guess} of the hips in {100 * share:.0f} % of the poses; "
        f"pass --up {guess} unless people lie or hang"
    )
    return Finding("up", text, 1)
