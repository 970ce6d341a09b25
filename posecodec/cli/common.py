"""What commands have in common: reading recordings with their notes, decoding, printing."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecodec.cli.part import Part
from posecodec.errors import (
    DataWarning,
    InputError,
    NoRateError,
    PosecodecError,
    UsageError,
    make_printable,
    report_change,
)

if TYPE_CHECKING:
    from posecodec.bitstream.header import Header
    from posecodec.codec import PoseCodec
    from posecodec.pose.sequence import PoseSequence

STREAM = "-"
QUIET, VERBOSE = "posecodec.quiet", "posecodec.verbose"  # Of a command's context
LONGEST_LIST = 12  # entries that still fit a line or two
LONGEST_LINE = 4000  # characters that are shown of a line: ids and names may be as long as a file
_OPTIONS = {
    "format": "--from", "fps": "--fps", "unit": "--unit", "up": "--up", "item": "--item", "track": "--track",
    "zeros": "--zeros-missing", "skeleton": "--skeleton", "default_fps": "--fps",
    "default_unit": "--unit", "columns": "--columns",
}  # fmt: skip
"""The options that fields of `Reading` come from."""
ASSUMED_FPS = 30.0  # frames per second where nothing is encoded and nothing states them: most cameras'


@dataclass(frozen=True)
class Reading:
    """How a recording is to be read: what the options say."""

    format: str | None = None
    fps: float | None = None
    unit: str | None = None
    up: str | None = None
    item: str | None = None
    track: bool = False
    zeros: bool = False
    skeleton: str | None = None
    default_fps: float | None = None
    columns: str | None = None
    default_unit: str | None = None

    def for_many(self) -> Reading:
        """The same for one of several inputs: a rate and a unit are then for those that state none."""
        return replace(self, fps=None, default_fps=self.fps, unit=None, default_unit=self.unit)

    def load(self, path: Path) -> PoseSequence:
        """The recording, read and mended as asked. Warns and raises as `io.load` does."""
        sequence = self._read(path, "native" if self.skeleton == "native" else None)
        if self.zeros:
            from posecodec.analysis.repair import mark_zeros_missing

            sequence = mark_zeros_missing(sequence)
        if self.track:
            from posecodec.analysis.tracking import follow

            sequence = follow(sequence)
        if self.skeleton in (None, "native"):
            return sequence
        from posecodec import io
        from posecodec.pose.skeletons.files import resolve_skeleton

        return io.take_skeleton(sequence, resolve_skeleton(str(self.skeleton)))

    def _read(self, path: Path, skeleton: str | None) -> PoseSequence:
        from posecodec import io

        try:
            with warnings.catch_warnings():
                if self.track:
                    warnings.filterwarnings("ignore", ".*kept as identity", DataWarning)
                return io.load(
                    path, format=self.format, fps=self.fps, unit=self.unit, up=self.up, item=self.item,
                    skeleton=skeleton, default_fps=self.default_fps, columns=self.columns,
                    default_unit=self.default_unit,
                )  # fmt: skip
        except NoRateError:
            raise
        except InputError:
            if skeleton == self.skeleton:
                raise
            return self._read(path, self.skeleton)  # flattened arrays need it to be read at all


def refuse_reading(names: Iterable[str | Path], reading: Reading) -> None:
    """Raises UsageError, naming the options, where some say how files are to be read and all files are .posec, which say it.

    Options given with several files are for those of other formats.
    """
    from posecodec.io.filesystem import is_posec

    given = [_OPTIONS[each.name] for each in fields(Reading) if getattr(reading, each.name) != each.default]
    files = list(names)
    if given and all(map(is_posec, files)):
        raise UsageError(f"{files[0]}: a .posec file says all of that itself; leave out {', '.join(given)}")


@dataclass
class Notes:
    """What was said about the data while something was read or written."""

    texts: list[str] = field(default_factory=list)

    def show(self, source: object) -> None:
        """Print them, one a line, to stderr."""
        for text in self.texts:
            show_note(f"{source}: {text}")


@contextlib.contextmanager
def collect_notes() -> Iterator[Notes]:
    """Collect what is said about data inside; other warnings go their way."""
    notes = Notes()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
        notes.texts += dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, DataWarning))
    for other in caught:
        if not issubclass(other.category, DataWarning | DeprecationWarning | RuntimeWarning | ImportWarning):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)


def load_any(
    path: Path, reading: Reading, model: str | None = None, damage: list[str] | None = None
) -> tuple[PoseSequence, bool]:
    """A recording or a decoded .posec file, and whether its frame rate was assumed because nothing states it.

    damage: as of `decode_posec`.
    """
    from posecodec.io.filesystem import is_posec

    if is_posec(path):
        return decode_posec(path, model, "cpu", damage=damage)[0], False
    try:
        return reading.load(path), False
    except NoRateError:
        return replace(reading, fps=ASSUMED_FPS).load(path), True


def describe_assumed(sequence: PoseSequence) -> str:
    """What is said of a rate that was assumed."""
    return f"no frame rate in the file: {sequence.rate:g} assumed; pass --fps N"


def refuse_terminal() -> None:
    """Raises UsageError where a file would go to a terminal."""
    if sys.stdout.isatty():
        raise UsageError("the file is bytes, which are nothing for a terminal; give -o FILE, or pipe them on")


@contextlib.contextmanager
def open_input(name: str, suffix: str = "") -> Iterator[Path | str]:
    """The path of an input, or a URL; standard input ("-") is copied to a file for as long as it is needed."""
    from posecodec.io.byte_source import is_url

    if name != STREAM:
        yield name if is_url(name) else Path(name)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"stdin{suffix}"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        if not suffix and _begins_as_posec(path):
            path = path.rename(path.with_suffix(".posec"))
        yield path


def _begins_as_posec(path: Path) -> bool:
    from posecodec.bitstream.header import MAGIC

    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def list_own_suffixes(format: str | None) -> tuple[str, ...]:
    """Suffixes of a format that is asked for by name, none where none is. Raises UsageError where there is no such format."""
    from posecodec.io import FORMATS
    from posecodec.io.registry import check_name

    return () if format is None else FORMATS[check_name(format)].suffixes


def refuse_pose_file(name: str) -> None:
    """Raises InputError for a file of a pose format, by its suffix, where a .posec file is wanted."""
    from posecodec.io.filesystem import find_suffix
    from posecodec.io.registry import list_suffixes

    if name != STREAM and find_suffix(Path(name)) in list_suffixes():
        raise InputError(f"{name}: is no .posec file; `posecodec encode` makes one of it, `convert` another format")


def is_folder(output: str) -> bool:
    """Whether an output is a folder: one that is there, or one to be made, by the slash at its end."""
    return output.endswith(("/", os.sep)) or Path(output).is_dir()


def make_folder(output: str | None) -> None:
    """Make the folder that an output is, by the slash at its end."""
    if output is not None and is_folder(output):
        Path(output).mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def name_in_errors(path: object) -> Iterator[None]:
    """Put the file's name in front of errors that do not have it."""
    try:
        yield
    except PosecodecError as error:
        raise type(error)(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def get_codec(name: str | None, device: str, jobs: int = 1) -> PoseCodec:
    """The codec with weights of a name, loaded once a process. jobs: chunks of one recording that are worked on at once."""
    from posecodec.zoo import find_weights

    return _load_codec(None if name is None else find_weights(name).resolve(), device, jobs)


@functools.cache
def _load_codec(path: Path | None, device: str, jobs: int) -> PoseCodec:
    from posecodec.codec import PoseCodec

    codec = PoseCodec.from_pretrained(path, device, jobs, forks=True)
    gc.freeze()  # what was imported stays: to look at it again and again takes 2 % of an encode
    return codec


def decode_posec(
    source: Path | str, model: str | None, device: str, fill: bool | str = False, part: Part | None = None,
    damage: list[str] | None = None, jobs: int = 1,
) -> tuple[PoseSequence, Header, int]:  # fmt: skip
    """What is in a .posec file or a part of it, its header, and its size in bytes.

    damage: gets what is wrong with the file, whose lost frames are then missing, instead of a CorruptError. jobs: threads
    that decode its chunks.
    """
    from posecodec.bitstream.container import Loss, PosecFile
    from posecodec.zoo import find_named

    with name_in_errors(source), PosecFile(source) as file:
        codec, lost = get_codec(model or find_named(file.header.weights), device, jobs), list[Loss]()
        part = part or Part()
        frames, people = part.find_frames(file.header), part.people or None
        if frames.stop is not None and frames.stop > file.header.frames > 0 and part.frames is not None:
            report_change(f"there are {file.header.frames} frames, none from there to {frames.stop}")
        sequence = codec.decode(file, frames=frames, people=people, lost=None if damage is None else lost)
        sequence = fill_gaps(codec, sequence, fill) if fill else sequence
        if damage is not None:
            damage += file.describe_damage(lost)
    return sequence, file.header, file.size


def fill_gaps(codec: PoseCodec, sequence: PoseSequence, fill: bool | str) -> PoseSequence:
    """As the codec fills them, by weights if named; what is left of gaps is told."""
    import numpy as np

    filled = codec.fill_gaps(sequence, None if fill is True else str(fill))
    before, after = (int(np.isnan(each.positions[..., 0]).sum()) for each in (sequence, filled))
    if after:
        report_change(
            f"{before - after:,} missing keypoints filled, {after:,} left: of frames in which a person is not seen at all, "
            "or keypoints that the weights do not know"
        )
    return filled


def describe_damage(source: object, damage: list[str]) -> str:
    """What is wrong with a file of which all else was used."""
    more = [f"and {len(damage) - LONGEST_LIST} more"] if len(damage) > LONGEST_LIST else []
    return f"{source}: is damaged, all else was used; get the file again: {'; '.join(damage[:LONGEST_LIST] + more)}"


def raise_damage(source: object, damage: list[str]) -> None:
    """Raises PosecodecError that lists what is wrong with a file, if anything, once the rest of it has been used."""
    if damage:
        raise PosecodecError(describe_damage(source, damage))


def describe_written(source: str, target: str, sequence: PoseSequence) -> tuple[dict[str, Any], str]:
    """What was written of a recording, as facts and as a line."""
    facts = {"input": source, "output": target, "frames": sequence.frames, "people": sequence.people}
    people = format_people(sequence.people)
    return facts, f"{source} -> {target}: {sequence.frames} frames, {people}, {sequence.rate:g} fps"


def show(facts: Any, lines: str | Iterable[str], as_json: bool, to_stderr: bool = False) -> None:
    """To stdout, or to stderr where stdout carries the file itself."""
    if as_json:
        click.echo(json.dumps(facts, default=str), err=to_stderr)
    elif not is_quiet():
        show_lines(lines, to_stderr)


def is_quiet() -> bool:
    """Whether the command that runs shows nothing but errors, warnings and JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(QUIET))


def show_more(describe: Callable[[], str]) -> None:
    """A line for who wants to know more (-v), to standard error; made only then."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(VERBOSE):
        show_lines(describe(), True)


def show_note(text: str) -> None:
    """Something about the data, to standard error."""
    if not is_quiet():
        show_lines(f"note: {text}", True)


def show_lines(lines: str | Iterable[str], to_stderr: bool = False) -> None:
    """A line or several, whatever is in them: each stays one, does nothing to a terminal, and has an end."""
    shown = [make_printable(line) for line in ([lines] if isinstance(lines, str) else lines)]
    for number, line in enumerate(shown):
        if len(line) > LONGEST_LINE:
            shown[number] = f"{line[:LONGEST_LINE]} ... ({len(line)} characters)"
    click.echo("\n".join(shown), err=to_stderr)


def show_warning(message: Warning | str, category: type[Warning], *where: object, **more: object) -> None:
    """Warnings as a line: what was changed in somebody's data is a note, everything else a warning."""
    kind = "note" if issubclass(category, DataWarning) else "warning"
    show_lines(f"{kind}: {message}", True)


def format_people(count: int) -> str:
    """How many, in words."""
    return "1 person" if count == 1 else f"{count} people"


def measure_size(path: Path) -> int:
    """Bytes of a file or of all files in a folder."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size


def choose_format(metadata: Mapping[str, Any], asked: str | None) -> tuple[str, str]:
    """The format that was asked for, or encoded, and its suffix."""
    from posecodec import io

    return io.find_origin(metadata) if asked is None else (asked, io.FORMATS[io.find_format("", asked)].suffixes[0])


def write_to_stdout(sequence: PoseSequence, format: str | None) -> None:
    """In the format that was asked for, or that it came from, made aside. Raises UsageError for folders."""
    from posecodec import io

    name, suffix = choose_format(sequence.metadata, format)
    if not suffix:
        raise UsageError(f"{name} is a folder of files and does not fit into stdout; pass -o DIR or --to NAME")
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / f"out{suffix}"
        io.save(sequence, aside, format=name)
        sys.stdout.buffer.write(aside.read_bytes())
