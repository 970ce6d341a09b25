"""The codec, whole: a PoseSequence to bytes and back, in mirrored steps.

sequence -> tracks -> chunks -> normalized body and side information -> heatmaps -> latents -> tokens -> bytes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecodec import container, payload
from posecodec.container import Header, Track
from posecodec.entropy.tokencoder import TokenTables
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.io.files import read_file, write_atomic
from posecodec.model import weights as weights_file
from posecodec.model.config import ModelConfig, from_dict
from posecodec.model.vqgan import VQGAN
from posecodec.model.weights import Weights
from posecodec.neural import choose_tokens, decode_points, encode_points
from posecodec.normalize import Normalization, denormalize, guess_up, normalize
from posecodec.payload import Payload, Tables
from posecodec.sequence import PoseSequence
from posecodec.skeleton import BUILT_IN, Skeleton, missing_for
from posecodec.tokens import TokenGrid
from posecodec.windowing import find_tracks, pad_steps


@dataclass(frozen=True, eq=False)
class Encoded:
    """A `.posec` file in memory. tokens: one grid per chunk, in the order of the file."""

    data: bytes
    header: Header
    tokens: tuple[TokenGrid, ...]

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        return self.data

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write the file, aside and then moved into place. Raises UsageError if it exists, without `force`."""
        write_atomic(path, self.data, force)


