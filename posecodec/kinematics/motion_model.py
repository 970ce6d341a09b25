"""How bodies move, as covariances: what is missing of a body is expected of what is seen of it, before, after and beside.

Coordinates of a body, as `body_track` has it, are taken to be a stationary Gaussian process: a mean, and how each of them
varies with each other one, so many frames later. What is expected of the missing ones, given the others, is a linear
equation (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, A.6). Its weights are learned by
`posecodec train-motion`; no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import WeightsError
from posecodec.kinematics.body_track import SMALLEST, Bones
from posecodec.pose.orientation import upright
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.files import read_written
from posecodec.signal.resampling import count_frames
from posecodec.typing import Bools, Floats, Ints
from posecodec.zoo import Rule, Weights, check_tensors, name_weights

KIND = "motion"  # Of weights, in their settings
STRIDE = 2  # Frames whose mean is one value: half the numbers, and a quarter of the time, for the same error
UNIT = 2.0**-30  # Of covariances, which are stored as whole numbers
NOISE = 0.005  # Of the mean variance, by which what is seen may be off: less follows jitter, more leaves ends behind
SWAY = 0.005  # The same of all keypoints of a moment together, whose root may jitter
MOST_FRAMES = 8192  # Of one stretch at the model's rate: of 1,024 frames, below 4 a second
MOST_KEYPOINTS = 256  # Of a skeleton: lags of 75 MB in 3D
MOST_VALUES = 2048  # That are looked at together: with more keypoints fewer frames are
MOST_NARROWED = 4  # Models of some keypoints that are kept, of 70 MB each
RULES = {
    "mean": Rule("int32", ("N",), -(2**31), 2**31 - 1),
    "lags": Rule("int32", ("L", "N", "N"), -(2**31), 2**31 - 1),
}


@dataclass(frozen=True, eq=False, repr=False)
class MotionModel:
    """Of bodies of a skeleton at a rate. bones: as in `split_track`.

    mean: (N,), N = K D. lags: (L, N, N), E[x(t + l) x(t)'] of what differs from the mean, l in steps of STRIDE frames.
    """

    skeleton: Skeleton
    bones: Bones
    rate: float
    mean: Floats
    lags: Floats
    rounds: ClassVar[int] = 2  # The second sees root and heading of what the first has filled

    @staticmethod
    def from_weights(weights: Weights) -> MotionModel:
        """Raises WeightsError."""
        with name_weights(weights.name):
            settings = weights.settings
            if settings.get("kind") != KIND:
                raise WeightsError(f"they are of kind {settings.get('kind')!r}, not {KIND!r}")
            skeleton = read_written(settings["skeleton"])
            check_tensors(weights.tensors, RULES, {"N": len(skeleton) * int(settings["dims"])})
            bones = tuple((int(a), int(b), float(share)) for a, b, share in settings["bones"])
            ends, rate = {end for a, b, _ in bones for end in (a, b)}, float(settings["rate"])
            if not (ends <= set(range(len(skeleton))) and 0 < rate < math.inf):
                raise WeightsError("bones or rate in the settings are none")
            if len(skeleton) > MOST_KEYPOINTS:
                raise WeightsError(f"they are of more than {MOST_KEYPOINTS} keypoints")
            scale = float(settings["scale"])
            mean, lags = (
                weights.tensors[name] * (UNIT * factor) for name, factor in (("mean", 2.0**12), ("lags", scale))
            )
            return MotionModel(skeleton, bones, rate, mean, lags)

    def narrow(self, seen: Bools) -> tuple[MotionModel, Ints]:
        """The model of those of its keypoints (K,), with its root, and which these are.

        In 2D bodies are as large as their keypoints spread, and those of some keypoints spread otherwise than those of all.
        """
        if (key := seen.tobytes()) not in self._narrowed:
            if len(self._narrowed) >= MOST_NARROWED:
                self._narrowed.clear()
            self._narrowed[key] = self._take(seen)
        return self._narrowed[key]

    @cached_property
    def _narrowed(self) -> dict[bytes, tuple[MotionModel, Ints]]:
        return {}

    def _take(self, seen: Bools) -> tuple[MotionModel, Ints]:
        whole, dims = self.skeleton, self.dims
        chosen = seen.copy()
        if whole.root is not None:
            chosen[whole.root] = True
        kept = np.flatnonzero(chosen)
        places = {int(k): number for number, k in enumerate(kept)}
        edges, pairs = (
            tuple((places[a], places[b]) for a, b in ends if a in places and b in places)
            for ends in (whole.edges, whole.pairs)
        )
        root = None if whole.root is None else places[whole.root]
        skeleton = Skeleton(whole.name, tuple(whole.keypoints[k] for k in kept), edges, pairs, root)
        bones = tuple((places[a], places[b], share) for a, b, share in self.bones if a in places and b in places)
        size = self._measure_spread(kept) / self._measure_spread(np.arange(len(whole))) if dims == 2 else 1.0
        values = (kept[:, None] * dims + np.arange(dims)).ravel()
        steps = max(1, min(len(self.lags), MOST_VALUES // len(values)))
        lags = self.lags[:steps][:, values][:, :, values] / size**2
        return MotionModel(skeleton, bones, self.rate, self.mean[values] / size, lags), kept

    def _measure_spread(self, keypoints: Ints) -> float:
        """Root mean square distance of keypoints from the root."""
        squares = (np.diag(self.lags[0]) + self.mean**2).reshape(-1, self.dims)[keypoints]
        return max(float(np.sqrt(squares.sum(axis=1).mean())), SMALLEST)

    @property
    def dims(self) -> int:
        """D."""
        return len(self.mean) // len(self.skeleton)

    @property
    def frames(self) -> int:
        """That are looked at together."""
        return STRIDE * len(self.lags)

    @cached_property
    def covariances(self) -> Floats:
        """(L N, L N) of all values that are looked at together, with the noise of what is seen."""
        steps, size = self.lags.shape[:2]
        whole = np.empty((steps, size, steps, size))
        for late in range(steps):
            for early in range(late + 1):
                whole[late, :, early] = self.lags[late - early]
                whole[early, :, late] = self.lags[late - early].T
        sway = np.kron(np.ones((len(self.skeleton),) * 2), np.eye(self.dims))
        off = float(np.trace(self.lags[0])) / size * (NOISE * np.eye(size) + SWAY * sway)
        whole[np.arange(steps), :, np.arange(steps)] += off
        return whole.reshape(steps * size, steps * size)

    @cached_property
    def precisions(self) -> Floats:
        """Their inverse, in which what is missing stands alone."""
        return np.asarray(np.linalg.inv(self.covariances))

    def turn_axes(self, up: str) -> Floats:
        """(D, D) that turns a recording's axes into the model's: y up in 3D, y down in 2D, as in images."""
        return upright(self.dims, up)

    def count_frames(self, frames: int, rate: float) -> int:
        """Frames at the model's rate of so many at a rate; no more than MOST_FRAMES, where motion then counts as faster."""
        return min(count_frames(frames, rate, self.rate), max(frames, MOST_FRAMES))

    def restore_body(self, body: Floats, gone: Bools, number: int) -> Floats:
        """A body (T, K, D) as the model expects it where `gone` (T, K), given the rest. number: of the round.

        Raises WeightsError where its covariances are none.
        """
        frames, hop = self.frames, max(self.frames // 4, 1)
        seen = np.where(gone[..., None], np.nan, body)
        padded = np.pad(seen, ((frames // 2, frames + frames // 2), (0, 0), (0, 0)), mode="edge")
        made, weights = np.zeros_like(padded), np.zeros((len(padded), 1, 1))
        window = np.hanning(frames + 2)[1:-1, None, None]
        try:
            for start in range(0, len(body) + frames // 2, hop):
                at = slice(start, start + frames)
                made[at] += window * self._restore_window(padded[at])
                weights[at] += window
        except np.linalg.LinAlgError as error:
            raise WeightsError(f"weights of motion whose covariances are none ({error}); get them again") from error
        return np.asarray((made / np.maximum(weights, np.finfo(float).tiny))[frames // 2 : frames // 2 + len(body)])

    def _restore_window(self, body: Floats) -> Floats:
        """A stretch (frames, K, D) with NaN where missing, and without."""
        shape = (-1, STRIDE, *body.shape[1:])
        there = ~np.isnan(body)
        count = there.reshape(shape).sum(axis=1)
        values = (np.where(there, body, 0).reshape(shape).sum(axis=1) / np.maximum(count, 1)).ravel()
        whole = self._fill_values(values - np.tile(self.mean, len(self.lags)), count.ravel() == 0)
        steps = (whole + np.tile(self.mean, len(self.lags))).reshape(count.shape)
        return spread_steps(steps)

    def _fill_values(self, values: Floats, gone: Bools) -> Floats:
        """Values (L N,), less their mean, with what is expected of those that are gone."""
        whole, seen = np.where(gone, 0, values), ~gone
        if gone.sum() <= seen.sum():
            pull = self.precisions[np.ix_(gone, seen)] @ whole[seen]
            whole[gone] = -np.linalg.solve(self.precisions[np.ix_(gone, gone)], pull)
        elif seen.any():
            known = np.linalg.solve(self.covariances[np.ix_(seen, seen)], whole[seen])
            whole[gone] = self.covariances[np.ix_(gone, seen)] @ known
        return whole


def spread_steps(steps: Floats) -> Floats:
    """Frames (STRIDE L, ...) of means (L, ...) of STRIDE of them: straight lines from middle to middle, ends held."""
    place = np.clip((np.arange(STRIDE * len(steps)) - (STRIDE - 1) / 2) / STRIDE, 0, len(steps) - 1)
    low = np.minimum(place.astype(np.int64), max(len(steps) - 2, 0))
    share = (place - low).reshape(-1, *[1] * (steps.ndim - 1))
    return np.asarray(steps[low] * (1 - share) + steps[np.minimum(low + 1, len(steps) - 1)] * share)


def pack_whole(mean: Floats, lags: Floats) -> tuple[dict[str, NDArray[np.int32]], float]:
    """Mean and lags as whole numbers, and the scale of the latter, a power of two. Raises ArithmeticError beyond them."""
    scale = 2.0 ** math.ceil(math.log2(float(np.abs(lags).max())))
    tensors = {}
    for name, values, unit in (("mean", mean, UNIT * 2.0**12), ("lags", lags, UNIT * scale)):
        whole = np.rint(values / unit)
        if np.abs(whole).max() >= 2**31:
            raise OverflowError(f"{name} of motion of bodies this large")
        tensors[name] = whole.astype(np.int32)
    return tensors, scale
