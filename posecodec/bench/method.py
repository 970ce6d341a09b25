"""What the benchmark asks of a method, and which there are: the codec's own and the general-purpose baselines.

To add one: a class with these members, and an entry in `list_methods`. B0 is apart (`baseline_b0`): a code length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from posecodec import zoo
from posecodec.bench.baselines import BASELINES
from posecodec.pose.sequence import PoseSequence

if TYPE_CHECKING:
    from posecodec.codec import Encoded, PoseCodec


class Method(Protocol):
    """One way to turn a sequence into a whole file, at several settings.

    name: unique, without commas. parameter: what a setting is; "" where there is only one, None.
    ours: whether it is posecodec's own. missing: what is not installed; the method is then left out and named as such.
    """

    @property
    def name(self) -> str: ...

    @property
    def parameter(self) -> str: ...

    @property
    def settings(self) -> tuple[float | None, ...]: ...

    @property
    def ours(self) -> bool: ...

    @property
    def missing(self) -> tuple[str, ...]: ...

    def encode(self, sequence: PoseSequence, setting: float | None) -> bytes:
        """The whole file."""

    def decode(self, data: bytes) -> PoseSequence:
        """The sequence in it, with nothing but the file to go by."""

    def bound(self, setting: float | None) -> float | None:
        """mm that no keypoint may be off by more than; 0 for lossless, None where nothing is promised."""


@dataclass(frozen=True)
class OwnMethod:
    """One way of posecodec's own. write: codec, sequence and setting -> the file. weights: built-in ones, or None.

    bounded: whether a setting is the largest error, 0 for lossless.
    """

    name: str
    parameter: str
    settings: tuple[float | None, ...]
    write: Callable[[PoseCodec, PoseSequence, float | None], Encoded]
    weights: str | None = None
    bounded: bool = False
    ours: bool = True

    @property
    def missing(self) -> tuple[str, ...]:
        """The weights, where this checkout has none."""
        return () if self.weights in (None, *zoo.list_weights()) else (f"weights {self.weights}",)

    def encode(self, sequence: PoseSequence, setting: float | None) -> bytes:
        """A .posec file. Raises WeightsError if the weights are missing or damaged."""
        return self.write(_load_codec(self.weights), sequence, setting).data

    def decode(self, data: bytes) -> PoseSequence:
        """The sequence in a .posec file."""
        return _load_codec(self.weights).decode(data)

    def bound(self, setting: float | None) -> float | None:
        """The setting itself, if it is one."""
        return setting if self.bounded else None


@cache
def _load_codec(weights: str | None) -> PoseCodec:
    from posecodec.codec import PoseCodec

    return PoseCodec.from_pretrained(weights)


def encode_at_qp(codec: PoseCodec, sequence: PoseSequence, setting: float | None) -> Encoded:
    """The transform at a quantizer step's index, sixteen to the octave; at the default quality for None."""
    return codec.encode(sequence) if setting is None else codec.encode_at_qp(sequence, int(setting))


def encode_bounded(codec: PoseCodec, sequence: PoseSequence, setting: float | None) -> Encoded:
    """The transform within a largest error; lossless for 0."""
    return codec.encode(sequence, max_error=setting) if setting else codec.encode(sequence, lossless=True)


def encode_windows(codec: PoseCodec, sequence: PoseSequence, setting: float | None) -> Encoded:
    """Windows alone at a quantizer step's index."""
    assert setting is not None
    return codec.encode_windows(sequence, int(setting))


OWN = (
    OwnMethod("transform", "step index", (20, 36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168), encode_at_qp),
    OwnMethod("max-error", "max error mm", (0, 0.5, 1, 2, 5, 10, 20, 50), encode_bounded, bounded=True),
    OwnMethod("windows", "step index", (96, 112, 128, 144, 160, 176, 192, 208), encode_windows, "windows3d"),
)
"""The codec's own ways, at settings that span the errors of `rate_distortion.RANGES_MM`."""


def list_methods() -> list[Method]:
    """All methods but B0: the codec's own, then the baselines."""
    return [*OWN, *BASELINES]
