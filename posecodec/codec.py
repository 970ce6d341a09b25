"""The codec, whole: a PoseSequence to bytes and back, in mirrored steps.

    encode: sequence -> split into chunks -> rate control tries the coders -> container -> bytes
    decode: bytes -> container -> weights checked -> each chunk by the coder of its kind -> assembled sequence

Who works out a chunk is in `coders`, who chooses among them in `ratecontrol`, what a file looks like in `bitstream`.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posecodec import legacy, zoo
from posecodec.analysis.denoising import remove_noise
from posecodec.bitstream import container
from posecodec.bitstream.container import Chunk, Loss, PosecFile
from posecodec.bitstream.guarantee import Guarantee
from posecodec.bitstream.header import Header, Track
from posecodec.coders.chunk import (
    ChunkContext,
    ChunkInput,
    DecodedChunk,
    assemble_sequence,
    find_origin,
    split_sequence,
)
from posecodec.coders.lossless import cover_missing
from posecodec.coders.registry import build_coders
from posecodec.coders.tokens.grid import TokenGrid
from posecodec.coders.windows.lengths import LONGEST
from posecodec.errors import CorruptError, InputError, UsageError, report_change
from posecodec.io.filesystem import check_path, write_atomic
from posecodec.io.registry import refuse_pose_suffix
from posecodec.parallel.forks import map_in_order
from posecodec.pose.channels import DEFAULT_BOUND, ChannelBound, limit_channels
from posecodec.pose.choosing import Choice as People
from posecodec.pose.choosing import find_places
from posecodec.pose.sequence import PoseSequence, mean_rate
from posecodec.ratecontrol.coder_choice import Choice, RateControl
from posecodec.ratecontrol.precision import needs_wide
from posecodec.ratecontrol.target import ERRORS, Target, parse_noise
from posecodec.zoo import Weights

if TYPE_CHECKING:
    from posecodec.coders.gap_filling import BodyModel
    from posecodec.coders.tokens.interface import AnyTokenizer
else:
    __getattr__ = legacy.find_renamed(__name__)

Source = bytes | str | Path | PosecFile  # A `.posec` file: its bytes, its path or URL, or opened already
ALL = slice(None)
KEPT_NOISE = 0.28  # Mean error, in the jitter of a keypoint, below which no bits are spent (log of 2026-11-27)


@dataclass(frozen=True)
class FileReport:
    """What a file costs, and what was lost. bits_per_frame, kbit_per_s: of a person. Errors in `unit`, see `Encoded`."""

    bytes: int
    bits_per_frame: float
    kbit_per_s: float
    unit: str
    mean_error: float | None
    max_error: float | None
    people: int = 1

    def __str__(self) -> str:
        each = " a person" if self.people > 1 else ""
        text = f"{self.bytes:,} bytes, {self.bits_per_frame:.2f} bits/frame, {self.kbit_per_s:.3f} kbit/s{each}"
        if self.mean_error is None:
            return text
        return f"{text}, error {self.mean_error:.3g} mean / {self.max_error:.3g} max {self.unit}"


@dataclass(frozen=True, eq=False, repr=False)
class Encoded:
    """A `.posec` file in memory.

    tokens: one grid per chunk of tokens, in the order of the file. noise: standard deviation of the jitter that was taken off
    before, in the recording's unit. mean_error, max_error: over all keypoints as they are decoded, in that unit; None where
    it was not measured (tokens, noise taken off) or nobody is there.
    """

    data: bytes = field(repr=False)
    header: Header
    tokens: tuple[TokenGrid, ...] = field(repr=False)
    noise: float = field(default=0.0, repr=False)
    mean_error: float | None = None
    max_error: float | None = None

    def __repr__(self) -> str:
        return f"Encoded({self.report})"

    def _repr_html_(self) -> str:
        """What it decodes to, as a page for notebooks."""
        from posecodec.view.notebook import render_cell

        weights = zoo.find_named(self.header.weights)
        return render_cell(PoseCodec.from_pretrained(weights).decode(self), str(self.report))

    @property
    def report(self) -> FileReport:
        """Bytes, bits and error, without decoding."""
        header = self.header
        bits = 8 * len(self.data) / max(header.frames * len(header.ids), 1)
        rate = bits * mean_rate(header.fps, header.timestamps) / 1000
        people = len(header.ids)
        return FileReport(len(self.data), bits, rate, header.unit, self.mean_error, self.max_error, people)

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        return self.data

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write the file, aside and then moved into place.

        Raises UsageError if it exists, without `force`, or is called as a file of another format.
        """
        check_path(path, "write to_bytes() yourself")
        refuse_pose_suffix(Path(path))
        write_atomic(path, self.data, force)


