"""The network of tokens as a model of bodies that fills gaps: through heatmaps and latents, but no codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posecodec.coders.tokens.tokenizer import Tokenizer
from posecodec.kinematics.body_track import Bones
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Bools, Floats, Ints


@dataclass(frozen=True, eq=False, repr=False)
class NetworkModel:
    """What `coders.gap_filling` asks of a model. Every second round looks at steps that begin half a step later."""

    tokenizer: Tokenizer
    rounds: ClassVar[int] = 3  # More of them drift (log of 2026-11-27)

    @property
    def skeleton(self) -> Skeleton:
        """Its keypoints."""
        return self.tokenizer.skeleton

    @property
    def bones(self) -> Bones:
        """As in `split_track`."""
        return self.tokenizer.bones

    def narrow(self, seen: Bools) -> tuple[NetworkModel, Ints]:
        """All of it: it looks at whole bodies."""
        return self, np.arange(len(seen))

    def turn_axes(self, up: str) -> Floats:
        """As the tokenizer does."""
        return self.tokenizer.orient(up)

    def count_frames(self, frames: int, rate: float) -> int:
        """As the tokenizer does. Raises InputError."""
        return self.tokenizer.count_frames(frames, rate)

    def restore_body(self, body: Floats, gone: Bools, number: int) -> Floats:
        """A body (T, K, D) as the network sees it, gaps filled. Raises DependencyError without torch."""
        network = self.tokenizer.network
        from posecodec.networks import part_io

        return part_io.restore_body(network, body, number % 2 == 1)
