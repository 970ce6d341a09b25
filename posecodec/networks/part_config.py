"""The shape of the network that makes tokens, as a typed value that round-trips through JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from posecodec.errors import InputError

FRACTIONS = ("extent", "sigma", "rate", "remainder")  # Fields that need not be whole numbers
MOST_DEPTH_OR_STEP = 256  # Eight seconds; more blocks than any network of a few MB has


@dataclass(frozen=True)
class PartConfig:
    """Everything that decides the tensors of a `part_vqgan.PartVQGAN`.

    dims: D of the keypoints. parts: indices of the keypoints of each part of the body, a row of the token grid each; the
    path through the world is one more, the last. grid: H = W of a heatmap. extent: half its width in body sizes. sigma: of
    the Gaussians, pixels. step: frames that one row of tokens stands for, at `rate` frames a second. patch: frames that are
    embedded together; step / patch is a power of two. features: kept of each heatmap. width, depth: of the residual blocks.
    latent: size of a latent. codes, levels: N and Q of each row's residual
    quantizer. knots: places in a step, the last its end, where the path is corrected beside the tokens, in whole
    numbers of `remainder`, body sizes.
    """

    dims: int
    parts: tuple[tuple[int, ...], ...]
    grid: int = 16
    extent: float = 0.26
    sigma: float = 1.0
    step: int = 32
    rate: float = 30.0
    patch: int = 4
    features: int = 8
    width: int = 192
    depth: int = 3
    latent: int = 24
    codes: int = 512
    levels: int = 8
    knots: int = 2
    remainder: float = 0.018

    def __post_init__(self) -> None:
        self._check_types()
        folds = self.step // self.patch
        if self.dims not in (2, 3) or self.step % self.patch or folds & (folds - 1):
            raise InputError(f"dims {self.dims}, step {self.step}, patch {self.patch}: 2 or 3; a power of two patches")
        if sorted(k for part in self.parts for k in part) != list(range(self.keypoints)):
            raise InputError(f"parts {self.parts} need every keypoint once")
        sizes = (self.codes, self.levels, self.latent, self.width, self.depth, self.features, self.keypoints)
        if min(sizes) < 1 or self.grid < 8 or not (self.extent > 0 and self.sigma > 0 and self.rate > 0):
            raise InputError(f"impossible network: {self}")

    def _check_types(self) -> None:
        """Settings of weights come from a file, and JSON has any values. Raises InputError."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "parts"}
        whole = [value for name, value in values.items() if name not in FRACTIONS]
        whole += [k for part in self.parts for k in part]
        fractions = [values[name] for name in FRACTIONS]
        if not all(type(value) is int for value in whole) or not all(
            type(value) in (int, float) for value in fractions
        ):
            raise InputError("numbers of a network that are none")
        if max(self.depth, self.step) > MOST_DEPTH_OR_STEP or not all(map(math.isfinite, fractions)):
            raise InputError(f"impossible network: {self}")

    @property
    def keypoints(self) -> int:
        """K."""
        return sum(map(len, self.parts))

    @property
    def rows(self) -> int:
        """h of the token grid: parts and the path."""
        return len(self.parts) + 1

    @property
    def views(self) -> int:
        """Planes that a keypoint is drawn on."""
        return 3 if self.dims == 3 else 1

    @property
    def path_channels(self) -> int:
        """Numbers a frame that say where the body is: x, y, z and heading; in 2D x, y and the log of its size."""
        return self.dims + 1

    @property
    def pixels(self) -> float:
        """Pixels of a body size."""
        return self.grid / (2 * self.extent)
