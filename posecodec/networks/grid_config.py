"""The shape of a VQ-GAN over grids of heatmaps (arXiv 2509.19252): a typed value that round-trips through JSON and TOML."""

from __future__ import annotations

from dataclasses import dataclass

from posecodec.errors import InputError

VIEWS = ("image", "planes", "cameras", "circle")
DRAWS = ("keypoints", "limbs", "merged")
NETWORKS = ("lean", "dense")
QUANTIZERS = ("moving-average", "gradient")
LIMBS = (
    (1, 3), (3, 4), (4, 5), (1, 9), (9, 10), (10, 11), (3, 6), (9, 12), (6, 7), (7, 8), (12, 13), (13, 14), (1, 15), (15, 16),
    (1, 17), (17, 18), (6, 12),
)  # fmt: skip
"""Of coco19, that the paper draws: neck and middle of the hips are in none."""
LEVELS_OF_DENSE = 5  # Resolutions of the dense network: it halves at most one time fewer
MOST_PIXELS = 1 << 27  # Of a window's volume: half a gigabyte
MOST = 4096  # Of any size of a network, so that settings of a file ask for nothing absurd


@dataclass(frozen=True)
class Volume:
    """What a stack of heatmap channels shows.

    views: "image" (2D), "planes" (the three axis planes of 3D), "cameras" (3D seen by real cameras, each view in a box of its
    own) or "circle" (3D in one box, seen by cameras that stand evenly around it). cameras: how many of them.
    draw: one channel per "keypoints" or "limbs", or all limbs "merged" into one channel per view.
    """

    views: str
    draw: str
    cameras: int = 0

    def __post_init__(self) -> None:
        _check_choice("views", self.views, VIEWS)
        _check_choice("draw", self.draw, DRAWS)
        if (self.views in ("cameras", "circle")) != (self.cameras > 0):
            raise InputError(f"views {self.views!r} with {self.cameras} cameras; these are for 'cameras' and 'circle'")

    @property
    def view_count(self) -> int:
        """V."""
        return {"image": 1, "planes": 3}.get(self.views, self.cameras)

    def count_channels(self, keypoints: int, limbs: int) -> int:
        """C of the volume, views times what is drawn in each."""
        return self.view_count * {"keypoints": keypoints, "limbs": limbs, "merged": 1}[self.draw]


@dataclass(frozen=True)
class GridConfig:
    """Everything that decides the tensors of a model.

    keypoints: K. limbs: pairs of keypoints that are drawn as lines. source, target: the heatmap volumes.
    grid: H = W of a heatmap. sigma: of its profiles, pixels. margin: share of the grid that a window's box leaves empty.
    window: T, frames of a window. factor: frames, rows and columns per cell of the token grid, powers of two, but in time
    also the whole window.
    network: "lean", which works on folded pixels, or "dense", the paper's own. width, depth: of the lean network's residual
    blocks on the token grid; detail: width of its blocks on cells of 2 x 4 x 4.
    latent: size of a code. codes: N of them. quantizer: "moving-average" with revival, or "gradient", the paper's.
    revive: see `vector_quantizer`, of "moving-average".
    """

    source: Volume
    target: Volume
    window: int
    factor: tuple[int, int, int]
    codes: int
    keypoints: int = 19
    limbs: tuple[tuple[int, int], ...] = LIMBS
    grid: int = 128
    sigma: float = 0.75
    margin: float = 0.1
    network: str = "lean"
    width: int = 128
    depth: int = 3
    detail: int = 48
    latent: int = 32
    quantizer: str = "moving-average"
    revive: float = 0.02

    def __post_init__(self) -> None:
        _check_choice("network", self.network, NETWORKS)
        _check_choice("quantizer", self.quantizer, QUANTIZERS)
        sizes = (self.keypoints, self.window, *self.factor, self.codes, self.grid, self.width, self.depth, self.detail)
        if len(self.factor) != 3 or not all(type(n) is int and 0 < n <= MOST for n in (*sizes, self.latent)):
            raise InputError(f"impossible model, of a size that is not 1 to {MOST}: {self}")
        if self.window * self.grid**2 * max(self.channels) > MOST_PIXELS:
            raise InputError(f"windows of more than {MOST_PIXELS} pixels: {self}")
        if not (0 < self.sigma < self.grid and 0 <= self.margin < 1):
            raise InputError(f"sigma {self.sigma} and margin {self.margin} of a grid of {self.grid}")
        if any(not 0 <= k < self.keypoints for limb in self.limbs for k in limb):
            raise InputError(f"limbs {self.limbs} of {self.keypoints} keypoints")
        for axis, size, factor in zip("thw", (self.window, self.grid, self.grid), self.factor, strict=True):
            whole = axis == "t" and factor == size
            if size % factor or (factor & (factor - 1) and not whole):
                raise InputError(f"axis {axis!r} of size {size}: factor {factor} must be a power of two and divide it")
        if self.network == "dense" and max(self.factor[1:]) > 1 << LEVELS_OF_DENSE - 1:
            raise InputError(
                f"factor {self.factor}: the dense network has {LEVELS_OF_DENSE} resolutions, so at most a factor of "
                f"{1 << LEVELS_OF_DENSE - 1}; take network 'lean'"
            )
        if (self.source.views == "image") != (self.target.views == "image"):
            raise InputError(f"views {self.source.views!r} cannot become {self.target.views!r}")

    @property
    def dims(self) -> int:
        """D of the keypoints."""
        return 2 if self.source.views == "image" else 3

    @property
    def token_grid(self) -> tuple[int, int, int]:
        """(t, h, w) of one window."""
        return (self.window // self.factor[0], self.grid // self.factor[1], self.grid // self.factor[2])

    @property
    def channels(self) -> tuple[int, int]:
        """C of source and target."""
        return (
            self.source.count_channels(self.keypoints, len(self.limbs)),
            self.target.count_channels(self.keypoints, len(self.limbs)),
        )


def _check_choice(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{what} is {value!r}; use one of {', '.join(allowed)}")
