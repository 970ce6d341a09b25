"""Chunks as tokens: a model with its tables, from keypoints to the bytes of a chunk and back.

body -> normalized body and side information -> heatmaps -> latents -> tokens -> bytes, and the mirror. This is the part
of the codec that needs torch; `codec` loads it when tokens are asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecodec import payload
from posecodec.entropy.tokencoder import TokenTables
from posecodec.errors import InputError, WeightsError
from posecodec.model.config import ModelConfig, from_dict
from posecodec.model.vqgan import VQGAN
from posecodec.model.weights import Weights
from posecodec.neural import choose_tokens, decode_points, encode_points
from posecodec.normalize import Normalization, Side, denormalize, knot_count, normalize
from posecodec.payload import Payload, Presence, Tables
from posecodec.skeleton import BUILT_IN, Skeleton
from posecodec.streams import Vocabulary
from posecodec.tokens import TokenGrid
from posecodec.windowing import pad_steps


class Tokenizer:
    """A model with its tables, ready to turn the keypoints of its skeleton into tokens and back."""

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        try:
            self.weights, self.device = weights, torch.device(device)
            self.config = ModelConfig.from_dict(weights.settings["config"])
            self.normalization: Normalization = from_dict(Normalization, weights.settings["normalization"])
            self.skeleton: Skeleton = BUILT_IN[weights.settings["skeleton"]]
            self.default_levels = int(weights.settings["default_levels"])
            self.rate_weight = float(weights.settings["rate_weight"])
            self.tables = tables_from(weights.tensors)
            self.model = _model_from(self.config, weights.tensors).to(self.device).eval()
        except (KeyError, TypeError, ValueError, RuntimeError, InputError) as error:
            raise WeightsError(
                f"weights {weights.name!r} do not fit this posecodec: {error}; get them again"
            ) from error

    def encode(
        self, points: NDArray[np.float32], presence: Presence, up: str, levels: int
    ) -> tuple[bytes, TokenGrid, Side]:
        """A chunk's bytes, tokens and side information, of keypoints (T, K, D) of the model's skeleton, NaN where missing."""
        body, side = normalize(points, self.skeleton, self.normalization, up, levels)
        tokens = self._tokens_of(body, levels)
        data = payload.write(Payload(presence, side, tokens), self.tables)
        return data, self._grid_of(tokens, len(points)), side

    def read(self, data: bytes, frames: int, keypoints: int) -> Payload:
        """The integers of a chunk; no network runs. Raises CorruptError."""
        return payload.read(data, frames, keypoints, self.grid(frames), self.normalization, self.tables)

    def decode(self, side: Side, tokens: NDArray[np.int32], frames: int, up: str) -> NDArray[np.float32]:
        """Keypoints (T, K, D) of the model's skeleton, in the recording's unit and axes."""
        body = self._points_of(tokens, frames)
        return denormalize(body, side, self.normalization, up, tokens.shape[-1])

    def vocabulary(self, levels: int | None = None) -> Vocabulary:
        """Of streams with so many levels, all by default. Raises InputError if the model has not so many."""
        chosen = self.config.levels if levels is None else self.checked_levels(levels)
        _, height, width = self.grid(1)
        return Vocabulary(chosen, self.config.codes, (height, width), self.config.factor[0])

    def stand(self, grid: TokenGrid, size: float) -> NDArray[np.float32]:
        """Keypoints (T, K, D) of tokens alone: a body of that size standing at the origin, upright, facing +z.

        size: summed length of the bones in 3D, in any unit; root mean square distance from the root in 2D.
        """
        how, frames = self.normalization, grid.frames
        root = np.zeros((knot_count(frames, how.root_knots), how.dims), np.int32)
        heading = np.zeros(knot_count(frames, how.heading_knots) if how.heading_knots else 0, np.int32)
        scale = np.full(knot_count(frames, how.scale_knots), round(np.log2(size) / how.scale_step), np.int32)
        return self.decode(Side(root, heading, scale), grid.indices, frames, "y" if how.dims == 3 else "-y")

    def tokens(self, data: bytes, frames: int, keypoints: int) -> TokenGrid:
        """The token grid of a chunk. Raises CorruptError."""
        return self._grid_of(self.read(data, frames, keypoints).tokens, frames)

    def grid(self, frames: int) -> tuple[int, int, int]:
        """(t, h, w) of so many frames."""
        _, height, width = self.config.latent_grid
        return -(-frames // self.config.factor[0]), height, width

    def checked_levels(self, levels: int | None) -> int:
        """The levels asked for, or the default. Raises InputError if the model has not so many."""
        if levels is None:
            return self.default_levels
        if not 1 <= levels <= self.config.levels:
            raise InputError(f"{levels} levels asked for; {self.weights.name} has 1 to {self.config.levels}")
        return levels

    def _grid_of(self, tokens: NDArray[np.int32], frames: int) -> TokenGrid:
        return TokenGrid(tokens, self.config.codes, frames, self.config.factor[0])

    @torch.no_grad()
    def _tokens_of(self, points: NDArray[np.float32], levels: int) -> NDArray[np.int32]:
        """(t, h, w, Q) of a normalized body (T, K, D)."""
        padded = torch.from_numpy(pad_steps(points, self.config.factor[0]))[None].to(self.device)
        there = ~padded.isnan().any(dim=-1)
        latents = encode_points(self.model, padded, there)[0].cpu().numpy()
        books = self.model.quantizer.codebooks[:levels].cpu().numpy()
        return choose_tokens(latents, books, self.tables.tokens, self.rate_weight)

    @torch.no_grad()
    def _points_of(self, tokens: NDArray[np.int32], frames: int) -> NDArray[np.float32]:
        """The mirror: a normalized body (T, K, D) of tokens (t, h, w, Q)."""
        indices = torch.from_numpy(tokens.astype(np.int64))[None].to(self.device)
        points: NDArray[np.float32] = decode_points(self.model, indices)[0, :frames].numpy()
        return points


def tables_from(tensors: dict[str, NDArray[Any]]) -> Tables:
    """The entropy tables among the tensors of a weights file, whose names begin with "entropy."."""
    part = {name[8:]: tensor for name, tensor in tensors.items() if name.startswith("entropy.")}
    tokens = TokenTables(part["tokens"], part["before"], part["below"], part["classes"])
    return Tables(tokens, part["root"], part["heading"], part["scale"])


def _model_from(config: ModelConfig, tensors: dict[str, NDArray[Any]]) -> VQGAN:
    model = VQGAN(config)
    state = {name: torch.from_numpy(t.astype(np.float32)) for name, t in tensors.items() if name[:8] != "entropy."}
    model.load_state_dict(state)
    return model
