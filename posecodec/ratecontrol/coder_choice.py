"""Which coder and which step for every chunk: the smallest bytes that keep what was asked for.

Only the encoder needs this; whatever it chooses, the decoder understands. What it tries and where is in `constants`, how it
searches in `search`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from posecodec.analysis.verification import checksum
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.guarantee import Guarantee
from posecodec.bitstream.known_weights import NAME_BYTES
from posecodec.coders.chunk import Candidate, ChunkInput
from posecodec.coders.predictive.price import estimate_size
from posecodec.coders.registry import ChunkCoder, Coders
from posecodec.coders.transform.block_coder import TooFineError
from posecodec.entropy.float_grids import is_on_grid
from posecodec.errors import InputError
from posecodec.parallel.forks import map_in_order
from posecodec.pose.sequence import PoseSequence
from posecodec.ratecontrol import constants
from posecodec.ratecontrol.search import largest_satisfying, minimize
from posecodec.ratecontrol.target import Target
from posecodec.signal.quantization import MAX_QP, qp_of_step


class Choice(NamedTuple):
    """The chunks of a file in order, and what they keep. mean_error, max_error: over all keypoints, in the recording's unit,
    as decoders will have them; None where it was not measured (tokens), or where there are no keypoints."""

    chunks: list[Chunk]
    guarantee: Guarantee | None = None
    mean_error: float | None = None
    max_error: float | None = None


FileSize = Callable[[list[Chunk], Guarantee | None], int]  # Bytes of the whole file with such chunks


class RateControl:
    """Chooses among the coders of one codec. jobs: chunks that are worked on at once. forks: in copies of this process."""

    def __init__(self, coders: Coders, jobs: int = 1, forks: bool = False) -> None:
        self.coders, self.jobs, self.forks = coders, jobs, forks

    def choose(self, sequence: PoseSequence, chunks: list[ChunkInput], target: Target, file_size: FileSize) -> Choice:
        """The chunks of a sequence as a target asks. Raises InputError where that cannot be reached."""
        match target.kind:
            case "levels":
                return Choice(self.choose_levels(sequence, chunks, int(target.value)))
            case "max-error":
                return self._choose_bounded(chunks, target.value)
            case "mean-error":
                return self._choose_mean(chunks, target.value)
            case "bitrate":
                return self._choose_bitrate(sequence, chunks, target.value, file_size)
            case "lossless":
                exact = self._choose_each(chunks, self.coders.lossless.encode)
                return _conclude(chunks, exact, Guarantee("lossless", checksum(sequence), 0.0))
        chosen = self._choose_each(chunks, lambda chunk: self.choose_smallest(chunk, self._default_qp(chunk)))
        return _conclude(chunks, chosen, None)

    def _choose_each(
        self, chunks: Sequence[ChunkInput], choose: Callable[[ChunkInput], Candidate], is_last: bool = True
    ) -> list[Candidate]:
        """A candidate for each chunk. What was worked out about it is let go, but candidates only where no more is asked."""

        def choose_and_forget(chunk: ChunkInput) -> Candidate:
            chosen = choose(chunk)
            if is_last:
                chunk.memo.clear()
            elif _is_long(chunks):
                chunk.memo.forget()
            return chosen

        return list(
            map_in_order(choose_and_forget, chunks, self.jobs if len(chunks) > 1 else 1, self.forks and is_last)
        )

    def choose_levels(self, sequence: PoseSequence, chunks: list[ChunkInput], levels: int) -> list[Chunk]:
        """Tokens of so many levels, and nothing else."""
        self.coders.tokens.check_sequence(sequence)
        return [self.coders.tokens.encode_levels(chunk, levels) for chunk in chunks]

    def choose_smallest(self, chunk: ChunkInput, qp: int, gain: float = 1.0) -> Candidate:
        """The smallest candidate that is as near as the transform at a QP, by whatever coder.

        gain: times the transform's error that is allowed: the same for all chunks, so that their mean is kept.
        """
        plain = self.coders.transform.encode(chunk, qp)
        allowed = max(gain, 1.0) * plain.total_error
        return min((plain, *self._alternatives(chunk, qp, plain, allowed)), key=lambda candidate: candidate.size)

    def _choose_bounded(self, chunks: list[ChunkInput], bound: float) -> Choice:
        within = _round_down(bound)
        usual = self._find_usual(chunks, within)
        chosen = self._choose_each(chunks, lambda chunk: self._smallest_within(chunk, within, usual))
        worst = max((candidate.max_error for candidate in chosen), default=0.0)
        if not worst <= bound:
            raise InputError(
                f"an error of {bound:g} is finer than the recording's own precision allows ({worst:g} was reached); "
                "use --lossless"
            )
        kept = Guarantee("max-error", float(bound), min(worst / bound, 1.0))
        return _conclude(chunks, chosen, kept)

    def _smallest_within(self, chunk: ChunkInput, bound: float, usual: Mapping[ChunkKind, int]) -> Candidate:
        """The smallest candidate that keeps a bound as far as float32 can. usual: `_find_usual`."""
        found = self._search_bounded(chunk, bound, usual)
        candidates = [coder.encode(chunk, qp, max_error=bound) for coder, _, qp in found]
        if is_on_grid(chunk.points if chunk.recorded is None else chunk.recorded, bound):
            candidates.append(self.coders.lossless.encode_beside(chunk))
        return min(candidates, key=lambda candidate: (candidate.max_error > bound, candidate.size))

    def _find_usual(self, chunks: Sequence[ChunkInput], bound: float) -> Mapping[ChunkKind, int]:
        """QPs from where searches begin to what they find, by kind, as some chunks of a long recording have them."""
        moved: dict[ChunkKind, list[int]] = {}
        for chunk in _take_some(chunks, constants.BOUND_SAMPLES) if _is_long(chunks) else ():
            for coder, start, qp in self._search_bounded(chunk, bound, {}):
                moved.setdefault(coder.kind, []).append(qp - start)
            chunk.memo.forget()
        return {kind: sorted(several)[len(several) // 2] for kind, several in moved.items()}

    def _search_bounded(
        self, chunk: ChunkInput, bound: float, usual: Mapping[ChunkKind, int]
    ) -> list[tuple[ChunkCoder, int, int]]:
        """Each coder that keeps a bound, the QP that its search began at, and the one that is cheapest."""
        transform, parts = self.coders.transform, self.coders.body_parts
        start = self._guess_bounded(chunk, bound)
        first = _bounded_size(transform, chunk, bound, start)
        found = self._try_predictive(chunk, bound, first)
        if found and found[0][0].encode(chunk, 0, max_error=bound).size < constants.MAX_SURE_RATIO * first:
            return found
        strides = constants.GENERIC_BOUND_STRIDES if transform.is_generic(chunk) else constants.BOUND_STRIDES
        qp = _cheapest_qp(transform, chunk, bound, start, usual, strides)
        found.append((transform, start, qp))
        if parts.supports(chunk):
            start = transform.to_absolute_qp(chunk, qp)
            qp = _cheapest_qp(parts, chunk, bound, start, usual, constants.BOUND_STRIDES)
            if math.isfinite(_bounded_size(parts, chunk, bound, qp)):
                found.append((parts, start, qp))
        return found

    def _guess_bounded(self, chunk: ChunkInput, bound: float) -> int:
        """The transform's QP at which a bound is expected to be cheapest."""
        transform = self.coders.transform
        qp = transform.qp_for_error(chunk, bound / constants.BOUND_IN_MEAN_ERRORS)
        if transform.is_generic(chunk):
            moved = qp + constants.GENERIC_BOUND_SHIFT
        else:
            moved = qp + round(constants.BOUND_SHIFT + constants.BOUND_SLOPE * qp)
        return min(max(moved, transform.qp_range.start), transform.qp_range.stop - 1)

    def _try_predictive(self, chunk: ChunkInput, bound: float, size: float) -> list[tuple[ChunkCoder, int, int]]:
        """The frame-by-frame coder, where it may take fewer bytes than a size and keeps the bound."""
        predictive = self.coders.predictive
        if estimate_size(chunk.points, bound) > constants.MAX_PREDICTIVE_PRICE * size:
            return []
        try:
            return [(predictive, 0, 0)] if predictive.encode(chunk, max_error=bound).max_error <= bound else []
        except InputError:
            return []

    def _choose_mean(self, chunks: list[ChunkInput], error: float) -> Choice:
        """One step for all chunks, the coarsest that keeps a mean error."""
        aim = error * constants.SUM_ROUNDING
        if (absolute_qp := self._coarsest_qp(chunks, aim)) is None:
            raise InputError(f"a mean error of {error:g} cannot be reached; use --lossless")
        gain = aim / max(self._mean_error(absolute_qp, chunks), 1e-300)
        chosen = self._choose_at(chunks, absolute_qp, gain)
        reached = sum(candidate.total_error for candidate in chosen) / _count(chunks)
        return _conclude(chunks, chosen, Guarantee("mean-error", error, min(reached / error, 1.0)))

    def _choose_at(
        self, chunks: Sequence[ChunkInput], absolute_qp: int, gain: float = 1.0, is_last: bool = True
    ) -> list[Candidate]:
        """The smallest candidate of each chunk at the step of an absolute QP."""

        def choose(chunk: ChunkInput) -> Candidate:
            qp = self.coders.transform.qp_in_basis(chunk, absolute_qp)
            return chunk.memo.recall(("smallest", qp, gain), lambda: self.choose_smallest(chunk, qp, gain))

        return self._choose_each(chunks, choose, is_last)

    def _choose_bitrate(
        self, sequence: PoseSequence, chunks: list[ChunkInput], limit: float, file_size: FileSize
    ) -> Choice:
        """One step for all chunks, the finest whose file is within a rate in kbit/s."""

        def measure_rate(fineness: int, some: Sequence[ChunkInput] = chunks) -> float:
            try:
                coded = _take_chunks(self._choose_at(some, -fineness, is_last=False))
            except TooFineError:
                return math.inf
            whole = len(some) == len(chunks)
            share = sum(len(chunk.points) for chunk in some) / max(sum(len(chunk.points) for chunk in chunks), 1)
            size = file_size(coded, kept) if whole else sum(chunk.size for chunk in coded) / share
            return size * 8e-3 * sequence.rate / max(sequence.frames, 1)

        kept = Guarantee("bitrate", limit, 0.0)
        start = -qp_of_step(chunks[0].default_error * constants.STEPS_IN_MEAN_ERROR) if chunks else 0
        finest = _search_sampled(measure_rate, chunks, limit, start)
        if finest is None:
            least = measure_rate(-MAX_QP)
            raise InputError(f"{limit:g} kbit/s is less than the least that this recording takes, about {least:.3g}")
        reached = measure_rate(finest)
        return _conclude(chunks, self._choose_at(chunks, -finest), Guarantee("bitrate", limit, reached / limit))

    def _default_qp(self, chunk: ChunkInput) -> int:
        """The transform's QP of the default quality: the expected one, unless it misses by far."""
        transform = self.coders.transform
        qp = transform.default_qp(chunk)
        error = transform.encode(chunk, qp).total_error / max(chunk.count, 1)
        allowed = constants.MAX_DEFAULT_MISS if chunk.is_person else constants.MAX_UNKNOWN_MISS
        if error <= allowed * chunk.default_error:
            return qp
        if (absolute_qp := self._coarsest_qp([chunk], chunk.default_error)) is None:
            raise InputError("the default quality cannot be reached; use --lossless")
        return transform.qp_in_basis(chunk, absolute_qp)

    def _coarsest_qp(self, chunks: list[ChunkInput], error: float) -> int | None:
        """The largest absolute QP of the transform that keeps a mean error; None if none does."""
        start = qp_of_step(error * constants.STEPS_IN_MEAN_ERROR)
        return _search_sampled(self._mean_error, chunks, error, start)

    def _mean_error(self, absolute_qp: int, some: Sequence[ChunkInput]) -> float:
        """Of all keypoints, by the transform; infinite where the step is too fine to be coded."""
        transform = self.coders.transform
        try:
            tried = self._choose_each(
                some, lambda chunk: transform.encode(chunk, transform.qp_in_basis(chunk, absolute_qp)), False
            )
        except TooFineError:
            return math.inf
        return sum(candidate.total_error for candidate in tried) / _count(some)

    def _alternatives(self, chunk: ChunkInput, qp: int, plain: Candidate, allowed: float) -> Iterator[Candidate]:
        """Candidates of other coders than the transform whose summed error is allowed."""
        windows, parts = self.coders.windows, self.coders.body_parts
        if parts.supports(chunk):
            yield from self._in_parts(chunk, qp, plain, allowed)
            return
        if qp < constants.WINDOWS_FROM_QP or plain.size > constants.WINDOWS_BYTES or not windows.supports(chunk):
            return
        if (windows_qp := self._near_windows(chunk, qp, allowed, plain.size)) is not None:
            yield windows.encode(chunk, windows_qp)
        if qp >= constants.REFINED_FROM_QP:
            refined = (windows.encode_refined(chunk, coarse, qp) for coarse in constants.REFINED_QPS)
            yield from (candidate for candidate in refined if candidate.total_error <= allowed)

    def _near_windows(self, chunk: ChunkInput, qp: int, allowed: float, size: int) -> int | None:
        """The QP of the smallest windows of less than a size whose summed error is allowed; None where there are none."""
        windows = self.coders.windows
        first, last = windows.qp_range.start, windows.qp_range.stop - 1
        near = int(np.clip(qp, first, last))
        for _ in range(constants.EXPECTED_QP_ROUNDS):
            error = max(windows.encode(chunk, near).total_error, 1e-9)
            if allowed:
                near = int(np.clip(near + np.rint(np.log(allowed / error) / constants.LOG_ERROR_PER_QP), first, last))
        if windows.encode(chunk, near).size > constants.MAX_WINDOWS_RATIO * size:
            return None
        tried = range(max(near - constants.SEARCH_RADIUS, first), min(near + constants.SEARCH_RADIUS, last) + 1)
        found = largest_satisfying(
            lambda qp: windows.encode(chunk, qp).total_error, allowed, near, tried, first_stride=1
        )
        if found is None:
            return None
        beyond = (found + 3, found + 2)  # errors do not rise strictly
        fits = (qp for qp in beyond if qp in tried and windows.encode(chunk, qp).total_error <= allowed)
        best = next(fits, found)
        return best if windows.encode(chunk, best).size < size else None

    def _in_parts(self, chunk: ChunkInput, qp: int, plain: Candidate, allowed: float) -> list[Candidate]:
        """Chunks in parts whose summed error is allowed, from a QP of the transform on."""
        parts, near = self.coders.body_parts, self.coders.transform.to_absolute_qp(chunk, qp)
        try:
            for _ in range(constants.EXPECTED_PARTS_ROUNDS):
                found = parts.encode(chunk, near)
                hopeless = found.size > constants.MAX_PARTS_RATIO * plain.size and found.total_error >= allowed
                if not min(found.total_error, allowed) > 0 or hopeless:
                    break
                jump = np.log(allowed / found.total_error) / constants.LOG_ERROR_PER_QP
                near += int(np.rint(np.clip(jump, -constants.MAX_QP_JUMP, constants.MAX_QP_JUMP)))
            for tried in range(near + constants.EXTRA_TRIALS, near - constants.SEARCH_RADIUS - 1, -1):
                found = parts.encode(chunk, tried)
                if found.total_error <= allowed:
                    return [found, *self._windows_in_parts(chunk, tried, found, allowed)]
        except InputError:
            pass
        return []

    def _windows_in_parts(self, chunk: ChunkInput, qp: int, found: Candidate, allowed: float) -> Iterator[Candidate]:
        """A chunk in parts as one by the transform, but with a body of windows; none that is not smaller."""
        parts, transform = self.coders.body_parts, self.coders.transform
        body = parts.body_chunk(chunk)
        body_qp = transform.qp_in_basis(body, qp)
        if body_qp < constants.WINDOWS_FROM_QP or not self.coders.windows.supports(body):
            return
        try:
            alone = transform.encode(body, body_qp)
            if alone.size > constants.WINDOWS_BYTES:
                return
            windows_qp = self._near_windows(body, body_qp, alone.total_error, alone.size)
        except InputError:
            return
        for tried in range(qp, qp - constants.WINDOWS_BODY_QPS, -1) if windows_qp is not None else ():
            candidate = parts.encode(chunk, tried, windows_qp=windows_qp)
            if candidate.total_error <= allowed:
                if candidate.size + NAME_BYTES < found.size:
                    yield candidate
                return


