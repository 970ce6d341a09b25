"""What the benchmark asks of a method, and which there are: the codec's own and the general-purpose baselines.

To add one: a class with these members, and an entry in `methods`. B0 is apart (`b0`): a code length, not a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from posecodec import zoo
from posecodec.bench.baselines import BASELINES, Baseline
from posecodec.errors import InputError
from posecodec.pose.sequence import PoseSequence

if TYPE_CHECKING:
    from posecodec.codec import PoseCodec


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
        ...

    def decode(self, data: bytes) -> PoseSequence:
        """The sequence in it, with nothing but the file to go by."""
        ...

    def bound(self, setting: float | None) -> float | None:
        """mm that no keypoint may be off by more than; 0 for lossless, None where nothing is promised."""
        ...


@dataclass(frozen=True)
class Tokens:
    """The tokens of trained weights; a setting is a number of quantizer levels."""

    weights: str = "body3d"
    settings: tuple[float | None, ...] = (4, 5, 6, 7, 8, 9, 10, 11)
    name: str = "tokens"
    parameter: str = "levels"
    ours: bool = True

    @property
    def missing(self) -> tuple[str, ...]:
        """The weights, where this checkout has none."""
        return () if self.weights in zoo.list_weights() else (f"weights {self.weights}",)

    @cached_property
    def codec(self) -> PoseCodec:
        """Loaded at the first use. Raises WeightsError if the weights are missing or damaged."""
        from posecodec.codec import PoseCodec

        return PoseCodec.from_pretrained(self.weights)

    def encode(self, sequence: PoseSequence, setting: float | None) -> bytes:
        """A .posec file of so many levels; the weights' default for None."""
        return self.codec.encode(sequence, None if setting is None else int(setting)).data

    def decode(self, data: bytes) -> PoseSequence:
        """The sequence in a .posec file."""
        return self.codec.decode(data)

    def bound(self, setting: float | None) -> float | None:
        """None: tokens promise nothing."""
        return None


@dataclass(frozen=True)
class Transform:
    """The transform codec; a setting is a quantizer step's index, sixteen to the octave."""

    settings: tuple[float | None, ...] = (20, 36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168)
    name: str = "transform"
    parameter: str = "step index"
    ours: bool = True
    missing: tuple[str, ...] = ()

    @cached_property
    def codec(self) -> PoseCodec:
        """Loaded at the first use."""
        return _plain_codec()

    def encode(self, sequence: PoseSequence, setting: float | None) -> bytes:
        """A .posec file with that step; the default quality for None."""
        if setting is None:
            return self.codec.encode(sequence).data
        return self.codec.encode_step(sequence, int(setting)).data

    def decode(self, data: bytes) -> PoseSequence:
        """The sequence in a .posec file."""
        return self.codec.decode(data)

    def bound(self, setting: float | None) -> float | None:
        """None: a step promises nothing."""
        return None


@dataclass(frozen=True)
class Bounded:
    """The transform codec with a largest error; a setting of 0 is lossless."""

    settings: tuple[float | None, ...] = (0, 0.5, 1, 2, 5, 10, 20, 50)
    name: str = "max-error"
    parameter: str = "max error mm"
    ours: bool = True
    missing: tuple[str, ...] = ()

    @cached_property
    def codec(self) -> PoseCodec:
        """Loaded at the first use."""
        return _plain_codec()

    def encode(self, sequence: PoseSequence, setting: float | None) -> bytes:
        """A .posec file that keeps the bound."""
        if not setting:
            return self.codec.encode(sequence, lossless=True).data
        return self.codec.encode(sequence, max_error=setting).data

    def decode(self, data: bytes) -> PoseSequence:
        """The sequence in a .posec file."""
        return self.codec.decode(data)

    def bound(self, setting: float | None) -> float | None:
        """The setting itself."""
        return setting


def _plain_codec() -> PoseCodec:
    from posecodec.codec import PoseCodec

    return PoseCodec()


@dataclass(frozen=True)
class General:
    """A baseline on bare positions of one person; frame rate, unit and names are not in its file."""

    baseline: Baseline
    ours: bool = False

    @property
    def name(self) -> str:
        """The baseline's."""
        return self.baseline.name

    @property
    def parameter(self) -> str:
        """The largest error, where the baseline takes one."""
        return "max error mm" if self.baseline.kind == "bounded" else ""

    @property
    def settings(self) -> tuple[float | None, ...]:
        """The baseline's."""
        return self.baseline.settings

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return self.baseline.missing()

    def encode(self, sequence: PoseSequence, setting: float | None) -> bytes:
        """The baseline's file. Raises InputError for several people or missing keypoints."""
        if sequence.people != 1:
            raise InputError(f"{self.name} codes one person, not {sequence.people}; give one sequence a person")
        return self.baseline.encode(sequence.positions[:, 0], setting)

    def decode(self, data: bytes) -> PoseSequence:
        """The positions in the file, at 30 fps and in mm for want of a header."""
        return PoseSequence.from_arrays(self.baseline.decode(data), fps=30.0, unit="mm")

    def bound(self, setting: float | None) -> float | None:
        """The setting itself; 0 for the lossless."""
        return self.baseline.bound(setting)


def methods() -> list[Method]:
    """All methods but B0: the codec's own, then the baselines."""
    return [Transform(), Bounded(), Tokens(), *map(General, BASELINES)]