class PoseCodec:
    """A model with its tables, ready to encode and decode.

    >>> codec = PoseCodec.from_pretrained("body3d")  # doctest: +SKIP
    >>> codec.encode(posecodec.load("walk.npz")).save("walk.posec")  # doctest: +SKIP
    """

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

    @staticmethod
    def from_pretrained(name: str | Path, device: str = "cpu") -> PoseCodec:
        """Weights by built-in name or path. Raises WeightsError if they are missing or damaged."""
        return PoseCodec(weights_file.read(name), device)

    def encode(self, sequence: PoseSequence, levels: int | None = None) -> Encoded:
        """Tokens and bytes of a sequence.

        levels: how many quantizer levels, 1..Q; more are more accurate. Raises InputError if the model cannot code the
        sequence's keypoints or dimensions.
        """
        levels = self._checked_levels(levels)
        body = self._mapped(sequence)
        up = sequence.up if sequence.up != "unknown" else _guess_up(body)
        tracks = tuple(Track(*track) for track in find_tracks(sequence.valid))
        chunks, grids = [], []
        for track in tracks:
            for start, length in track.chunks:
                frames = slice(start, start + length)
                points, side = normalize(
                    body.positions[frames, track.person], self.skeleton, self.normalization, up, levels
                )
                tokens = self._tokens_of(points, levels)
                valid, confidence = sequence.valid[frames, track.person], sequence.confidence[frames, track.person]
                chunk = Payload(valid, *_quantized(confidence, valid), side, tokens)
                chunks.append(payload.write(chunk, self.tables))
                grids.append(TokenGrid(tokens, self.config.codes, length, self.config.factor[0]))
        header = Header(
            self.weights.id, sequence.dims, sequence.unit, sequence.up, up, sequence.skeleton, sequence.fps,
            sequence.timestamps, sequence.frames, sequence.ids, tracks, dict(sequence.metadata),
        )  # fmt: skip
        return Encoded(container.write(header, chunks), header, tuple(grids))

    def decode(self, source: Encoded | bytes | str | Path) -> PoseSequence:
        """The sequence in a file, with positions as near as the tokens tell.

        Raises CorruptError if the file is damaged, WeightsError if it was encoded with other weights.
        """
        header, chunks = self._opened(source)
        shape = (header.frames, len(header.ids), len(header.skeleton))
        positions = np.full((*shape, header.dims), np.nan, np.float32)
        confidence = np.zeros(shape, np.float32)
        chosen = [self.skeleton.keypoints.index(name) for name in header.skeleton.keypoints]
        places = [(track.person, *chunk) for track in header.tracks for chunk in track.chunks]
        for (person, start, length), data in zip(places, chunks, strict=True):
            frames = slice(start, start + length)
            chunk = payload.read(data, length, shape[2], self._grid(length), self.normalization, self.tables)
            points = self._points_of(chunk.tokens, length)
            world = denormalize(points, chunk.side, self.normalization, header.coded_up, chunk.tokens.shape[-1])
            positions[frames, person] = np.where(chunk.mask[..., None], world[:, chosen], np.nan)
            confidence[frames, person] = _confidences(chunk)
        try:
            return PoseSequence(
                positions, confidence, header.skeleton, header.fps, header.timestamps, header.unit, header.up,
                header.ids, header.metadata,
            )  # fmt: skip
        except InputError as error:
            raise CorruptError(f"the file holds what no recording can: {error}; get the file again") from error

    def tokens(self, source: bytes | str | Path) -> tuple[TokenGrid, ...]:
        """The token grids of a file, without running the network. Raises as `decode` does."""
        header, chunks = self._opened(source)
        lengths = [length for track in header.tracks for _, length in track.chunks]
        grids = []
        for length, data in zip(lengths, chunks, strict=True):
            keypoints = len(header.skeleton)
            chunk = payload.read(data, length, keypoints, self._grid(length), self.normalization, self.tables)
            grids.append(TokenGrid(chunk.tokens, self.config.codes, length, self.config.factor[0]))
        return tuple(grids)

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

    def _grid(self, frames: int) -> tuple[int, int, int]:
        _, height, width = self.config.latent_grid
        return -(-frames // self.config.factor[0]), height, width

    def _opened(self, source: Encoded | bytes | str | Path) -> tuple[Header, list[bytes]]:
        data = source.data if isinstance(source, Encoded) else source
        header, chunks = container.read(data if isinstance(data, bytes) else read_file(data))
        if header.weights != self.weights.id:
            raise WeightsError(
                f"the file was encoded with weights {header.weights.hex()}, these are {self.weights.sha256[:8]} "
                f"({self.weights.name}); pass the right ones with -m"
            )
        if header.dims != self.config.dims or missing_for(header.skeleton, self.skeleton):
            raise CorruptError("the file's keypoints are none that its weights can code; get the file again")
        return header, chunks

    def _checked_levels(self, levels: int | None) -> int:
        if levels is None:
            return self.default_levels
        if not 1 <= levels <= self.config.levels:
            raise InputError(f"{levels} levels asked for; {self.weights.name} has 1 to {self.config.levels}")
        return levels

    def _mapped(self, sequence: PoseSequence) -> PoseSequence:
        if sequence.dims != self.config.dims:
            raise InputError(f"{self.weights.name} codes {self.config.dims}D, this is {sequence.dims}D; choose with -m")
        lost = missing_for(sequence.skeleton, self.skeleton)
        if lost:
            raise InputError(
                f"{self.weights.name} cannot code {len(lost)} of the keypoints of {sequence.skeleton.name!r} "
                f"({', '.join(lost[:4])}{', ...' if len(lost) > 4 else ''}); pass --skeleton {self.skeleton.name} to "
                "keep only those that it can"
            )
        return sequence.mapped_to(self.skeleton)


def weights_for(header: Header) -> str:
    """The built-in weights that a file names. Raises WeightsError that tells its hash and theirs."""
    hashes = {name: str(weights_file.card(weights_file.find(name)).get("sha256", "")) for name in weights_file.names()}
    for name, digest in hashes.items():
        if digest[:8] == header.weights.hex():
            return name
    known = ", ".join(f"{name} is {digest[:8]}" for name, digest in hashes.items())
    raise WeightsError(f"the file was encoded with weights {header.weights.hex()}; {known}; give its own with -m PATH")


def _guess_up(body: PoseSequence) -> str:
    return guess_up(body.positions.reshape(-1, *body.positions.shape[2:]), body.skeleton)


def _quantized(confidence: NDArray[np.float32], valid: NDArray[np.bool_]) -> tuple[NDArray[np.int32] | None, float]:
    """Confidences (T, K) in steps of scale / 255, or None where all are 1; and the scale, 1 unless one is larger."""
    if (confidence[valid] == 1).all():
        return None, 1.0
    scale = float(np.float32(max(1.0, np.abs(confidence).max())))
    return np.rint(confidence.astype(np.float64) * payload.CONFIDENCE_STEPS / scale).astype(np.int32), scale


def _confidences(chunk: Payload) -> NDArray[np.float32]:
    if chunk.confidence is None:
        return chunk.mask.astype(np.float32)
    return (chunk.confidence * (chunk.confidence_scale / payload.CONFIDENCE_STEPS)).astype(np.float32)


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
