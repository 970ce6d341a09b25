"""One chunk of one person's motion as bytes, and back: one coder for each kind of chunk, all with the same interface.

To add a coder: a file here with a class that fits `ChunkCoder`, a kind in `bitstream.chunk_kind`, a line in `build_coders`;
and in `ratecontrol.coder_choice`, when it is to be tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.errors import CorruptError, WeightsError
from posecodec.kinematics.motion_model import KIND, MotionModel
from posecodec.zoo import check_named

if TYPE_CHECKING:
    from posecodec.bitstream.container import Chunk
    from posecodec.bitstream.header import Header
    from posecodec.coders.body_parts import BodyPartsCoder
    from posecodec.coders.chunk import Candidate, ChunkContext, ChunkInput, DecodedChunk
    from posecodec.coders.gap_filling import BodyModel
    from posecodec.coders.lossless import LosslessCoder
    from posecodec.coders.predictive.coder import PredictiveCoder
    from posecodec.coders.tokens.coder import TokensCoder
    from posecodec.coders.transform.coder import TransformCoder
    from posecodec.coders.windows.coder import WindowsCoder
    from posecodec.pose.skeleton import Skeleton
    from posecodec.zoo import Weights


class ChunkCoder(Protocol):
    """A kind in, bytes out, and back. `decode` of what `encode` gave is what the candidate's errors were measured on.

    qp_range: quantizer steps that `encode` takes, as QPs (`signal.quantization`) in the coder's own channels.
    """

    kind: ChunkKind
    qp_range: range

    def supports(self, chunk: ChunkInput) -> bool:
        """Whether the chunk can be coded so at all."""

    def encode(self, chunk: ChunkInput, qp: int, *, max_error: float | None = None) -> Candidate:
        """The chunk at a step, corrected so that no keypoint is farther off than `max_error`, in the recording's unit.

        Raises InputError where the step is too fine for coordinates that reach so far.
        """

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """What the bytes of a chunk say. Raises CorruptError."""


@dataclass(frozen=True, eq=False)
class Coders:
    """The coders of one codec. by_kind: the same ones, as a decoder looks for them."""

    transform: TransformCoder
    windows: WindowsCoder
    body_parts: BodyPartsCoder
    lossless: LosslessCoder
    tokens: TokensCoder
    predictive: PredictiveCoder

    @property
    def by_kind(self) -> Mapping[ChunkKind, ChunkCoder]:
        """Coders by the kind of chunk that they make."""
        coders: tuple[ChunkCoder, ...] = (
            self.transform, self.windows, self.body_parts, self.lossless, self.tokens, self.predictive,
        )  # fmt: skip
        return {coder.kind: coder for coder in coders}

    def suit(self, header: Header) -> Coders:
        """These coders, or those with the other weights of the transform that a file names."""
        from posecodec.coders.transform.weights import find_other

        if header.transform in (b"", self.transform.weights.id) or not (name := find_other(header.transform)):
            return self
        weights = self.windows.weights or self.tokens.weights
        return build_coders(weights, self.tokens.device, name)

    def can_use_weights(self, skeleton: Skeleton, dims: int) -> bool:
        """Whether weights of windows or tokens, if there are any, can code such keypoints."""
        if self.tokens.weights:
            return self.tokens.supports_skeleton(skeleton, dims)
        return not self.windows.weights or self.body_parts.covers(skeleton, dims)

    def check_weights(self, header: Header, chunks: list[Chunk]) -> None:
        """Whether the chunks of a file can be decoded with these weights. Raises WeightsError or CorruptError."""
        check_named(header.weights, self.windows.weights or self.tokens.weights)
        check_named(header.transform, self.transform.weights)
        for chunk in chunks:
            theirs = self.tokens if chunk.kind == ChunkKind.TOKENS else self.windows
            lost = chunk.needs_body_weights and not (header.weights and theirs.weights)
            if lost or chunk.needs_transform_weights and not header.transform:
                raise CorruptError("a chunk that needs weights which the file does not name; get the file again")
        if header.weights and not self.can_use_weights(header.skeleton, header.dims):
            raise CorruptError("the file's keypoints are none that its weights can code; get the file again")


def build_coders(weights: Weights | None = None, device: str = "cpu", transform_name: str = "transform") -> Coders:
    """All coders; those of windows, tokens or the transform with these weights if they are theirs. Raises WeightsError."""
    from posecodec.coders.body_parts import BodyPartsCoder
    from posecodec.coders.lossless import LosslessCoder
    from posecodec.coders.predictive.coder import PredictiveCoder
    from posecodec.coders.tokens.coder import TokensCoder
    from posecodec.coders.transform.coder import TransformCoder
    from posecodec.coders.transform.weights import are_tables, load_built_in, unpack_tables
    from posecodec.coders.windows.coder import WindowsCoder

    if weights is not None and are_tables(weights):
        transform, weights = TransformCoder(weights, unpack_tables(weights)), None
    else:
        transform = TransformCoder(*load_built_in(transform_name))
    if weights is not None and weights.settings.get("kind") == KIND:
        raise WeightsError(f"weights {weights.name!r} fill gaps and code nothing: fill_gaps, --fill-with")
    of_tokens = weights is not None and weights.settings.get("kind") in ("tokens", "grids")
    windows = WindowsCoder(None if of_tokens else weights, transform)
    tokens = TokensCoder(weights if of_tokens else None, device)
    return Coders(transform, windows, BodyPartsCoder(transform, windows), LosslessCoder(), tokens, PredictiveCoder())


def build_body_model(weights: Weights, dims: int, device: str = "cpu") -> BodyModel:
    """What fills gaps, of weights of motion or tokens. Raises WeightsError if they are of others, or other dimensions."""
    if weights.settings.get("kind") not in (KIND, "tokens") or weights.settings.get("dims") != dims:
        raise WeightsError(f"weights {weights.name!r} cannot fill gaps in {dims}D; motion{dims}d and body{dims}d can")
    if weights.settings["kind"] == KIND:
        return MotionModel.from_weights(weights)
    from posecodec.coders.tokens.network_filling import NetworkModel
    from posecodec.coders.tokens.tokenizer import Tokenizer

    return NetworkModel(Tokenizer(weights, device))
