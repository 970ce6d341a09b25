"""Chunks as tokens: weights with their tables and network, from keypoints to the bytes of a chunk and back.

body -> channels -> windows -> quantized values -> bytes, and the mirror, after which the network corrects the heatmaps of
what was decoded. Only that needs torch, and it is loaded when positions are asked for.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.presence import Presence, read_presence, write_presence
from posecodec.coders.tokens.grid import LONGEST, TokenGrid
from posecodec.coders.tokens.vocabulary import Vocabulary
from posecodec.coders.windows import stream
from posecodec.coders.windows.bitplanes import CODES, TOP, from_digits, index_of, levels_of, to_digits
from posecodec.coders.windows.frequency_bands import Bands, spans
from posecodec.coders.windows.prior import Prior
from posecodec.coders.windows.stream import Latents, Side, Tables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import InputError, WeightsError
from posecodec.kinematics.body_frame import boxed, unboxed
from posecodec.kinematics.body_model import Body
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.signal.quantization import STEPS_PER_OCTAVE
from posecodec.typing import Floats
from posecodec.zoo import Weights

if TYPE_CHECKING:
    from posecodec.networks.refiner import Refiner

MOST_LEVELS = 12
BODY_FIELDS = ("usual", "lengths", "rest", "metric")


class Tokenizer:
    """Weights ready to turn the keypoints of their skeleton into tokens and back."""

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        try:
            self.weights, self.device = weights, device
            self.dims = int(weights.settings["dims"])
            self.skeleton: Skeleton = BUILT_IN[weights.settings["skeleton"]]
            self.default_levels = int(weights.settings["default_levels"])
            self.tables = tables_from(weights.tensors, self.skeleton, self.dims)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise WeightsError(
                f"weights {weights.name!r} do not fit this posecodec: {error}; get them again"
            ) from error

    @cached_property
    def refiner(self) -> Refiner:
        """The network. Raises WeightsError."""
        import torch

        from posecodec.networks.refiner import Refiner, RefinerConfig

        try:
            model = Refiner(RefinerConfig.from_dict(self.weights.settings["refiner"]))
            state = {n[8:]: t for n, t in self.weights.tensors.items() if n.startswith("refiner.")}
            model.load_state_dict({name: torch.from_numpy(t.astype(np.float32)) for name, t in state.items()})
        except (KeyError, RuntimeError, InputError) as error:
            raise WeightsError(
                f"weights {self.weights.name!r} hold no such network: {error}; get them again"
            ) from error
        return model.to(self.device).eval()

    def encode(
        self, points: NDArray[np.floating], presence: Presence, up: str, unit: str, index: int, longest: int = LONGEST
    ) -> tuple[bytes, Latents]:
        """A chunk's bytes and integers at the step of an index, of keypoints (T, K, D) of the skeleton, NaN where missing.

        longest: frames of a window at most, for less delay.
        """
        motion, side = stream.prepare(points, self.tables, up)
        encoder = RangeEncoder()
        write_presence(encoder, ChunkKind.TOKENS, presence)
        latents = stream.choose(motion, side, index, self.tables, longest=longest)
        stream.write(encoder, latents, self.tables, unit)
        return encoder.finish(), latents

    def read(self, data: bytes, frames: int, keypoints: int, unit: str) -> tuple[Presence, Latents]:
        """The integers of a chunk; no network runs. Raises CorruptError."""
        decoder = RangeDecoder(data)
        presence = read_presence(decoder, frames, keypoints)
        latents = stream.read(decoder, frames, self.tables, unit)
        decoder.finish()
        return presence, latents

    def decode(self, latents: Latents, up: str, network: bool = True) -> NDArray[np.float32]:
        """Keypoints (T, K, D) of the skeleton, in the recording's unit and axes. network: False for a quick estimate."""
        points = stream.placed(self.refined(latents, network), latents.side, self.dims, up)
        with np.errstate(over="ignore"):
            return points.astype(np.float32)

    def refined(self, latents: Latents, network: bool = True) -> Floats:
        """Keypoints (T, K, D) of usual size, upright: what the integers say, corrected by the network."""
        motion = stream.motion_of(latents, self.tables)
        points = self.tables.body.synthesize(motion)
        if not network or "refiner" not in self.weights.settings:
            return points
        from posecodec.networks.refiner import extras_of

        joins = np.array([start for start, _ in spans(latents.lengths)[1:]], np.int64)
        extras = extras_of(motion.center, motion.angle, latents.index, joins)
        inside = self.refiner.refine(boxed(points, motion).astype(np.float32), extras)
        return unboxed(inside.astype(np.float64), motion)

    def grid_of(self, latents: Latents) -> TokenGrid:
        """The tokens of a chunk."""
        return TokenGrid(to_digits(latents.values, levels_of(latents.index)), CODES, latents.lengths)

    def latents_of(self, grid: TokenGrid, size: float) -> Latents:
        """What tokens alone say: a body of that size from the origin on, upright, at first facing +z.

        size: a length that a usual body has as `usual_size`. Raises InputError if the grid is not of such tokens.
        """
        shape = (self.tables.prior.usual.shape[1], self.tables.body.channels)
        if grid.indices.shape[1:3] != shape or grid.codes != CODES or not 1 <= grid.levels <= MOST_LEVELS:
            raise InputError(
                f"a grid of {grid.indices.shape[1:3]} cells, {grid.codes} codes and {grid.levels} levels; "
                f"{self.weights.name} has {shape}, {CODES} and up to {MOST_LEVELS}"
            )
        scale = round(stream.SCALE_STEPS * float(np.log2(self.usual_size / size)))
        side = Side(scale, 0, np.zeros(self.dims, np.int64))
        values, index = from_digits(grid.indices), index_of(grid.levels)
        return stream.meant(values, grid.lengths, side, index, self.tables)

    def coarser(self, latents: Latents, levels: int) -> Latents:
        """What the first levels of a chunk's tokens say. Raises InputError if there are not so many."""
        most = levels_of(latents.index)
        if not 1 <= levels <= most:
            raise InputError(f"{levels} levels of {most} asked for")
        digits = to_digits(latents.values, most)[..., :levels]
        index = latents.index + STEPS_PER_OCTAVE * (most - levels)
        return stream.meant(from_digits(digits), latents.lengths, latents.side, index, self.tables)

    @property
    def usual_size(self) -> float:
        """Summed length of the bones of a usual body in 3D, in mm; in 2D twice what its keypoints spread."""
        return float(self.tables.body.lengths.sum()) if self.dims == 3 else 2 * stream.USUAL_SPREAD

    def vocabulary(self, levels: int | None = None) -> Vocabulary:
        """Of streams with so many levels, the default if not told. Raises InputError if there are not so many."""
        return Vocabulary(self.checked_levels(levels), self.tables.prior.usual.shape[1:])

    def checked_levels(self, levels: int | None) -> int:
        """The levels asked for, or the default. Raises InputError if there are not so many."""
        if levels is None:
            return self.default_levels
        if not 1 <= levels <= MOST_LEVELS:
            raise InputError(f"{levels} levels asked for; {self.weights.name} has 1 to {MOST_LEVELS}")
        return levels


def tables_from(tensors: dict[str, NDArray[Any]], skeleton: Skeleton, dims: int) -> Tables:
    """The tables among the tensors of a weights file."""
    parts = {name: tensors[f"body.{name}"].astype(np.float64) for name in BODY_FIELDS}
    body = Body(skeleton, dims, height=float(tensors["body.height"][0]), **parts)
    turns, means = (tensors[f"bands.{name}"].astype(np.float64) for name in ("turns", "means"))
    prior = Prior(**{f.name: tensors[f"prior.{f.name}"] for f in fields(Prior)})
    return Tables(body, Bands(turns, means, body.sliding), prior)


def tensors_of(tables: Tables) -> dict[str, NDArray[Any]]:
    """The mirror of `tables_from`."""
    tensors: dict[str, NDArray[Any]] = {f"body.{name}": getattr(tables.body, name) for name in BODY_FIELDS}
    tensors["body.height"] = np.array([tables.body.height])
    tensors |= {"bands.turns": tables.bands.turns, "bands.means": tables.bands.means}
    return tensors | {f"prior.{f.name}": getattr(tables.prior, f.name) for f in fields(Prior)}


assert index_of(1) == TOP
