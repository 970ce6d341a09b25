"""Token weights, ready to turn keypoints of their skeleton into tokens and back.

    positions -> upright, at the tokens' frame rate -> body and path -> network -> codes and remainders -> `stream`

and the mirror. What is only integers (`tables`) needs no torch; the network is loaded when positions are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.tokens import stream
from posecodec.coders.tokens.grid import TokenGrid
from posecodec.coders.tokens.stream import Start, TokenChunk
from posecodec.coders.tokens.vocabulary import Vocabulary
from posecodec.coders.tokens.weights import check_tables, unpack_tables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.kinematics.body_track import split_track
from posecodec.kinematics.bones import BoneTree, steady_bones
from posecodec.networks.availability import require_torch
from posecodec.networks.config import from_dict
from posecodec.networks.part_config import PartConfig
from posecodec.pose.orientation import upright
from posecodec.pose.sequence import UNIT_MM
from posecodec.pose.skeletons.files import read_written
from posecodec.signal.resampling import count_frames, resample
from posecodec.typing import Floats
from posecodec.zoo import Weights, name_weights

if TYPE_CHECKING:
    from posecodec.networks.part_vqgan import PartVQGAN
    from posecodec.networks.path_search import RemainderPrices

DEFAULT_SIZE_PX = 125.0
"""Of bodies that tokens in 2D give, root mean square distance from the root: about a third of a full-HD image's height."""
MOST_STEPS = 256  # Of a chunk: 8,192 frames, of which heatmaps take 500 MB; 1,024 frames have more below 3.75 fps
PLACES_PER_SIZE = {3: 128, 2: 16}
"""Steps of a place in a body size, which in 2D is a third of a body's height and in 3D 2.5 heights."""
HIP_HEIGHT = 0.2  # Of the root above the floor, in body sizes, about: heights in files say what differs from it
STEADINESS = 0.7  # Share of bones' changes that is taken out: 0.5 is nearest, 1 is level with 0 (benchmarks/LOG.md)
FARTHEST = 2**28  # Steps from 0 that a body may be: what the code of a place can tell


