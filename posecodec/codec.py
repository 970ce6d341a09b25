"""The codec, whole: a PoseSequence to bytes and back, in mirrored steps.

sequence -> tracks -> chunks -> tokens, transform coefficients, both for a body and what is around it, or exact floats,
whatever the goal asks -> bytes
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecodec import zoo
from posecodec.analysis.verification import checksum
from posecodec.bitstream import container, presence
from posecodec.bitstream.chunk_kind import ChunkKind, needs_token_weights
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.header import ID_BYTES, Guarantee, Header, Track
from posecodec.coders import chunk as chunks
from posecodec.coders.body_parts import Parts
from posecodec.coders.chunk import Job, Made
from posecodec.coders.tokens.grid import LONGEST, TokenGrid
from posecodec.coders.transform.block_coder import TooFineError
from posecodec.coders.transform.stream import FIRST_QP, LAST_QP
from posecodec.coders.transform.weights import load_built_in
from posecodec.coders.windows import stream
from posecodec.coders.windows.bitplanes import qp_of_levels
from posecodec.coders.windows.stream import QuantizedMotion
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.io.filesystem import read_file, write_atomic
from posecodec.pose.orientation import guess_up
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton, missing_for
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.tracks import find_tracks
from posecodec.ratecontrol.search import cheapest, largest_within
from posecodec.ratecontrol.target import Goal
from posecodec.signal.quantization import MAX_QP, qp_of_step
from posecodec.typing import Floats
from posecodec.zoo import Weights

TOKENS_FROM, REFINED_FROM = 84, 140
"""Finer steps than these never take fewer bytes with tokens, or with refined tokens (benchmarks/LOG.md)."""
TOKEN_LEVELS = (6, 7)
"""Levels that are tried below a refinement."""
LATENT_FIRST, LATENT_LAST = qp_of_levels(12), qp_of_levels(3)
"""Steps of tokens that are tried."""
SLOPE, AROUND, HOPELESS, MOST_GAIN = 0.03, 5, 1.1, 1.04
"""Log of the error by step; steps tried around; how much larger tokens may be at first; what the network gains."""
HOPELESS_PARTS, FARTHEST = 1.5, 64
"""How much larger a chunk in parts may be at first; steps to the one of a wanted error at most."""
FAR_OFF = 2.0
"""Times the default quality's error that its expected step may give."""
MEAN_STEPS = 4.0
"""Steps in a mean error, about: where searches begin."""

