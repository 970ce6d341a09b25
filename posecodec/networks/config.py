"""The shape of a model, as a typed value that round-trips through JSON.

It can express our own models and the systems of the paper (arXiv 2509.19252); `tests/train/test_training.py` builds each.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from posecodec.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


@dataclass(frozen=True)
class Volume:
    """What a stack of heatmap channels shows.

    views: "image" (2D), "planes" (the three axis planes of 3D) or "cameras" (3D seen by `cameras` cameras).
    draw: one channel per "keypoints" or "limbs", or all limbs "merged" into one channel per view.
    """

    views: str
    draw: str
    cameras: int = 0

    def __post_init__(self) -> None:
        _check_choice("views", self.views, ("image", "planes", "cameras"))
        _check_choice("draw", self.draw, ("keypoints", "limbs", "merged"))
        if (self.views == "cameras") != (self.cameras > 0):
            raise InputError(f"views {self.views!r} with {self.cameras} cameras; cameras are for views 'cameras'")

    @property
    def view_count(self) -> int:
        """V."""
        return {"image": 1, "planes": 3, "cameras": self.cameras}[self.views]

    def count_channels(self, keypoints: int, limbs: int) -> int:
        """C of the volume, views times what is drawn in each."""
        return self.view_count * {"keypoints": keypoints, "limbs": limbs, "merged": 1}[self.draw]


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the tensors of a model.

    dims: D of the keypoints. keypoints, limbs: K and the number of edges. inputs, outputs: the heatmap volumes.
    grid: H = W of a heatmap. extent: half its width in body sizes. sigma: of the Gaussians, pixels.
    window: frames of a training window. factor: frames, rows and columns per latent cell. patch: the same, of the
    early embedding; factor / patch are powers of two, done in steps of 2.
    features: values kept of each channel's patch. width, depth: of the residual blocks on the latent grid.
    latent: size of a latent. codes, levels: N and Q of the residual quantizer.
    linear: whether a principal-component path runs beside the network (needs one latent cell per frame group).
    """

    dims: int
    keypoints: int
    limbs: int
    inputs: Volume
    outputs: Volume
    grid: int
    extent: float
    sigma: float
    window: int
    factor: tuple[int, int, int]
    patch: tuple[int, int, int]
    features: int
    width: int
    depth: int
    latent: int
    codes: int
    levels: int
    linear: bool

    def __post_init__(self) -> None:
        if not len(self.factor) == len(self.patch) == 3 or min(*self.factor, *self.patch) < 1:
            raise InputError(f"factor {self.factor} and patch {self.patch} need three numbers of at least 1 each")
        views = self.inputs.views, self.outputs.views
        if any((view == "image") != (self.dims == 2) for view in views):
            raise InputError(f"{self.dims}D with views {views[0]!r} and {views[1]!r}; 2D goes with 'image'")
        shape = (self.window, self.grid, self.grid)
        for axis, (size, factor, patch) in enumerate(zip(shape, self.factor, self.patch, strict=True)):
            steps = factor // patch
            if size % factor or factor % patch or steps & (steps - 1):
                raise InputError(
                    f"axis {'thw'[axis]} of size {size}: factor {factor} must divide it and be patch {patch} "
                    "times a power of two"
                )
        if self.linear and (self.latent_grid[1:] != (1, 1) or self.outputs.draw != "keypoints"):
            raise InputError("a linear path needs keypoint outputs and one latent cell per frame group")
        sizes = (self.codes, self.levels, self.latent, self.width, self.depth, self.features, self.keypoints)
        if self.dims not in (2, 3) or min(*sizes, self.limbs) < 1:
            raise InputError(f"impossible model: {self}")

    @property
    def latent_grid(self) -> tuple[int, int, int]:
        """(t, h, w) of one window."""
        return (self.window // self.factor[0], self.grid // self.factor[1], self.grid // self.factor[2])


def read_config(kind: type[Config], path: str | Path) -> Config:
    """A frozen dataclass of a JSON file, see `from_dict`. Raises InputError."""
    try:
        values = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable JSON training config: {error}") from error
    return from_dict(kind, values)


def from_dict(kind: type[Config], values: dict[str, Any]) -> Config:
    """A frozen dataclass from JSON values: nested dataclasses and tuples as their annotations say.

    Raises InputError naming fields that are missing or unknown.
    """
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    unknown = sorted(set(values) - {f.name for f in fields})
    missing = sorted({f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING} - set(values))
    if unknown or missing:
        raise InputError(f"{kind.__name__}: unknown fields {unknown}, missing fields {missing}")
    return kind(**{name: _convert(hints[name], value) for name, value in values.items()})


def _convert(hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return from_dict(hint, value)
    if isinstance(value, list):
        return tuple(_convert(None, v) for v in value)
    return value


def _check_choice(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{what} is {value!r}; use one of {', '.join(allowed)}")
