"""What another coder makes of the same takes at the same number of bits a frame, whole files, headers included."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

import posecodec
from posecodec.codec import Encoded
from posecodec.ratecontrol.search import largest_satisfying

START_QP = 140  # 430 mm a step, where two bits a frame are about


class Curve:
    """A coder's files of all takes, by the QP of its step; each step is tried once.

    write: what codes a sequence at a QP. candidates: QPs it takes.
    """

    def __init__(
        self,
        codec: posecodec.PoseCodec,
        write: Callable[[posecodec.PoseSequence, int], Encoded],
        takes: list[Any],
        candidates: range,
    ) -> None:
        self.codec, self.write, self.takes, self.candidates = codec, write, takes, candidates
        self.known: dict[int, list[bytes]] = {}

    @cached_property
    def frames(self) -> int:
        """Of all takes."""
        return sum(len(take.points) for take in self.takes)

    def encode(self, qp: int) -> list[bytes]:
        """Files, in the order of the takes."""
        if qp not in self.known:
            self.known[qp] = [self.write(take.to_sequence(), qp).data for take in self.takes]
        return self.known[qp]

    def measure_bits(self, qp: int) -> float:
        """Bits a frame of all files together."""
        return 8 * sum(map(len, self.encode(qp))) / self.frames

    def find_around(self, bits: float) -> tuple[int, int] | None:
        """Neighboring QPs, the first with at least so many bits and the second with fewer; None beyond both ends."""
        below = largest_satisfying(lambda qp: -self.measure_bits(qp), -bits, START_QP, self.candidates)
        return None if below is None or below + 1 not in self.candidates else (below, below + 1)

    def find_nearest(self, bits: float) -> int:
        """The QP whose files are nearest to so many bits; the coarsest where all are larger."""
        around = self.find_around(bits) or (self.candidates[-1],)
        return min(around, key=lambda qp: abs(self.measure_bits(qp) - bits))

    def decode(self, qp: int) -> list[np.ndarray]:
        """Positions (T, 19, D) of each take."""
        return [self.codec.decode(data).positions[:, 0] for data in self.encode(qp)]

    def interpolate(self, bits: float, measure: Callable[[list[np.ndarray]], list[float]]) -> list[float] | None:
        """Errors at exactly so many bits: their logarithms between those of the steps around, linear in bits."""
        around = self.find_around(bits)
        if around is None:
            return None
        few, many = (self.measure_bits(qp) for qp in reversed(around))
        coarse, fine = (np.log(measure(self.decode(qp))) for qp in reversed(around))
        return np.exp(coarse + (fine - coarse) * (bits - few) / (many - few)).tolist()


def follow_transform(takes: list[Any]) -> Curve:
    """The transform, which needs no weights of bodies."""
    codec = posecodec.PoseCodec.from_pretrained(None)
    return Curve(codec, codec.encode_at_qp, takes, range(-200, 400))


def follow_windows(takes: list[Any], weights: str) -> Curve:
    """Windows of scalars with weights of theirs."""
    codec = posecodec.PoseCodec.from_pretrained(weights)
    return Curve(codec, codec.encode_windows, takes, codec.coders.windows.qp_range)
