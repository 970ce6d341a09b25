"""How natural decoded motion is: smoothness, spectrum, bones, feet, and the seams between coded windows.

Points are (T, 19, 3) of one person, coco19, gapless, mm, y up. NaN stands for what could not be measured. Where 0 is not
to be reached (bones, feet, seams of captured motion) the originals measured against themselves say what is.
It needs numpy only, so that decoders of any kind can be measured; it decodes nothing itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.metrics import jerk
from posecodec.errors import InputError
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Floats

Points = NDArray[np.floating]
Seams = Sequence[int]  # Indices of the first frames of windows, but for the first window's

BANDS_HZ = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0)  # Edges of bands; each holds its lower edge, not its upper
SEGMENT_SECONDS = 2.0  # Of a spectrum: it resolves half a hertz, the lowest band
POWER_FLOOR = 1.0  # (mm/s)^2, added to each band so that stillness has a logarithm: 0.2 mm/s in each of 19 keypoints
CONTACT_PERCENTILE = 5.0  # Of the ankles' heights in a clip: where the floor is, but for outliers
CONTACT_HEIGHT = 50.0  # mm above that which a standing ankle may be: heels rise a little before the foot leaves
CONTACT_SPEED = 150.0  # mm/s that a standing ankle may move at: captured ones wobble, swinging ones do meters a second
_UP = 1  # The axis that is up; _HORIZONTAL are the others
_HORIZONTAL = [0, 2]
_ANKLES = [COCO19.keypoints.index(f"{side}_ankle") for side in ("left", "right")]
_EDGES = np.array(COCO19.edges)
_SHORTEST = 4  # Frames that jerk and a spectrum need


@dataclass(frozen=True)
class MotionQuality:
    """What `measure` found; NaN where nothing could be measured.

    mpjpe: mm, mean distance of the keypoints, unaligned (Ionescu et al. 2014, Human3.6M).
    jerk_ratio: 1 is as smooth as the original, less is smoother. spectrum_distance: decades of power, 0 is equal.
    bone_variation: percent, of the decoded. foot_skating: mm/s, of the decoded.
    seam_ratio: of the decoded, 1 where seams do not show. seam_excess: the same over the original's.
    """

    mpjpe: float
    jerk_ratio: float
    spectrum_distance: float
    bone_variation: float
    foot_skating: float
    seam_ratio: float
    seam_excess: float


def measure(pairs: Sequence[tuple[Points, Points]], fps: float, seams: Sequence[Seams]) -> MotionQuality:
    """Every measure, averaged over pairs (original, decoded) by their frames; clips where one is NaN do not count in it.

    seams: those of each pair, in the order of `pairs`. Raises InputError where a pair's shapes differ or are not
    (T, 19, 3), and where the counts of pairs and seams differ.
    """
    if len(pairs) != len(seams):
        raise InputError(f"{len(pairs)} pairs, but seams of {len(seams)}; give each pair its seams, [] for none")
    rows = [astuple(_measure_clip(*pair, fps, starts)) for pair, starts in zip(pairs, seams, strict=True)]
    values = np.array(rows, np.float64).reshape(-1, len(MotionQuality.__dataclass_fields__))
    frames = np.array([len(original) for original, _ in pairs], np.float64)
    return MotionQuality(*(_average(column, frames) for column in values.T))


def jerk_ratio(original: Points, decoded: Points, fps: float) -> float:
    """Mean jerk of `decoded` over that of `original`, both (T, K, 3); NaN below 4 frames and where the original has none.

    Jerk as the measure of smoothness is Flash & Hogan 1985. Few very still clips can outweigh all others in a mean.
    """
    first, second = (_average(jerk(_widen(points)[:, None], fps)) for points in (original, decoded))
    return _divide(second, first)


def spectrum_distance(original: Points, decoded: Points, fps: float) -> float:
    """Mean over bands of |log10 power of `decoded` - log10 power of `original`|, both (T, K, 3); decades.

    Power is that of velocity (one frame to the next, mm/s), summed over keypoints and axes, by Welch 1967: segments of
    SEGMENT_SECONDS (or all there is) that overlap by about half and cover the clip, their mean removed, periodic Hann
    window, one-sided, scaled so that the bins sum to the mean square. A band's power is the sum of its bins plus
    POWER_FLOOR. Bands are BANDS_HZ, those without a bin (short clips, low fps) left out. NaN below 4 frames and
    where no band has a bin (4 frames at 30 fps). Spectra as a judge of motion: Gopalakrishnan et al. 2019 (NPSS), there
    of joint angles and normalized.
    """
    if min(len(original), len(decoded)) < _SHORTEST:
        return math.nan
    return _average(np.abs(_measure_bands(decoded, fps) - _measure_bands(original, fps)))


def bone_variation(points: Points) -> float:
    """Mean over the edges of coco19 of 100 x standard deviation / mean of the length over time; points (T, 19, 3).

    Percent; NaN below 2 frames. Bones keep their length as in Chen et al. 2021 (anatomy-aware pose estimation); the
    measure is the coefficient of variation (Pearson 1896). Edges of no length are left out.
    """
    if len(points) < 2:
        return math.nan
    ends = _widen(points)[:, _EDGES]
    lengths = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=-1)
    mean = lengths.mean(axis=0)
    return 100 * _average(lengths.std(axis=0)[mean > 0] / mean[mean > 0])


def foot_skating(original: Points, decoded: Points, fps: float) -> float:
    """Mean horizontal speed of `decoded` ankles while the original's same ankle stands; both (T, 19, 3); mm/s.

    An ankle stands in a frame where it is at most CONTACT_HEIGHT above the 5th percentile of both ankles' heights in the
    clip and slower than CONTACT_SPEED (in 3D). A frame's speed is that of the step to the next. NaN where none stands.
    As in Zhang et al. 2018 (MANN), with the original's contact in place of a weight by height.
    """
    if len(original) < 2:
        return math.nan
    source, result = (_widen(points)[:, _ANKLES] for points in (original, decoded))
    height = source[:-1, :, _UP]
    low = height <= np.percentile(source[..., _UP], CONTACT_PERCENTILE) + CONTACT_HEIGHT
    stands = low & (_measure_speed(source, fps) < CONTACT_SPEED)
    return _average(_measure_speed(result[..., _HORIZONTAL], fps)[stands])


def seam_ratio(points: Points, seams: Seams) -> float:
    """Mean acceleration across seams over the mean elsewhere; points (T, K, 3); 1 where seams do not show.

    Acceleration is the length of a keypoint's second difference. Those centered at a seam and at the frame before
    straddle it. NaN without seams, without other frames, or where nothing accelerates there. So is blockiness of pictures
    measured (Wang, Sheikh & Bovik 2002): differences across borders against those within blocks.
    """
    center = np.arange(1, max(len(points) - 1, 1))
    across = np.isin(center, seams) | np.isin(center + 1, seams)
    acceleration = np.linalg.norm(np.diff(_widen(points), n=2, axis=0), axis=-1)
    return _divide(_average(acceleration[across]), _average(acceleration[~across]))


def seam_excess(original: Points, decoded: Points, seams: Seams) -> float:
    """`seam_ratio` of `decoded` over that of `original`, both (T, K, 3): what is not the motion's own doing.

    NaN where either is, and where the original does not accelerate at the seams.
    """
    return _divide(seam_ratio(decoded, seams), seam_ratio(original, seams))


def _measure_clip(original: Points, decoded: Points, fps: float, seams: Seams) -> MotionQuality:
    if original.shape != decoded.shape or original.shape[1:] != (len(COCO19), 3):
        raise InputError(f"original {original.shape}, decoded {decoded.shape}; give both as (T, {len(COCO19)}, 3)")
    return MotionQuality(
        mpjpe=_average(np.linalg.norm(_widen(original) - _widen(decoded), axis=-1)),
        jerk_ratio=jerk_ratio(original, decoded, fps), spectrum_distance=spectrum_distance(original, decoded, fps),
        bone_variation=bone_variation(decoded), foot_skating=foot_skating(original, decoded, fps),
        seam_ratio=seam_ratio(decoded, seams), seam_excess=seam_excess(original, decoded, seams),
    )  # fmt: skip


def _measure_bands(points: Points, fps: float) -> Floats:
    """(bands,) log10 of the power of velocity in BANDS_HZ, NaN for bands without a bin; points (T, K, 3), T > 3."""
    velocity = np.diff(_widen(points), axis=0).reshape(len(points) - 1, -1) * fps
    size, power = _estimate_spectrum(velocity, round(SEGMENT_SECONDS * fps))
    band = np.digitize(np.arange(len(power)) * fps / size, BANDS_HZ) - 1
    inside = [power[band == i] for i in range(len(BANDS_HZ) - 1)]
    return np.array([math.log10(found.sum() + POWER_FLOOR) if found.size else math.nan for found in inside])


def _estimate_spectrum(values: Floats, longest: int) -> tuple[int, Floats]:
    """Length of the segments, and (length // 2 + 1,) one-sided power of (T, N) series, summed over N (Welch 1967)."""
    size = max(min(len(values), longest), _SHORTEST - 1)
    spare = len(values) - size
    starts = np.linspace(0, spare, 1 + math.ceil(2 * spare / size)).astype(int)
    window = np.hanning(size + 1)[:size, None]
    segments = np.stack([values[s : s + size] for s in starts])
    transformed = np.fft.rfft((segments - segments.mean(axis=1, keepdims=True)) * window, axis=1)
    power = (np.abs(transformed) ** 2).sum(axis=2).mean(axis=0)
    return size, 2 * power / (size * (window**2).sum())


def _measure_speed(points: Floats, fps: float) -> Floats:
    """(T-1, K) per second, from each frame to the next."""
    return np.asarray(np.linalg.norm(np.diff(points, axis=0), axis=-1) * fps)


def _widen(points: Points) -> Floats:
    return points.astype(np.float64)


def _average(values: Floats, weights: Floats | None = None) -> float:
    """Mean of what is not NaN, NaN if there is none."""
    weight = np.where(np.isnan(values), 0.0, 1.0 if weights is None else weights)
    return _divide(float((np.nan_to_num(values) * weight).sum()), float(weight.sum()))


def _divide(above: float, below: float) -> float:
    return above / below if below > 0 else math.nan