if TYPE_CHECKING:
    from posecodec.coders.windows.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class Encoded:
    """A `.posec` file in memory. tokens: one grid per chunk of tokens, in the order of the file."""

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
    """Token weights (or none) and the transform's tables, ready to encode and decode.

    >>> codec = PoseCodec.from_pretrained("body3d")  # doctest: +SKIP
    >>> codec.encode(posecodec.load("walk.npz"), max_error=5).save("walk.posec")  # doctest: +SKIP
    """

    def __init__(self, weights: Weights | None = None, device: str = "cpu") -> None:
        self.weights, self.device = weights, device
        self.transform_weights, self.tables = load_built_in()

    @staticmethod
    def from_pretrained(name: str | Path | None, device: str = "cpu") -> PoseCodec:
        """Token weights by built-in name or path; None for the transform alone. Raises WeightsError.

        Warns where the weights may not be used commercially.
        """
        weights = None if name is None else zoo.read_weights(name)
        licence = str(weights.settings.get("licence", "")) if weights else ""
        if "NC" in licence:
            warnings.warn(f"weights {name} are licensed {licence}; body3d may be used for anything", stacklevel=2)
        return PoseCodec(weights, device)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The network and its tables, loaded when first used. Raises WeightsError where there are no token weights."""
        if self.weights is None:
            raise WeightsError("tokens need token weights; pass -m body3d or -m body2d")
        from posecodec.coders.windows.tokenizer import Tokenizer

        return Tokenizer(self.weights, self.device)

    def encode(
        self,
        sequence: PoseSequence,
        levels: int | None = None,
        *,
        max_error: float | None = None,
        mean_error: float | None = None,
        bitrate: float | None = None,
        lossless: bool = False,
    ) -> Encoded:
        """A sequence as a file. At most one of the options; without any, a mean error of about 1 % of a body's height.

        levels: of tokens, 1..Q, and nothing but tokens. max_error: no keypoint farther off, in the recording's unit;
        measured on what the decoder gives, and corrected. mean_error: of all keypoints. bitrate: kbit/s of the file.
        lossless: every bit of positions and confidences. Raises InputError if the weights cannot code the keypoints or
        a goal cannot be reached, UsageError if options contradict each other.
        """
        goal = Goal.of(levels, max_error, mean_error, bitrate, lossless)
        jobs = self._jobs(sequence, goal)
        if goal.kind == "levels":
            return self._encode_tokens(sequence, jobs, int(goal.value))
        if goal.kind == "lossless":
            crc = Guarantee("lossless", checksum(sequence), 0.0)
            return self._pack(sequence, jobs, [Chunk(chunks.exact(job)) for job in jobs], crc)
        if goal.kind == "max-error":
            return self._encode_bounded(sequence, jobs, float(np.float32(goal.value)))
        return self._encode_graded(sequence, jobs, goal)

    def encode_step(self, sequence: PoseSequence, index: int) -> Encoded:
        """A sequence with one quantizer step for all of it, 2 ** (index / 16) of a channel: for benchmarks."""
        return self._at(sequence, self._jobs(sequence, Goal()), lambda job: index)

    def _encode_tokens(self, sequence: PoseSequence, jobs: list[Job], levels: int) -> Encoded:
        """Tokens of so many levels, and nothing else."""
        self._check_tokens(sequence)
        index = qp_of_levels(self.tokenizer.checked_levels(levels))
        return self._pack(sequence, jobs, [Chunk(self._tokens_at(job, index)[0]) for job in jobs], None)

    def encode_tokens(self, sequence: PoseSequence, index: int, longest: int = LONGEST) -> Encoded:
        """Tokens alone with the step 2 ** (index / 16), as fine as some levels' or between.

        longest: frames of a window at most (but 31 are always allowed), for less delay: see README.
        """
        self._check_tokens(sequence)
        jobs = self._jobs(sequence, Goal())
        return self._pack(sequence, jobs, [Chunk(self._tokens_at(job, index, longest)[0]) for job in jobs], None)

    def _tokens_at(self, job: Job, index: int, longest: int = LONGEST) -> tuple[bytes, QuantizedMotion]:
        """A chunk's bytes and integers as tokens at the step of an index."""
        assert job.body is not None
        return self.tokenizer.encode(job.body, job.presence, job.up, job.unit, index, longest)

    def _encode_bounded(self, sequence: PoseSequence, jobs: list[Job], bound: float) -> Encoded:
        """The smallest chunks that keep every keypoint within the bound."""
        made, worst = [], 0.0
        for job in jobs:
            index = cheapest(
                partial(self._bounded_size, job, bound), job.index_of(bound / 2.5, self.tables), FIRST_QP, LAST_QP
            )
            found = [chunks.transformed(job, index, self.tables, bound), *self._parts_within(job, index, bound)]
            chunk = min(found, key=lambda one: (one.worst > bound, len(one.data)))
            made.append(Chunk(chunk.data))
            worst = max(worst, chunk.worst)
        if not worst <= bound:
            raise InputError(
                f"an error of {bound:g} is finer than the recording's own precision allows ({worst:g} was reached); "
                "use --lossless"
            )
        return self._pack(sequence, jobs, made, Guarantee("max-error", bound, min(worst / bound, 1.0)))

    def _bounded_size(self, job: Job, bound: float, index: int) -> float:
        """Bytes of a chunk that keeps the bound as far as float32 can; infinite where the step is too fine."""
        try:
            return len(chunks.transformed(job, index, self.tables, bound).data)
        except InputError:
            return math.inf

    def _parts_within(self, job: Job, index: int, bound: float) -> list[Made]:
        """The smallest chunk in parts that keeps the bound as far as float32 can; none where there are no parts."""
        if job.parts_plan(self.tables) is None:
            return []

        def size(level: int) -> float:
            try:
                return len(chunks.in_parts(job, level, self.tables, bound).data)
            except InputError:
                return math.inf

        best = cheapest(size, job.level_of(index, self.tables), -MAX_QP, MAX_QP)
        return [chunks.in_parts(job, best, self.tables, bound)] if math.isfinite(size(best)) else []

    def _encode_graded(self, sequence: PoseSequence, jobs: list[Job], goal: Goal) -> Encoded:
        """One step for all chunks, the coarsest that keeps a mean error or the finest of a rate; or the default quality."""
        if goal.kind == "quality" or not jobs:
            return self._at(sequence, jobs, self._quality)
        if goal.kind == "bitrate":
            return self._at_bitrate(sequence, jobs, goal.value)
        level = self._coarsest(jobs, goal.value)
        if level is None:
            raise InputError(f"a mean error of {goal.value:g} cannot be reached; use --lossless")
        gain = goal.value / max(self._mean_error(jobs, level), 1e-300)
        made = [self._smallest(job, job.index_at(level, self.tables), gain) for job in jobs]
        reached = sum(error for _, error in made) / max(sum(int(job.presence.mask.sum()) for job in jobs), 1)
        promise = Guarantee("mean-error", goal.value, min(reached / goal.value, 1.0))
        return self._pack(sequence, jobs, [chunk for chunk, _ in made], promise)

    def _quality(self, job: Job) -> int:
        """The step of the default quality: the expected one, unless it misses by far."""
        index = job.quality(self.tables)
        found = job.made(index, self.tables).total / max(int(job.presence.mask.sum()), 1)
        if found <= FAR_OFF * job.target:
            return index
        level = self._coarsest([job], job.target)
        if level is None:
            raise InputError("the default quality cannot be reached; use --lossless")
        return job.index_at(level, self.tables)

    def _coarsest(self, jobs: list[Job], error: float) -> int | None:
        """The largest step, as a QP, that keeps a mean error; None if none does."""
        start = qp_of_step(error * MEAN_STEPS)
        return largest_within(lambda level: self._mean_error(jobs, level), error, start, -MAX_QP, MAX_QP)

    def _at_bitrate(self, sequence: PoseSequence, jobs: list[Job], limit: float) -> Encoded:
        def coded(level: int, share: float = 0.0) -> Encoded:
            promise = Guarantee("bitrate", limit, share)
            return self._at(sequence, jobs, lambda job: job.index_at(level, self.tables), promise)

        def rate(level: int) -> float:
            try:
                return len(coded(level).data) * 8e-3 * sequence.rate / sequence.frames
            except TooFineError:
                return math.inf

        start = qp_of_step(jobs[0].target * MEAN_STEPS)
        finest = largest_within(lambda level: rate(-level), limit, -start, -MAX_QP, MAX_QP)
        if finest is None:
            raise InputError(f"{limit:g} kbit/s is less than the least that this recording takes; allow more")
        return coded(-finest, rate(-finest) / limit)

    def _mean_error(self, jobs: list[Job], level: int) -> float:
        """Of all keypoints at a step; infinite where that is too fine to be coded."""
        try:
            made = [job.made(job.index_at(level, self.tables), self.tables) for job in jobs]
        except TooFineError:
            return math.inf
        return sum(chunk.total for chunk in made) / max(sum(int(job.presence.mask.sum()) for job in jobs), 1)

    def _at(
        self, sequence: PoseSequence, jobs: list[Job], index: Callable[[Job], int], promise: Guarantee | None = None
    ) -> Encoded:
        """Every chunk at a step of its own, in the way that takes fewer bytes."""
        return self._pack(sequence, jobs, [self._smallest(job, index(job))[0] for job in jobs], promise)

    def _smallest(self, job: Job, index: int, gain: float = 1.0) -> tuple[Chunk, float]:
        """The smallest chunk that is as near as the transform with a step: that, tokens, or tokens and what they miss.

        gain: times the transform's error that is allowed: the same for all chunks, so that their mean is kept. Also
        returns the summed error.
        """
        made = job.made(index, self.tables)
        plain, allowed = (Chunk(made.data), made.total), max(gain, 1.0) * made.total
        if job.parts_plan(self.tables) is not None:
            return min((plain, *self._in_parts(job, index, allowed)), key=lambda found: found[0].size)
        if self.weights is None or index < TOKENS_FROM or not self._has_tokens(job):
            return plain
        others = [self._near_tokens(job, index, allowed, plain[0].size)]
        if index >= REFINED_FROM:
            others += [self._refined(job, index, allowed, levels) for levels in TOKEN_LEVELS]
        return min((plain, *(found for found in others if found)), key=lambda found: found[0].size)

    def _in_parts(self, job: Job, index: int, allowed: float) -> list[tuple[Chunk, float]]:
        """Chunks in parts whose summed error is allowed, from a step of the transform on."""
        level, size = job.level_of(index, self.tables), len(job.made(index, self.tables).data)
        try:
            for _ in range(2):
                made = job.made_in_parts(level, self.tables)
                if not min(made.total, allowed) > 0 or len(made.data) > HOPELESS_PARTS * size and made.total >= allowed:
                    break
                level += int(np.rint(np.clip(np.log(allowed / made.total) / SLOPE, -FARTHEST, FARTHEST)))
            for near in range(level + 2, level - AROUND - 1, -1):
                made = job.made_in_parts(near, self.tables)
                if made.total <= allowed:
                    return [(Chunk(made.data), made.total), *self._tokens_in_parts(job, near, made, allowed)]
        except InputError:
            pass
        return []

    def _tokens_in_parts(self, job: Job, level: int, made: Made, allowed: float) -> list[tuple[Chunk, float]]:
        """A chunk in parts as one by the transform at a QP, but with a body of tokens; none that is smaller."""
        plan = job.parts_plan(self.tables)
        assert plan is not None
        body = job.of_body(plan)
        index = body.index_at(level, self.tables)
        if self.weights is None or index < TOKENS_FROM or not self._has_tokens(body):
            return []
        try:
            alone = body.made(index, self.tables)
            found = self._near_tokens(body, index, alone.total, len(alone.data))
        except InputError:
            found = None
        if found is None:
            return []
        count = len(plan.parts.body)
        latents = self.tokenizer.read(found[0].base, len(job.points), count, job.unit)[1]
        decoded = chunks.recorded(self.tokenizer.decode(latents, job.up).astype(np.float64), body.skeleton)

        def write(encoder: RangeEncoder) -> Floats:
            stream.write(encoder, latents, self.tokenizer.tables, job.unit)
            return decoded

        for near in range(level, level - 3, -1):
            tried = chunks.in_parts(job, near, self.tables, write_body=write)
            if tried.total <= allowed:
                smaller = len(tried.data) + ID_BYTES < len(made.data)
                return [(Chunk(tried.data), tried.total)] if smaller else []
        return []

    def _near_tokens(self, job: Job, index: int, allowed: float, size: int) -> tuple[Chunk, float] | None:
        """The smallest tokens of less than a size whose summed error is allowed; None where there are none.

        The network, and torch, are asked only about tokens that are small enough.
        """

        @cache
        def made(step: int) -> tuple[bytes, QuantizedMotion, float]:
            data, latents = self._tokens_at(job, step)
            return data, latents, self._error_of(job, latents, network=False)

        step = int(np.clip(index, LATENT_FIRST, LATENT_LAST))
        for _ in range(3):
            off = max(made(step)[2], 1e-9)
            step = (
                int(np.clip(step + np.rint(np.log(allowed / off) / SLOPE), LATENT_FIRST, LATENT_LAST))
                if allowed
                else step
            )
        if len(made(step)[0]) > HOPELESS * size:
            return None
        for near in range(min(step + AROUND, LATENT_LAST), max(step - AROUND, LATENT_FIRST) - 1, -1):
            data, latents, off = made(near)
            if len(data) < size and off <= MOST_GAIN * allowed and (error := self._error_of(job, latents)) <= allowed:
                return Chunk(data), error
        return None

    def _error_of(self, job: Job, latents: QuantizedMotion, network: bool = True) -> float:
        """Summed distance of a chunk's keypoints from what tokens decode to, with or without the network."""
        body = self.tokenizer.decode(latents, job.up, network).astype(np.float64)
        return float(
            np.linalg.norm((job.points - chunks.recorded(body, job.skeleton))[job.presence.mask], axis=-1).sum()
        )

    def _has_tokens(self, job: Job) -> bool:
        return job.body is not None and job.body.shape[2] == self.tokenizer.dims

    def _refined(self, job: Job, index: int, allowed: float, levels: int) -> tuple[Chunk, float] | None:
        """Tokens, and the transform of what they miss; None where its summed error is not allowed."""
        data, latents = self._tokens_at(job, qp_of_levels(levels))
        guide = self.tokenizer.decode(latents, job.up).astype(np.float64)
        made = chunks.transformed(job, index, self.tables, guide=guide)
        return (Chunk(data, made.data), made.total) if made.total <= allowed else None

    def _jobs(self, sequence: PoseSequence, goal: Goal) -> list[Job]:
        """What is to be coded, chunk by chunk."""
        body = None if missing_for(sequence.skeleton, COCO19) else sequence.mapped_to(COCO19)
        up = sequence.up
        if up == "unknown":
            source = body or sequence
            up = guess_up(source.positions.reshape(-1, *source.positions.shape[2:]), source.skeleton)
        if goal.kind == "lossless":
            spans = [Track(p, 0, sequence.frames) for p in range(sequence.people) if sequence.frames]
        else:
            spans = [Track(*track) for track in find_tracks(sequence.valid)]
        return [Job.of(sequence, body, up, track, start, length) for track in spans for start, length in track.chunks]

    def _pack(self, sequence: PoseSequence, jobs: list[Job], made: list[Chunk], promise: Guarantee | None) -> Encoded:
        tracks = tuple(dict.fromkeys(job.track for job in jobs))
        kinds = {chunk.kind for chunk in made}
        up = jobs[0].up if jobs else sequence.up if sequence.up != "unknown" else "y"
        header = Header(
            self.weights.id if self.weights and any(chunk.needs_token_weights for chunk in made) else b"",
            self.transform_weights.id
            if kinds & {ChunkKind.TRANSFORM, ChunkKind.PARTS} or any(chunk.refinement for chunk in made)
            else b"",
            sequence.dims, sequence.unit, sequence.up, up, sequence.skeleton, sequence.fps, sequence.timestamps,
            sequence.frames, sequence.ids, tracks, dict(sequence.metadata), promise,
        )  # fmt: skip
        grids = tuple(
            self._grid_of(chunk.base, len(job.points), len(sequence.skeleton), sequence.unit)
            for job, chunk in zip(jobs, made, strict=True)
            if chunk.kind == ChunkKind.TOKENS
        )
        return Encoded(container.write(header, made), header, grids)

    def decode(self, source: Encoded | bytes | str | Path) -> PoseSequence:
        """The sequence in a file, with positions as near as it tells.

        Raises CorruptError if the file is damaged, WeightsError if it was encoded with other weights.
        """
        header, parts = self._opened(source)
        shape = (header.frames, len(header.ids), len(header.skeleton))
        places = [(track, *chunk) for track in header.tracks for chunk in track.chunks]
        exact = [part.base for part in parts if part.kind == ChunkKind.LOSSLESS]
        dtype = chunks.exact_dtype(exact[0]) if exact else np.dtype(np.float32)
        positions = np.full((*shape, header.dims), np.nan, dtype)
        confidence = np.zeros(shape, np.float32)
        for (track, start, length), part in zip(places, parts, strict=True):
            frames = slice(start, start + length)
            found = self._decoded(header, part, length)
            positions[frames, track.person], confidence[frames, track.person] = found
        try:
            return PoseSequence(
                positions, confidence, header.skeleton, header.fps, header.timestamps, header.unit, header.up,
                header.ids, header.metadata,
            )  # fmt: skip
        except InputError as error:
            raise CorruptError(f"the file holds what no recording can: {error}; get the file again") from error

    def tokenize(self, sequence: PoseSequence, levels: int | None = None) -> tuple[TokenGrid, ...]:
        """The token grids of a sequence, one per chunk; the weights' default levels if not told. Raises as `encode` does.

        `codec.tokenizer.vocabulary(levels).flatten(grids)` makes one line of integers of them.
        """
        return self.encode(sequence, self.tokenizer.checked_levels(levels)).tokens

    def detokenize(self, grids: Sequence[TokenGrid], fps: float = 30.0, size: float | None = None) -> PoseSequence:
        """What tokens alone say: one person per grid, starting at the origin, upright, facing +z, each from frame 0 on.

        size: of the bodies, summed length of the bones in mm; by default that of an average adult; in 2D the spread in px.
        Where they start, first heading and size are side information, which only a file has: decode that to get them.
        """
        dims, skeleton = self.tokenizer.dims, self.tokenizer.skeleton
        chosen = size or (self.tokenizer.usual_size if dims == 3 else 250.0)
        frames = max((grid.frames for grid in grids), default=0)
        positions = np.full((frames, len(grids), len(skeleton), dims), np.nan, np.float32)
        unit, up = ("mm", "y") if dims == 3 else ("px", "-y")
        for person, grid in enumerate(grids):
            latents = self.tokenizer.latents_of(grid, chosen)
            positions[: grid.frames, person] = self.tokenizer.decode(latents, up)
        return PoseSequence.from_arrays(positions, fps=fps, skeleton=skeleton, unit=unit, up=up)

    def tokenize_batch(
        self, sequences: Sequence[PoseSequence], levels: int | None = None
    ) -> list[tuple[TokenGrid, ...]]:
        """`tokenize` for several sequences, in order."""
        return [self.tokenize(sequence, levels) for sequence in sequences]

    def detokenize_batch(
        self, batch: Sequence[Sequence[TokenGrid]], fps: float = 30.0, size: float | None = None
    ) -> list[PoseSequence]:
        """`detokenize` for the grids of several sequences, in order."""
        return [self.detokenize(grids, fps, size) for grids in batch]

    def tokens(self, source: bytes | str | Path) -> tuple[TokenGrid, ...]:
        """The token grids of a file's chunks of tokens, without running the network. Raises as `decode` does."""
        header, parts = self._opened(source)
        lengths = [length for track in header.tracks for _, length in track.chunks]
        return tuple(
            self._grid_of(part.base, length, len(header.skeleton), header.unit)
            for length, part in zip(lengths, parts, strict=True)
            if part.kind == ChunkKind.TOKENS
        )

    def _grid_of(self, data: bytes, frames: int, keypoints: int, unit: str) -> TokenGrid:
        """The tokens of a chunk. Raises CorruptError."""
        return self.tokenizer.grid_of(self.tokenizer.read(data, frames, keypoints, unit)[1])

    def _decoded(self, header: Header, part: Chunk, length: int) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
        """Positions (T, K, D), NaN where missing, and confidences (T, K) of one chunk."""
        kind = part.kind
        if kind == ChunkKind.LOSSLESS:
            return chunks.inexact(part.base, header, length)
        if kind == ChunkKind.TRANSFORM:
            self._check_named(header.transform)
            points, presence = chunks.untransformed(part.base, header, length, self.tables)
            assert presence is not None
        elif kind == ChunkKind.PARTS:
            points, presence = self._decoded_parts(header, part.base, length)
        else:
            self._check_named(header.weights)
            if missing_for(header.skeleton, self.tokenizer.skeleton):
                raise CorruptError("tokens of keypoints that the file's weights cannot code; get the file again")
            presence, latents = self.tokenizer.read(part.base, length, len(header.skeleton), header.unit)
            body = self.tokenizer.decode(latents, header.coded_up)
            points = chunks.recorded(body.astype(np.float64), header.skeleton)
            if part.refinement:
                self._check_named(header.transform)
                guide = body.astype(np.float64)
                points, _ = chunks.untransformed(part.refinement, header, length, self.tables, guide)
        with np.errstate(over="ignore"):
            return np.where(presence.mask[..., None], points, np.nan).astype(np.float32), presence.confidences()

    def _decoded_parts(self, header: Header, data: bytes, length: int) -> tuple[Floats, presence.Presence]:
        """Keypoints (T, K, D), none missing, and what is there, of a chunk in parts."""

        def read(decoder: RangeDecoder, skeleton: Skeleton) -> Floats:
            latents = stream.read(decoder, length, self.tokenizer.tables, header.unit)
            return chunks.recorded(self.tokenizer.decode(latents, header.coded_up).astype(np.float64), skeleton)

        self._check_named(header.transform)
        if not needs_token_weights(data):
            return chunks.from_parts(data, header, length, self.tables)
        self._check_named(header.weights)
        return chunks.from_parts(data, header, length, self.tables, read)

    @staticmethod
    def _check_named(name: bytes) -> None:
        if not name:
            raise CorruptError("a chunk that needs weights which the file does not name; get the file again")

    def _opened(self, source: Encoded | bytes | str | Path) -> tuple[Header, list[Chunk]]:
        data = source.data if isinstance(source, Encoded) else source
        header, parts = container.read(data if isinstance(data, bytes) else read_file(data))
        for named, ours in ((header.weights, self.weights), (header.transform, self.transform_weights)):
            if named and ours is None:
                raise WeightsError(f"the file was encoded with weights {named.hex()}; pass them with -m")
            if named and ours is not None and named != ours.id:
                raise WeightsError(
                    f"the file was encoded with weights {named.hex()}, these are {ours.sha256[:8]} "
                    f"({ours.name}); pass the right ones with -m"
                )
        whole = not missing_for(header.skeleton, self.tokenizer.skeleton) if header.weights else True
        if header.weights and (header.dims != self.tokenizer.dims or not whole and Parts.of(header.skeleton) is None):
            raise CorruptError("the file's keypoints are none that its weights can code; get the file again")
        return header, parts

    def _check_tokens(self, sequence: PoseSequence) -> None:
        dims, skeleton, name = self.tokenizer.dims, self.tokenizer.skeleton, self.tokenizer.weights.name
        if sequence.dims != dims:
            raise InputError(f"{name} codes {dims}D, this is {sequence.dims}D; choose with -m")
        lost = missing_for(sequence.skeleton, skeleton)
        if lost:
            raise InputError(
                f"{name} cannot code {len(lost)} of the keypoints of {sequence.skeleton.name!r} "
                f"({', '.join(lost[:4])}{', ...' if len(lost) > 4 else ''}); leave --levels out, or pass --skeleton "
                f"{skeleton.name} to keep only those that it can"
            )


def weights_for(header: Header) -> str | None:
    """The built-in token weights that a file names, None if none. Raises WeightsError that tells its hash and theirs."""
    if not header.weights:
        return None
    hashes = {name: str(zoo.read_card(zoo.find_weights(name)).get("sha256", "")) for name in zoo.list_weights()}
    for name, digest in hashes.items():
        if digest[:8] == header.weights.hex():
            return name
    known = ", ".join(f"{name} is {digest[:8]}" for name, digest in hashes.items())
    raise WeightsError(f"the file was encoded with weights {header.weights.hex()}; {known}; give its own with -m PATH")