def _search_sampled(
    measure: Callable[[int, Sequence[ChunkInput]], float], chunks: Sequence[ChunkInput], limit: float, start: int
) -> int | None:
    """The largest QP whose measure over all chunks is at most a limit: begun where it is so over some of them."""
    candidates = range(-MAX_QP, MAX_QP + 1)
    if not _is_long(chunks):
        return largest_satisfying(lambda qp: measure(qp, chunks), limit, start, candidates)
    some = _take_some(chunks, constants.SAMPLED_CHUNKS)
    near = largest_satisfying(lambda qp: measure(qp, some), limit, start, candidates)
    for chunk in some:
        chunk.memo.forget()
    start = start if near is None else near
    return largest_satisfying(lambda qp: measure(qp, chunks), limit, start, candidates, first_stride=1)


def _is_long(chunks: Sequence[ChunkInput]) -> bool:
    """Whether there are so many that some of them tell what to expect of the others."""
    return len(chunks) > constants.SAMPLED_CHUNKS


def _take_some(chunks: Sequence[ChunkInput], count: int) -> Sequence[ChunkInput]:
    """At most so many, evenly spread."""
    return chunks[:: -(-len(chunks) // count)]


def _conclude(chunks: Sequence[ChunkInput], chosen: Sequence[Candidate], kept: Guarantee | None) -> Choice:
    count = sum(chunk.count for chunk in chunks)
    if not count:
        return Choice(_take_chunks(chosen), kept)
    total, worst = sum(one.total_error for one in chosen), max(one.max_error for one in chosen)
    return Choice(_take_chunks(chosen), kept, total / count, worst)


def _take_chunks(chosen: Sequence[Candidate]) -> list[Chunk]:
    return [candidate.chunk for candidate in chosen]


def _round_down(bound: float) -> float:
    """The largest float32 that is no more than a bound, as chunks hold it."""
    nearest = np.float32(bound)
    return float(nearest if nearest <= bound else np.nextafter(nearest, np.float32(0))) or float(nearest)


def _cheapest_qp(
    coder: ChunkCoder, chunk: ChunkInput, bound: float, start: int, usual: Mapping[ChunkKind, int],
    strides: Sequence[int],
) -> int:  # fmt: skip
    """The QP of the smallest chunk that keeps a bound: near where it usually is, if that is known, else anywhere."""
    size = partial(_bounded_size, coder, chunk, bound)
    if coder.kind in usual:
        return minimize(size, start + usual[coder.kind], coder.qp_range, strides[-1:])
    return minimize(size, start, coder.qp_range, strides)


def _bounded_size(coder: ChunkCoder, chunk: ChunkInput, bound: float, qp: int) -> float:
    """Bytes of a chunk that keeps the bound as far as float32 can; infinite where the step is too fine."""
    try:
        return coder.encode(chunk, qp, max_error=bound).size
    except InputError:
        return math.inf


def _count(chunks: Sequence[ChunkInput]) -> int:
    """Keypoints in all chunks, at least 1."""
    return max(sum(chunk.count for chunk in chunks), 1)
