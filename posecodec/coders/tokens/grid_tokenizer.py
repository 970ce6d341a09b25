"""Weights of a paper's system with a channel for each keypoint, ready to turn keypoints into grids of tokens and back.

    positions -> upright, at the tokens' frame rate -> windows in their boxes -> heatmaps -> network -> codes

and the mirror, by the argmax of heatmaps. What is only integers needs no torch. It has what `Tokenizer` has, as far as a
coder of chunks needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.exp_golomb import build_exp_golomb, get_exp_golomb, put_raw
from posecodec.coders.tokens.grid import TokenGrid
from posecodec.coders.tokens.grid_weights import unpack_prior
from posecodec.coders.tokens.vocabulary import Vocabulary
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.networks.availability import require_torch
from posecodec.networks.config import from_dict
from posecodec.networks.grid_config import GridConfig
from posecodec.pose.orientation import upright
from posecodec.pose.sequence import UNIT_MM
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.signal.resampling import count_frames, resample
from posecodec.typing import Floats, Ints
from posecodec.zoo import Weights, name_weights

if TYPE_CHECKING:
    from posecodec.networks.grid_vqgan import GridVQGAN

RATE = 30.0  # Frames a second that windows are made of
SIDES_PER_OCTAVE = 8  # Steps of a box's side: at most 9 % of the grid are left empty for it
PLACES = 32  # Steps of a box's middle in its side
SIZE_LOW, PLACE_LOW = 1, 3  # Low bits of what boxes say, see `exp_golomb`
MOST_SIZE = 512  # Steps of sizes that can be told: 64 octaves either way
FARTHEST = 2**28  # Steps from 0 that a box may be
MOST_WINDOWS = 256  # Of a chunk
DEFAULT_SIDE_PX = 540.0  # Of boxes that tokens in 2D give


@dataclass(frozen=True, eq=False, repr=False)
class GridChunk:
    """A chunk's integers. boxes: (n, 1 + D) int64, side and middle of each window. tokens: (n, t, h, w) int32."""

    boxes: Ints
    tokens: NDArray[np.int32]

    levels = 1

    def truncate(self, levels: int) -> GridChunk:
        """The same: there is one level."""
        assert levels == self.levels
        return self