class PoseCodec:
    """Weights of windows or tokens (or none) and the transform's tables, ready to encode and decode.

    >>> from posecodec.pose.synthetic import walk
    >>> codec = PoseCodec()
    >>> codec.decode(codec.encode(walk(30), max_error=5)).frames
    30
    """

    def __init__(
        self, weights: Weights | None = None, device: str = "cpu", jobs: int = 1, forks: bool = False
    ) -> None:  # fmt: skip
        self.weights, self.device, self.jobs, self.forks = weights, device, jobs, forks
        self.coders = build_coders(weights, device)
        self.rate_control = RateControl(self.coders, jobs, forks)
        self._body_models: dict[str, BodyModel] = {}  # That fill gaps, by the hash of their weights

    @staticmethod
    def from_pretrained(
        name: str | Path | None, device: str = "cpu", jobs: int = 1, forks: bool = False
    ) -> PoseCodec:  # fmt: skip
        """Weights of windows or tokens by built-in name or path; None for the transform alone. Raises WeightsError.

        jobs: threads in which chunks, 1024 frames of a person each, are coded; the bytes are the same for any number.
        forks: instead in copies of this process, which are faster, while it has one thread (`posecodec.parallel.forks`).
        Warns where the weights may not be used commercially.
        """
        weights = None if name is None else zoo.read_weights(name)
        licence = str(weights.settings.get("licence", "")) if weights else ""
        if "NC" in licence:
            warnings.warn(f"weights {name} are licensed {licence}; those without -nc are free", stacklevel=2)
        return PoseCodec(weights, device, jobs, forks)

    @property
    def tokenizer(self) -> AnyTokenizer:
        """Tables and network of tokens, loaded when first used. Raises WeightsError where there are no token weights."""
        return self.coders.tokens.tokenizer

    def encode(
        self, sequence: PoseSequence, target: Target | int | None = None, *, levels: int | None = None,
        max_error: float | str | None = None, mean_error: float | str | None = None, bitrate: float | None = None,
        lossless: bool = False, channel_error: float | str | None = None, denoise: float | str | None = None,
    ) -> Encoded:  # fmt: skip
        """A sequence as a file. At most one of the options; without any, a mean error of about 1 % of a body's height.

        levels: of tokens, 1..Q, and nothing but tokens. max_error: no keypoint farther off, in the recording's unit or as
        "5mm"; measured on what the decoder gives, and corrected. mean_error: of all keypoints. bitrate: kbit/s of the
        file. lossless: every bit of positions and confidences. target: the same as one value; a whole number is levels.
        channel_error: how far channels (`pose.channels`) may be off, such as "1%" of each one's range, "0.1deg,5N" or "0";
        0.2 % unless told, 0 where it is lossless.
        denoise: take jitter off first, of that standard deviation of a coordinate, or "auto"; then, unless `bitrate` is
        given, what is left is kept to a quarter of it in the mean, and the file promises no error.
        Raises InputError if the weights cannot code the keypoints or a goal cannot be reached, UsageError if options
        contradict each other.
        """
        given = {"levels": levels, "max_error": max_error, "mean_error": mean_error, "bitrate": bitrate}
        more = [name for name, value in given.items() if value is not None] + ["lossless"] * lossless
        if target is not None and more:
            raise UsageError(f"target and {' and '.join(more)} at once; ask for one of them")
        if not isinstance(target, Target):
            target = Target.from_options(levels if target is None else target, max_error, mean_error, bitrate, lossless)
        bound = DEFAULT_BOUND if target.kind != "lossless" else 0
        bounds = ChannelBound.parse(bound if channel_error is None else channel_error)
        sequence = replace(sequence, metadata=limit_channels(sequence.metadata, bounds))
        if denoise is not None:
            return self._encode_denoised(sequence, target, parse_noise(denoise, target, sequence.unit))
        return self._encode_sequence(sequence, target)

    def _encode_denoised(self, sequence: PoseSequence, target: Target, noise: float | None) -> Encoded:
        found = remove_noise(sequence, noise)
        if target.kind == "quality" and found.noise:
            target = Target("mean-error", KEPT_NOISE * found.noise * math.sqrt(sequence.dims))
        coded = self._encode_sequence(found.sequence, target, promises=target.kind == "bitrate")
        return replace(coded, noise=found.noise, mean_error=None, max_error=None)  # these are of what was left

    def _encode_sequence(self, sequence: PoseSequence, asked: Target, promises: bool = True) -> Encoded:
        """The smallest file that keeps a target, wide if need be. promises: whether it says so."""
        said, asked = asked.unit, asked.in_unit(sequence.unit)
        chunks = split_sequence(sequence, whole=asked.kind == "lossless")
        if asked.kind in ERRORS and chunks and asked.value > (height := max(chunk.height for chunk in chunks)):
            report_change(
                f"an error of {asked.value:g} {sequence.unit} is more than what is recorded is high ({height:.3g}); "
                + (
                    "check the unit of the recording"
                    if said
                    else "say the unit of the error, such as 5mm, and check that of the recording"
                )
            )
        if not needs_wide(sequence, chunks, asked):
            try:
                return self._encode_chunks(sequence, chunks, asked, promises)
            except InputError:
                if asked.kind not in ERRORS:
                    raise
        return self._encode_chunks(sequence, split_sequence(sequence, origin=find_origin(sequence)), asked, promises)

    def _encode_chunks(
        self, sequence: PoseSequence, chunks: list[ChunkInput], target: Target, promises: bool
    ) -> Encoded:  # fmt: skip
        """The smallest file of chunks that keeps a target in the recording's unit. Raises InputError where none does."""

        def file_size(coded: list[Chunk], guarantee: Guarantee | None) -> int:
            return len(_write(self._build_header(sequence, chunks, Choice(coded, guarantee)), coded)[0])

        choice = self.rate_control.choose(sequence, chunks, target, file_size)
        return self._pack(sequence, chunks, choice if promises else choice._replace(guarantee=None))

    def decode(
        self, source: Encoded | Source, fill: bool | str | Path = False, *, frames: slice | range = ALL,
        people: People | None = None, lost: list[Loss] | None = None,
    ) -> PoseSequence:  # fmt: skip
        """The sequence in a file, with positions as near as it tells. fill: as `fill_gaps` of it, also with weights.

        frames, people: only these frames, and people by their ids or numbers, as `PoseSequence.select` takes them, in this
        order; no more than what they need is read. Metadata are those of `posecodec.pose.cutting`.
        lost: gets what is damaged, which is then missing (NaN, confidence 0), instead of a CorruptError.
        Raises CorruptError if what is read of the file is damaged, WeightsError if it was encoded with other weights,
        UsageError if there are no such frames or people, InputError if it cannot be read.
        """
        with _open_posec(source) as file:
            ids = file.header.ids
            chosen = None if people is None else [ids[place] for place in find_places(people, ids, "person")]
            header, span, numbers = file.header.cut(_to_slice(frames), chosen)
            if header is file.header and lost is None:
                file.check_length()
            sequence = assemble_sequence(header, self._decode_chunks(file, span, numbers, lost), file.size)
        return sequence if fill is False else self.fill_gaps(sequence, None if fill is True else fill)

    def _decode_chunks(
        self, file: PosecFile, frames: range, people: Sequence[int], lost: list[Loss] | None
    ) -> Iterator[tuple[Track, DecodedChunk]]:
        """The chunks that have something of some frames and people, each with its place among these."""
        places, header = {person: number for number, person in enumerate(people)}, file.header
        coders = self.coders.suit(header)
        coders.check_weights(header, [])
        wanted = [i for i, span in enumerate(file.spans) if span.person in places and span.clip(frames).length]

        def decode(found: tuple[int, Chunk]) -> tuple[Track, DecodedChunk] | Loss:
            number, chunk = found
            span = file.spans[number]
            try:
                coders.check_weights(header, [chunk])
                context = ChunkContext.from_header(header, span.length)
                decoded = coders.by_kind[chunk.kind].decode(chunk, context)
            except CorruptError as error:
                if lost is None:
                    raise
                return file.describe_loss(number, error)
            return Track(places[span.person], span.start - frames.start, span.length), decoded

        for found in map_in_order(decode, file.read_chunks(wanted, lost), self.jobs, self.forks):
            if not isinstance(found, Loss):
                yield found
            elif lost is not None:
                lost.append(found)

    def fill_gaps(self, sequence: PoseSequence, weights: str | Path | None = None) -> PoseSequence:
        """The sequence with what is expected where it has nothing, from a person's first frame to the last; confidence 0.

        For keypoints that the weights have by name, those of coco19; others stay missing. weights: by name or path, of
        motion (motion3d or motion2d, as it suits, which are nearest) or of tokens, whose network then fills the gaps. What
        was seen stays as it is. Raises WeightsError where weights are of other dimensions, DependencyError where a network
        is asked for without torch.
        """
        from posecodec.coders.gap_filling import fill_sequence
        from posecodec.coders.registry import build_body_model

        found = zoo.read_weights(f"motion{sequence.dims}d" if weights is None else weights)
        if found.sha256 not in self._body_models:
            self._body_models[found.sha256] = build_body_model(found, sequence.dims, self.device)
        return fill_sequence(sequence, self._body_models[found.sha256])

    def cut(self, source: Source, levels: int) -> bytes:
        """A file of tokens with its first levels only: the file that encoding at so many gives. No network runs.

        Raises InputError if a chunk has no tokens or not so many levels, and as `decode` does.
        """
        header, coded = self._open(source)
        pairs = zip(coded, header.spans, strict=True)
        contexts = ((chunk, ChunkContext.from_header(header, span.length)) for chunk, span in pairs)
        return container.write(header, [self.coders.tokens.cut(chunk, context, levels) for chunk, context in contexts])

    def tokenize(self, sequence: PoseSequence, levels: int | None = None) -> tuple[TokenGrid, ...]:
        """The token grids of a sequence, one per chunk; the weights' default levels if not told. Raises as `encode` does.

        `codec.tokenizer.vocabulary(levels).flatten(grids)` makes one line of integers of them.
        """
        return self.encode(sequence, levels=self.tokenizer.check_levels(levels)).tokens

    def detokenize(self, grids: Sequence[TokenGrid], fps: float = 30.0, size: float | None = None) -> PoseSequence:
        """What tokens alone say: one person per grid, starting at the origin, upright, facing +z, each from frame 0 on.

        size: of the bodies, summed length of the bones in mm; by default that of an average adult; in 2D the spread in px.
        Where they start, first heading and size are side information, which only a file has: decode that to get them.
        """
        positions, unit, up = self.tokenizer.detokenize(grids, size)
        return PoseSequence.from_arrays(positions, fps=fps, skeleton=self.tokenizer.skeleton, unit=unit, up=up)

    def tokens(self, source: Source) -> tuple[TokenGrid, ...]:
        """The token grids of a file's chunks of tokens, without running the network. Raises as `decode` does."""
        return self.coders.tokens.read_grids(*self._open(source))

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

    def encode_at_qp(self, sequence: PoseSequence, qp: int) -> Encoded:
        """A sequence with one quantizer step for all of it, 2 ** (qp / 16) of a channel: for benchmarks."""
        chunks = split_sequence(sequence)
        coded = [self.rate_control.choose_smallest(chunk, qp).chunk for chunk in chunks]
        return self._pack(sequence, chunks, Choice(coded))

    def encode_frame_by_frame(self, sequence: PoseSequence, bound: float) -> Encoded:
        """Predictive chunks alone, within a bound in the recording's unit: for benchmarks. Raises InputError as `encode`."""
        chunks = split_sequence(sequence)
        coded = [self.coders.predictive.encode(chunk, max_error=bound).chunk for chunk in chunks]
        return self._pack(sequence, chunks, Choice(coded))

    def encode_windows(self, sequence: PoseSequence, qp: int, longest: int = LONGEST) -> Encoded:
        """Windows alone with the step 2 ** (qp / 16). Raises InputError if the weights cannot code the keypoints.

        longest: frames of a window at most (but 31 are always allowed), for less delay: see README.
        """
        self.coders.windows.check_sequence(sequence)
        chunks = split_sequence(sequence)
        coded = [self.coders.windows.encode_alone(chunk, qp, longest) for chunk in chunks]
        return self._pack(sequence, chunks, Choice(coded))

    def _pack(self, sequence: PoseSequence, chunks: list[ChunkInput], choice: Choice) -> Encoded:
        header, coded = self._build_header(sequence, chunks, choice), choice.chunks
        tokens = self.coders.tokens.read_grids(header, coded)
        return Encoded(*_write(header, coded), tokens, mean_error=choice.mean_error, max_error=choice.max_error)

    def _build_header(self, sequence: PoseSequence, chunks: list[ChunkInput], choice: Choice) -> Header:
        """The header of a file with these chunks; it names only the weights that they need."""
        coded, guarantee = choice.chunks, choice.guarantee
        origin = chunks[0].origin if chunks else None
        up = chunks[0].up if chunks else sequence.up if sequence.up != "unknown" else "y"
        return Header(
            self.weights.id if self.weights and any(chunk.needs_body_weights for chunk in coded) else b"",
            self.coders.transform.weights.id if any(chunk.needs_transform_weights for chunk in coded) else b"",
            sequence.dims, sequence.unit, sequence.up, up, sequence.skeleton, sequence.fps, sequence.timestamps,
            sequence.frames, sequence.ids, tuple(dict.fromkeys(chunk.track for chunk in chunks)),
            dict(sequence.metadata), guarantee, None if origin is None else tuple(origin.tolist()),
            self.coders.body_parts.names_body(sequence, coded),
        )  # fmt: skip

    def _open(self, source: Source) -> tuple[Header, list[Chunk]]:
        """The mirror of `_pack`: header and chunks, which these weights can decode."""
        with _open_posec(source) as file:
            header, coded = file.header, file.read_all()
        self.coders.suit(header).check_weights(header, coded)
        return header, coded


@contextlib.contextmanager
def _open_posec(source: Encoded | Source) -> Iterator[PosecFile]:
    """A file, closed afterwards if it was not open before."""
    if isinstance(source, PosecFile):
        yield source
        return
    with PosecFile(source.data if isinstance(source, Encoded) else source) as file:
        yield file


def _to_slice(frames: slice | range) -> slice:
    """Frames that follow each other. Raises UsageError for what says none."""
    if isinstance(frames, range) and frames.step == 1 and frames.start >= 0:
        return slice(frames.start, frames.stop)
    if not isinstance(frames, slice):
        raise UsageError(f"frames={frames!r:.40} is no part of a recording; give slice(10, 20), for frames 10 to 19")
    return frames


def _write(header: Header, coded: list[Chunk]) -> tuple[bytes, Header]:
    """The file, and the header that it has."""
    data = container.write(header, coded)
    covered = cover_missing(header, coded, len(data))
    return (data, header) if covered[0] is header else (container.write(*covered), covered[0])
