"""How one stretch of motion will be coded: a basis, its channels, and what the decoder must know of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecodec.bitstream.exp_golomb import Field
from posecodec.coders.transform.graph_fourier import Graph
from posecodec.kinematics.bones import Polar
from posecodec.pose.skeleton import Skeleton, missing_for
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.signal.dct import dct
from posecodec.typing import Bools, Floats, Ints

NOTHING: Floats = np.zeros(1)
PRICED = 256


@dataclass(frozen=True, eq=False)
class Plan:
    """How a stretch will be coded.

    turned, scale: what the basis sees is scale x (recorded coordinates @ turned.T). channels: (T, C) of the recording.
    prior, pinned: as `Coder` takes them. fields: what is written before the channels, as (value, bits). kept: which
    keypoints of coco19 the recorded ones are, in order; None where they are not all among them.
    """

    basis: Polar | Graph
    scale: float
    turned: Floats
    channels: Floats
    prior: Ints
    pinned: Bools
    fields: tuple[Field, ...]
    kept: tuple[int, ...] | None

    def guided(self, guide: Floats | None) -> Floats:
        """Channels of bodies (T, 19, D) of coco19; 0 of None."""
        if guide is None:
            return NOTHING
        pose = guide if isinstance(self.basis, Polar) else guide[:, self.kept]
        return self.basis.forward(pose @ self.turned.T * self.scale)

    def placed(self, channels: Floats) -> Floats:
        """Poses (T, K, D) as recorded, of channels."""
        pose = (self.basis.inverse(channels) / self.scale) @ self.turned
        return pose[:, self.kept] if isinstance(self.basis, Polar) else pose


def filled(points: Floats) -> Floats:
    """(T, K, D) with gaps bridged by straight lines and ends held; keypoints never seen stay NaN."""
    missing = np.isnan(points[..., 0])
    if not missing.any():
        return points
    whole, time = points.copy(), np.arange(len(points))
    for k in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        gone = missing[:, k]
        for d in range(points.shape[2]):
            whole[gone, k, d] = np.interp(time[gone], time[~gone], points[~gone, k, d])
    return whole


def settled(points: Floats) -> Floats:
    """(T, K, D) without gaps: as `filled`, and keypoints never seen in the middle of the others."""
    whole = filled(points)
    return np.where(np.isnan(whole), np.nanmean(whole, axis=1, keepdims=True), whole)


def kept_of(skeleton: Skeleton) -> tuple[int, ...] | None:
    """Which keypoints of coco19 a skeleton's are; None where it has others."""
    if missing_for(skeleton, COCO19):
        return None
    return tuple(COCO19.keypoints.index(name) for name in skeleton.keypoints)


def price(channels: Floats, step: float) -> float:
    """Bits that channels (T, C) need at a step, about, by their first frames."""
    first = channels[:PRICED]
    return 0.5 * float(np.log2(1 + np.square(dct(len(first)) @ first * (1.2 / step))).sum())