class Tokenizer:
    """Weights as tables and network."""

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        with name_weights(weights.name):
            self.weights, self.device = weights, device
            self.config = from_dict(PartConfig, weights.settings["network"])
            self.skeleton = read_written(weights.settings["skeleton"])
            self.bones = tuple((int(a), int(b), float(share)) for a, b, share in weights.settings["bones"])
            self.usual_size = float(weights.settings["usual_size"])
            self.default_levels = int(weights.settings["default_levels"])
            self._check_settings()
            check_tables(weights.tensors, self.config)
            self.tables = unpack_tables(weights.tensors)

    def _check_settings(self) -> None:
        """Raises WeightsError."""
        ends = {end for a, b, share in self.bones for end in (a, b) if math.isfinite(share)}
        count = len(self.skeleton)
        sound = count == self.config.keypoints and bool(ends) and ends <= set(range(count))
        if not (sound and 0 < self.usual_size < math.inf and 1 <= self.default_levels <= self.config.levels):
            raise WeightsError("skeleton, bones, size or levels in the settings are none of its network")

    @property
    def dims(self) -> int:
        """D."""
        return self.config.dims

    @cached_property
    def network(self) -> PartVQGAN:
        """The VQ-GAN. Raises WeightsError, DependencyError."""
        require_torch()
        from posecodec.coders.tokens.network import load_network

        return load_network(self.weights, self.config, self.device)

    @cached_property
    def remainder_prices(self) -> RemainderPrices:
        """What remainders cost, for the network's search."""
        from posecodec.coders.tokens.network import load_remainder_prices

        return load_remainder_prices(self.tables.remainders, self.device)

    def orient(self, up: str) -> Floats:
        """(D, D) that turns a recording's axes into the network's: y up in 3D, y down in 2D, as in images.

        Weights in 2D that do not say so are of a time when bodies were handed to the network head down.
        """
        turned = upright(self.dims, up)
        if self.dims == 2 and self.weights.settings.get("y") != "down":
            return np.array([[1.0], [-1.0]]) * turned
        return turned

    def count_frames(self, frames: int, rate: float) -> int:
        """Frames at the tokens' rate of so many at a rate. Raises InputError where they are too many for the network."""
        count, most = count_frames(frames, rate, self.config.rate), MOST_STEPS * self.config.step
        if count > most:
            raise InputError(
                f"{frames} frames at {rate:g} fps are {count} at the {self.config.rate:g} of tokens, more than {most}; "
                "cut the recording, or check its frame rate (--fps); encode without --levels takes any length"
            )
        return count

    def count_steps(self, frames: int, rate: float) -> int:
        """Steps of tokens that so many frames at a rate become. Raises as `count_frames` does."""
        return -(-self.count_frames(frames, rate) // self.config.step)

    def encode(self, points: NDArray[np.floating], up: str, rate: float) -> TokenChunk:
        """All levels of the tokens of keypoints (T, K, D) as recorded, NaN where missing.

        Raises InputError where they are so far from 0 that their place cannot be coded, and as `count_frames` does.
        """
        network = self.network
        from posecodec.networks import part_io

        whole = points.astype(np.float64) @ self.orient(up).T
        world = resample(whole, self.count_frames(len(points), rate))
        start, size = self._find_start(world)
        track = split_track(world, self.skeleton, self.bones, size if self.dims == 3 else None)
        state = self.to_state(start, size)
        if self.dims == 3:
            track.path[:, 3] += 2 * np.pi * np.rint((state[3] - track.path[0, 3]) / (2 * np.pi))
        prices = self.tables.prior.price, self.remainder_prices
        codes = part_io.encode(network, track.body, track.path, state, *prices)
        return TokenChunk(start, codes.tokens, codes.remainders)

    def decode(self, chunk: TokenChunk, frames: int, up: str, rate: float) -> Floats:
        """The mirror of `encode`: keypoints (frames, K, D) in the recording's unit and axes."""
        network = self.network
        from posecodec.networks import part_io

        size = self.size_of(chunk.start)
        codes = part_io.Codes(chunk.tokens, chunk.remainders)
        made = part_io.decode(network, codes, self.to_state(chunk.start, size))
        made = made[: self.count_frames(frames, rate)]
        if self.dims == 3:
            made = steady_bones(made, BoneTree.from_skeleton(self.skeleton), STEADINESS)
        world = resample(made * (size if self.dims == 3 else 1.0), frames)
        return np.asarray(world @ self.orient(up))

    def _find_start(self, world: Floats) -> tuple[Start, float]:
        """Where a recording (T, K, D) begins, in whole steps, and the size that they say."""
        track = split_track(world, self.skeleton, self.bones)
        size = track.size if self.dims == 3 else float(np.exp(track.path[0, 2]))
        steps = round(stream.SIZE_STEPS_PER_OCTAVE * float(np.log2(size / self.usual_size)))
        steps = int(np.clip(steps, -stream.MOST_SIZE, stream.MOST_SIZE))
        size = self.size_of(Start(steps, 0, np.zeros(self.dims, np.int64)))
        heading = 0
        if self.dims == 3:
            heading = round(track.path[0, 3] / (2 * np.pi) * (1 << stream.HEADING_BITS)) % (1 << stream.HEADING_BITS)
        place = track.path[0, : self.dims] * (track.size / size) - self._usual_place
        whole = np.rint(place * PLACES_PER_SIZE[self.dims])
        if not np.abs(whole).max() < FARTHEST:
            raise InputError(
                f"a body lies {np.abs(place).max():.3g} times its size from the origin, more than can be coded; move the "
                "recording nearer to 0, or check its coordinates for outliers"
            )
        return Start(steps, heading, whole.astype(np.int64)), size

    @property
    def _usual_place(self) -> Floats:
        return np.array([0.0, HIP_HEIGHT, 0.0] if self.dims == 3 else [0.0, 0.0])

    def size_of(self, start: Start) -> float:
        """What a start says of the size, in the recording's unit."""
        return self.usual_size * float(2 ** (start.size / stream.SIZE_STEPS_PER_OCTAVE))

    def to_state(self, start: Start, size: float) -> Floats:
        """(D + 1,) where a path begins: in 3D in body sizes and radians, in 2D in the recording's unit and the log of it."""
        place = start.place / PLACES_PER_SIZE[self.dims] + self._usual_place
        if self.dims == 2:
            return np.append(place * size, np.log(size))
        turn = start.heading * 2 * np.pi / (1 << stream.HEADING_BITS)
        return np.append(place, (turn + np.pi) % (2 * np.pi) - np.pi)

    def expected_size(self, unit: str) -> int:
        """Size of a usual body in a unit, as `Start.size`."""
        mm = UNIT_MM.get(unit, 1.0) if self.dims == 3 else 1.0
        return round(-stream.SIZE_STEPS_PER_OCTAVE * float(np.log2(mm)))

    def write(self, encoder: RangeEncoder, chunk: TokenChunk, unit: str) -> None:
        """Code a chunk's integers."""
        stream.write(encoder, chunk, self.tables, self.dims, self.expected_size(unit))

    def read(self, decoder: RangeDecoder, frames: int, rate: float, unit: str) -> TokenChunk:
        """The mirror of `write`. Raises CorruptError."""
        try:
            steps = self.count_steps(frames, rate)
        except InputError as error:
            raise CorruptError(f"a chunk of tokens that no encoder makes: {error}; get the file again") from error
        return stream.read(decoder, steps, self.tables, self.dims, self.expected_size(unit))

    def to_grid(self, chunk: TokenChunk) -> TokenGrid:
        """The tokens of a chunk."""
        return TokenGrid(np.ascontiguousarray(chunk.tokens[:, :, None]), self.config.codes)

    def from_grid(self, grid: TokenGrid, size: float) -> TokenChunk:
        """What tokens alone say: a body of that size from the origin on, upright, at first facing +z.

        Raises InputError if the grid is not of such tokens.
        """
        rows, most, codes = self.tables.shape
        if grid.indices.shape[1:3] != (rows, 1) or grid.codes != codes or grid.levels > most:
            raise InputError(
                f"a grid of {grid.indices.shape[1:3]} cells, {grid.codes} codes and {grid.levels} levels; "
                f"{self.weights.name} has {(rows, 1)}, {codes} and up to {most}"
            )
        steps = round(stream.SIZE_STEPS_PER_OCTAVE * float(np.log2(size / self.usual_size)))
        tokens = np.ascontiguousarray(grid.indices[:, :, 0])
        still = np.zeros((len(tokens), self.tables.remainders.count), np.int32)
        return TokenChunk(Start(steps, 0, np.zeros(self.dims, np.int64)), tokens, still)

    def detokenize(self, grids: Sequence[TokenGrid], size: float | None) -> tuple[NDArray[np.float32], str, str]:
        """Positions (T, P, K, D) of one person per grid, NaN after its end, their unit and the axis that is up.

        size: of the bodies, as `usual_size`, which it is in 3D if not told.
        """
        unit, up = ("mm", "y") if self.dims == 3 else ("px", "-y")
        size = size or (self.usual_size if self.dims == 3 else DEFAULT_SIZE_PX)
        step, rate = self.config.step, self.config.rate
        frames = max((len(grid.indices) for grid in grids), default=0) * step
        positions = np.full((frames, len(grids), len(self.skeleton), self.dims), np.nan, np.float32)
        for person, grid in enumerate(grids):
            count = len(grid.indices) * step
            if count:
                positions[:count, person] = self.decode(self.from_grid(grid, size), count, up, rate)
        return positions, unit, up

    def vocabulary(self, levels: int | None = None) -> Vocabulary:
        """Of streams with so many levels, the default if not told. Raises InputError if there are not so many."""
        return Vocabulary(self.check_levels(levels), self.config.rows, self.config.codes)

    def check_levels(self, levels: int | None) -> int:
        """The levels asked for, or the default. Raises InputError if there are not so many."""
        if levels is None:
            return self.default_levels
        if not 1 <= levels <= self.config.levels:
            raise InputError(f"{levels} levels asked for; {self.weights.name} has 1 to {self.config.levels}")
        return levels
