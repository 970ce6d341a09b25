"""What a coder of chunks asks of weights for tokens of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.tokens.grid import TokenGrid
from posecodec.coders.tokens.vocabulary import Vocabulary
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats
from posecodec.zoo import Weights


class AnyTokenizer(Protocol):
    """Between keypoints (T, K, D), a chunk's integers and bytes. The integers know their `levels` and can be `truncate`d;
    what they are beyond that is the tokenizer's business."""

    weights: Weights
    skeleton: Skeleton

    @property
    def dims(self) -> int:
        """D."""

    def encode(self, points: NDArray[np.floating], up: str, rate: float) -> Any:
        """The integers of keypoints as recorded, NaN where missing. Raises InputError."""

    def decode(self, chunk: Any, frames: int, up: str, rate: float) -> Floats:
        """The mirror of `encode`."""

    def write(self, encoder: RangeEncoder, chunk: Any, unit: str) -> None:
        """The integers as bits."""

    def read(self, decoder: RangeDecoder, frames: int, rate: float, unit: str) -> Any:
        """The mirror of `write`. Raises CorruptError."""

    def to_grid(self, chunk: Any) -> TokenGrid:
        """The tokens among the integers."""

    def detokenize(self, grids: Sequence[TokenGrid], size: float | None) -> tuple[NDArray[np.float32], str, str]:
        """What tokens alone say: positions, their unit and the axis that is up. Raises InputError."""

    def vocabulary(self, levels: int | None = None) -> Vocabulary:
        """Of streams with so many levels. Raises InputError."""

    def check_levels(self, levels: int | None) -> int:
        """The levels asked for, or the default. Raises InputError."""