class GridTokenizer:
    """Weights as prior and network."""

    default_levels = 1

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        with name_weights(weights.name):
            self.weights, self.device = weights, device
            self.config = from_dict(GridConfig, weights.settings["network"])
            self.skeleton = BUILT_IN[weights.settings["skeleton"]]
            self.usual_side = float(weights.settings["usual_side"])
            self.prior = unpack_prior(weights.tensors, self.config)
            shape = self.config
            if len(self.skeleton) != shape.keypoints or not 0 < self.usual_side < float("inf"):
                raise WeightsError("skeleton or size in the settings are none of its network")
        views = shape.source.views, shape.target.views
        if "cameras" in views or shape.target.draw != "keypoints" or shape.source.draw == "merged":
            raise WeightsError(
                f"{weights.name} draws {shape.source.draw} in {views[0]} to {shape.target.draw} in {views[1]}, which no "
                "keypoints can be read from; take weights of a config of configs/paper that ends in -keypoints"
            )

    @property
    def dims(self) -> int:
        """D."""
        return self.config.dims

    @cached_property
    def network(self) -> GridVQGAN:
        """The VQ-GAN. Raises WeightsError, DependencyError."""
        require_torch()
        from posecodec.coders.tokens.grid_network import load_network

        return load_network(self.weights, self.config, self.device)

    def count_windows(self, frames: int, rate: float) -> int:
        """Windows of so many frames at a rate. Raises InputError where they are too many."""
        count = -(-count_frames(frames, rate, RATE) // self.config.window)
        if count > MOST_WINDOWS:
            raise InputError(
                f"{frames} frames at {rate:g} fps are {count} windows, more than {MOST_WINDOWS}; cut the recording, or check "
                "its frame rate (--fps); encode without --levels takes any length"
            )
        return count

    def encode(self, points: NDArray[np.floating], up: str, rate: float) -> GridChunk:
        """Keypoints (T, K, D) as recorded, NaN where missing. Raises InputError where they are too far from 0 or too many."""
        network = self.network
        import torch

        from posecodec.networks import grid_io

        windows, config = self.count_windows(len(points), rate), self.config
        turned = points.astype(np.float64) @ upright(self.dims, up).T
        world = resample(turned, count_frames(len(points), rate, RATE))
        held = np.concatenate([world, np.repeat(world[-1:], windows * config.window - len(world), axis=0)])
        cut = held.reshape(windows, config.window, *world.shape[1:])
        boxes = np.array([self._find_box(window) for window in cut]).reshape(windows, 1 + self.dims)
        pixels = (cut - self._find_middles(boxes)) * self._find_scales(boxes)
        tokens = [grid_io.tokenize(network, torch.from_numpy(part[None]).float())[0] for part in pixels]
        return GridChunk(boxes, np.stack([found.numpy().astype(np.int32) for found in tokens]))

    def decode(self, chunk: GridChunk, frames: int, up: str, rate: float) -> Floats:
        """The mirror of `encode`: keypoints (frames, K, D) in the recording's unit and axes."""
        network = self.network
        import torch

        from posecodec.networks import grid_io

        made = [
            grid_io.detokenize(network, torch.from_numpy(part[None]).long())[0].double().numpy()
            for part in chunk.tokens
        ]
        world = np.stack(made) / self._find_scales(chunk.boxes) + self._find_middles(chunk.boxes)
        whole = world.reshape(-1, *world.shape[2:])[: count_frames(frames, rate, RATE)]
        return np.asarray(resample(whole, frames) @ upright(self.dims, up))

    def _find_box(self, window: Floats) -> list[int]:
        """Side and middle of a window (T, K, D), in whole steps; of one without a keypoint 0."""
        seen = window[~np.isnan(window).any(-1)]
        if not len(seen):
            return [0] * (1 + self.dims)
        low, high = seen.min(0), seen.max(0)
        side = max(float((high - low).max()), self.usual_side * 2.0**-20)
        steps = int(np.ceil(SIDES_PER_OCTAVE * np.log2(side / self.usual_side)))
        unit = self._find_side(steps) / PLACES
        middle = np.rint((low + high) / (2 * unit))
        if abs(steps) > MOST_SIZE or not np.abs(middle).max() < FARTHEST:
            raise InputError(
                f"a body of size {side:.3g} at {np.abs(high).max():.3g} from the origin is more than can be coded; move the "
                "recording nearer to 0, or check its coordinates for outliers"
            )
        return [steps, *middle.astype(int).tolist()]

    def _find_side(self, steps: int | Ints) -> float | Floats:
        return self.usual_side * 2.0 ** (np.asarray(steps) / SIDES_PER_OCTAVE)

    def _find_scales(self, boxes: Ints) -> Floats:
        """(n, 1, 1, 1) pixels of a unit; half a step of a middle, which is rounded, stays free on both sides."""
        side = np.asarray(self._find_side(boxes[:, 0])) * (1 + 1 / PLACES)
        return np.asarray(self.config.grid * (1 - self.config.margin) / side[:, None, None, None])

    def _find_middles(self, boxes: Ints) -> Floats:
        """(n, 1, 1, D)."""
        unit = np.asarray(self._find_side(boxes[:, 0]))[:, None] / PLACES
        return np.asarray((boxes[:, 1:] * unit)[:, None, None])

    def _expected_size(self, unit: str) -> int:
        return round(-SIDES_PER_OCTAVE * float(np.log2(UNIT_MM.get(unit, 1.0)))) if self.dims == 3 else 0

    def write(self, encoder: RangeEncoder, chunk: GridChunk, unit: str) -> None:
        """Code a chunk's integers: for each window its box, as it differs from the one before, and its tokens."""
        before = np.array([self._expected_size(unit), *[0] * self.dims])
        for box, tokens in zip(chunk.boxes, chunk.tokens, strict=True):
            fields = build_exp_golomb(np.array([float(box[0] - before[0])]), SIZE_LOW)
            for value in (box[1:] - before[1:]).astype(np.float64):
                fields += build_exp_golomb(np.array([value]), PLACE_LOW)
            for field in fields:
                put_raw(encoder, *field)
            self.prior.encode(encoder, tokens)
            before = box

    def read(self, decoder: RangeDecoder, frames: int, rate: float, unit: str) -> GridChunk:
        """The mirror of `write`. Raises CorruptError."""
        try:
            windows = self.count_windows(frames, rate)
        except InputError as error:
            raise CorruptError(f"a chunk of tokens that no encoder makes: {error}; get the file again") from error
        boxes, tokens = np.zeros((windows, 1 + self.dims), np.int64), []
        before = np.array([self._expected_size(unit), *[0] * self.dims])
        for box in boxes:
            box[:] = before + [get_exp_golomb(decoder, low) for low in (SIZE_LOW, *[PLACE_LOW] * self.dims)]
            if abs(box[0]) > 2 * MOST_SIZE or np.abs(box[1:]).max() > FARTHEST:
                raise CorruptError("a box that no body can have; get the file again")
            tokens.append(self.prior.decode(decoder, self.config.token_grid))
            before = box
        return GridChunk(boxes, np.stack(tokens))

    def to_grid(self, chunk: GridChunk) -> TokenGrid:
        """The tokens of a chunk, its windows end to end."""
        return TokenGrid(
            np.ascontiguousarray(chunk.tokens.reshape(-1, *chunk.tokens.shape[2:])[..., None]), self.config.codes
        )

    def from_grid(self, grid: TokenGrid) -> GridChunk:
        """What tokens alone say: windows in boxes of usual size around the origin. Raises InputError."""
        steps, rows, columns = self.config.token_grid
        indices = grid.indices
        if indices.shape[1:] != (rows, columns, 1) or grid.codes != self.config.codes or len(indices) % steps:
            raise InputError(
                f"a grid of {indices.shape} and {grid.codes} codes; {self.weights.name} has windows of "
                f"{(steps, rows, columns, 1)} and {self.config.codes}"
            )
        tokens = np.ascontiguousarray(indices.reshape(-1, steps, rows, columns))
        return GridChunk(np.zeros((len(tokens), 1 + self.dims), np.int64), tokens)

    def detokenize(self, grids: Sequence[TokenGrid], size: float | None) -> tuple[NDArray[np.float32], str, str]:
        """Positions (T, P, K, D) of one person per grid, NaN after its end, their unit and the axis that is up.

        size: of the windows' boxes, the usual one if not told.
        """
        unit, up = ("mm", "y") if self.dims == 3 else ("px", "-y")
        usual = self.usual_side if self.dims == 3 else DEFAULT_SIDE_PX
        chunks = [self.from_grid(grid) for grid in grids]
        counts = [len(chunk.tokens) * self.config.window for chunk in chunks]
        positions = np.full((max(counts, default=0), len(grids), len(self.skeleton), self.dims), np.nan, np.float32)
        for person, (chunk, count) in enumerate(zip(chunks, counts, strict=True)):
            if count:
                made = self.decode(chunk, count, up, RATE)
                positions[:count, person] = made * ((size or usual) / self.usual_side)
        return positions, unit, up

    def vocabulary(self, levels: int | None = None) -> Vocabulary:
        """Of streams. Raises InputError for more levels than one."""
        _, rows, columns = self.config.token_grid
        return Vocabulary(self.check_levels(levels), rows, self.config.codes, columns)

    def check_levels(self, levels: int | None) -> int:
        """1. Raises InputError if others are asked for."""
        if levels not in (None, 1):
            raise InputError(f"{levels} levels asked for; {self.weights.name} has 1")
        return 1
