"""Chunks as tokens: weights with their tables and network, from keypoints to the bytes of a chunk and back.

body -> channels -> windows -> quantized values -> bytes, and the mirror, after which the network corrects the heatmaps of
what was decoded. Only that needs torch, and it is loaded when positions are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.chunk import to_float32
from posecodec.coders.tokens.grid import CODES, TokenGrid
from posecodec.coders.tokens.vocabulary import Vocabulary
from posecodec.coders.windows import stream
from posecodec.coders.windows.bitplanes import from_digits, levels_of_qp, qp_of_levels, to_digits
from posecodec.coders.windows.stream import QuantizedMotion, SideInfo
from posecodec.coders.windows.weights import unpack_tables
from posecodec.errors import InputError, WeightsError
from posecodec.kinematics.body_frame import from_body_frame, to_body_frame
from posecodec.kinematics.bones import SCALE_STEPS_PER_OCTAVE
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.signal.quantization import STEPS_PER_OCTAVE
from posecodec.signal.segmentation import list_spans
from posecodec.typing import Floats
from posecodec.zoo import Weights

if TYPE_CHECKING:
    from posecodec.networks.refiner import Refiner

MAX_LEVELS = 12  # Of tokens: the finest step is about a millimetre of an adult
DEFAULT_SIZE_PX = 250.0  # Of bodies that tokens in 2D give: about half of a full-HD image's height


class Tokenizer:
    """Weights ready to turn the keypoints of their skeleton into tokens and back."""

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        try:
            self.weights, self.device = weights, device
            self.dims = int(weights.settings["dims"])
            self.skeleton: Skeleton = BUILT_IN[weights.settings["skeleton"]]
            self.default_levels = int(weights.settings["default_levels"])
            self.tables = unpack_tables(weights.tensors, self.skeleton, self.dims)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            what = f"weights {weights.name!r} do not fit this posecodec: {error}; get them again"
            raise WeightsError(what) from error

    @cached_property
    def refiner(self) -> Refiner:
        """The network. Raises WeightsError."""
        import torch

        from posecodec.networks.config import from_dict
        from posecodec.networks.refiner import Refiner, RefinerConfig

        try:
            model = Refiner(from_dict(RefinerConfig, self.weights.settings["refiner"]))
            state = {n[8:]: t for n, t in self.weights.tensors.items() if n.startswith("refiner.")}
            model.load_state_dict({name: torch.from_numpy(t.astype(np.float32)) for name, t in state.items()})
        except (KeyError, RuntimeError, InputError) as error:
            what = f"weights {self.weights.name!r} hold no such network: {error}; get them again"
            raise WeightsError(what) from error
        return model.to(self.device).eval()

    def decode(self, quantized: QuantizedMotion, up: str, network: bool = True) -> NDArray[np.float32]:
        """Keypoints (T, K, D) of the skeleton, in the recording's unit and axes. network: False for a quick estimate."""
        return to_float32(stream.to_world(self.refine(quantized, network), quantized.side_info, self.dims, up))

    def refine(self, quantized: QuantizedMotion, network: bool = True) -> Floats:
        """Keypoints (T, K, D) of usual size, upright: what the integers say, corrected by the network."""
        motion = stream.reconstruct(quantized, self.tables)
        points = self.tables.body.synthesize(motion)
        if not network or "refiner" not in self.weights.settings:
            return points
        from posecodec.networks.refiner import build_extras

        joins = np.array([start for start, _ in list_spans(quantized.lengths)[1:]], np.int64)
        extras = build_extras(motion.center, motion.angle, quantized.qp, joins)
        inside = self.refiner.refine(to_body_frame(points, motion).astype(np.float32), extras)
        return from_body_frame(inside.astype(np.float64), motion)

    def to_grid(self, quantized: QuantizedMotion) -> TokenGrid:
        """The tokens of a chunk."""
        return TokenGrid(to_digits(quantized.values, levels_of_qp(quantized.qp)), CODES, quantized.lengths)

    def from_grid(self, grid: TokenGrid, size: float) -> QuantizedMotion:
        """What tokens alone say: a body of that size from the origin on, upright, at first facing +z.

        size: a length that a usual body has as `typical_size`. Raises InputError if the grid is not of such tokens.
        """
        shape = (self.tables.prior.expected.shape[1], self.tables.body.channels)
        if grid.indices.shape[1:3] != shape or grid.codes != CODES or not 1 <= grid.levels <= MAX_LEVELS:
            raise InputError(
                f"a grid of {grid.indices.shape[1:3]} cells, {grid.codes} codes and {grid.levels} levels; "
                f"{self.weights.name} has {shape}, {CODES} and up to {MAX_LEVELS}"
            )
        scale = round(SCALE_STEPS_PER_OCTAVE * float(np.log2(self.typical_size / size)))
        side = SideInfo(scale, 0, np.zeros(self.dims, np.int64))
        values, qp = from_digits(grid.indices), qp_of_levels(grid.levels)
        return stream.dequantize(values, grid.lengths, side, qp, self.tables)

    def keep_levels(self, quantized: QuantizedMotion, levels: int) -> QuantizedMotion:
        """What the first levels of a chunk's tokens say. Raises InputError if there are not so many."""
        most = levels_of_qp(quantized.qp)
        if not 1 <= levels <= most:
            raise InputError(f"{levels} levels of {most} asked for")
        digits = to_digits(quantized.values, most)[..., :levels]
        qp = quantized.qp + STEPS_PER_OCTAVE * (most - levels)
        return stream.dequantize(from_digits(digits), quantized.lengths, quantized.side_info, qp, self.tables)

    def detokenize(self, grids: Sequence[TokenGrid], size: float | None) -> tuple[NDArray[np.float32], str, str]:
        """Positions (T, P, K, D) of one person per grid, NaN after its end, their unit and the axis that is up.

        size: of the bodies, as `typical_size`, which it is if not told.
        """
        unit, up = ("mm", "y") if self.dims == 3 else ("px", "-y")
        size = size or (self.typical_size if self.dims == 3 else DEFAULT_SIZE_PX)
        frames = max((grid.frames for grid in grids), default=0)
        positions = np.full((frames, len(grids), len(self.skeleton), self.dims), np.nan, np.float32)
        for person, grid in enumerate(grids):
            positions[: grid.frames, person] = self.decode(self.from_grid(grid, size), up)
        return positions, unit, up

    @property
    def typical_size(self) -> float:
        """Summed length of the bones of a usual body in 3D, in mm; in 2D twice what its keypoints spread."""
        return float(self.tables.body.bones.lengths.sum()) if self.dims == 3 else 2 * stream.USUAL_SPREAD

    def vocabulary(self, levels: int | None = None) -> Vocabulary:
        """Of streams with so many levels, the default if not told. Raises InputError if there are not so many."""
        return Vocabulary(self.check_levels(levels), self.tables.prior.expected.shape[1:])

    def check_levels(self, levels: int | None) -> int:
        """The levels asked for, or the default. Raises InputError if there are not so many."""
        if levels is None:
            return self.default_levels
        if not 1 <= levels <= MAX_LEVELS:
            raise InputError(f"{levels} levels asked for; {self.weights.name} has 1 to {MAX_LEVELS}")
        return levels
