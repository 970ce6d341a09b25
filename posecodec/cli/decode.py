"""`decode` and `cut`: files to recordings, and to smaller files."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from posecodec.cli import batch, options
from posecodec.cli.common import (
    STREAM,
    choose_format,
    collect_notes,
    decode_posec,
    describe_written,
    is_folder,
    list_own_suffixes,
    make_folder,
    name_in_errors,
    open_input,
    raise_damage,
    refuse_pose_file,
    refuse_terminal,
    show,
    show_more,
    write_to_stdout,
)
from posecodec.cli.part import Part, part_options

if TYPE_CHECKING:
    from posecodec.pose.sequence import PoseSequence

EXAMPLES = """
\b
Examples:
  posecodec decode walk.posec                  the format that was encoded
  posecodec decode walk.posec -o walk.csv      or .npz, .trc, .c3d, .pose, ...
  posecodec decode small/ -o data/ -j 2        a tree of files
  posecodec decode day.posec --start 00:10:00 --end 00:10:05 -o five_seconds.npz
  posecodec decode clip.posec -o clip/ --to openpose
"""


@dataclass(frozen=True)
class Settings:
    """How files are decoded. ours: the output of the last run, which may be replaced."""

    format: str | None
    model: str | None
    device: str
    fill: bool | str
    part: Part
    recover: bool
    force: bool
    ours: Path | None = None


@click.command(epilog=EXAMPLES)
@options.inputs
@click.option(
    "-o", "--output", help="File, folder, or - for stdout.  [default: IN with the suffix of what was encoded]"
)
@click.option("--to", "format", help="Format to write, see `formats`.  [default: by suffix, or what was encoded]")
@part_options
@click.option("--recover", is_flag=True, help="Of a damaged file give what is whole; the rest is missing. Exit code 1.")
@options.fill
@options.max_memory
@options.verbose
@options.many_files
def decode(
    inputs: tuple[str, ...], output: str | None, format: str | None, part: Part, recover: bool, fill: bool | str, jobs: int,
    summary: Path | None, model: str | None, device: str, force: bool, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Decode .posec files to the format that was encoded, or to another.

    What came from a format that is only read (BVH, SLEAP, ...) becomes .npz. Of a part of a long file only that part is
    read, also behind a URL (the extra `remote`).
    """
    settings = Settings(format, model, device, fill, part, recover, force)
    if dry_run:
        batch.list_plan(_plan_dry(inputs, output, settings), as_json)
        return
    if len(inputs) > 1 or Path(inputs[0]).is_dir():
        batch.run(batch.plan(inputs, output, None, ""), decode_file, settings, jobs, as_json, summary)
        return
    with batch.summarize(summary, inputs[0]) as outcome:
        outcome.done.append(_decode_single(inputs[0], output, settings, as_json, jobs))


def _decode_single(name: str, output: str | None, settings: Settings, as_json: bool, jobs: int) -> dict[str, Any]:
    """Decode a single file, or standard input, and show what was written: returned too. Raises PosecodecError of damage."""
    began = time.perf_counter()
    refuse_pose_file(name)
    to_stdout = output == STREAM or (output is None and name == STREAM)
    if to_stdout and settings.format is None:
        refuse_terminal()
    with open_input(name, ".posec") as source, collect_notes() as notes:
        if not to_stdout:
            _check_free(source, _choose_stem(name), output, settings)
        sequence, damage = _decode(source, settings, jobs)
        if to_stdout:
            written = STREAM
            write_to_stdout(sequence, settings.format)
        else:
            written = str(_save(sequence, _choose_stem(name), output, settings))
    notes.show(name)
    show_more(lambda: f"{name}: read, decoded and written in {time.perf_counter() - began:.2f} s")
    facts, line = describe_written(name, written, sequence)
    show({**facts, "notes": notes.texts, **({"damage": damage} if damage else {})}, line, as_json, written == STREAM)
    raise_damage(name, damage)
    return {**facts, "notes": notes.texts}


def _plan_dry(inputs: tuple[str, ...], output: str | None, settings: Settings) -> list[tuple[str, Path | None]]:
    """What would be written of each input."""
    if len(inputs) > 1 or Path(inputs[0]).is_dir():
        tasks = batch.plan(inputs, output, None, "")
        return [(str(task.source), _choose_output(task.source, task.target, None, settings)) for task in tasks]
    if output == STREAM or inputs[0] == STREAM:
        return [(inputs[0], None if output in (None, STREAM) else Path(str(output)))]
    return [(inputs[0], _choose_output(inputs[0], _choose_stem(inputs[0]), output, settings))]


def decode_file(source: Path, target: Path, settings: Settings) -> dict[str, Any]:
    """Decode one file of many to `target`, which gets the suffix of its format."""
    with collect_notes() as notes, name_in_errors(source):
        refuse_pose_file(str(source))
        _check_free(source, target, None, settings)
        sequence, damage = _decode(source, settings)
        written = _save(sequence, target, None, settings)
    facts, line = describe_written(str(source), str(written), sequence)
    return {**facts, "notes": notes.texts, "line": line, **({"damage": damage} if damage else {})}


def _decode(source: Path | str, settings: Settings, jobs: int = 1) -> tuple[PoseSequence, list[str]]:
    """The part that was asked for, and what is wrong with the file where the rest of it was asked for."""
    damage = list[str]() if settings.recover else None
    sequence = decode_posec(source, settings.model, settings.device, settings.fill, settings.part, damage, jobs)[0]
    return sequence, damage or []


def _choose_stem(source: str) -> Path:
    """Where the output goes, without its suffix: beside a file, and here where it is behind a URL."""
    from posecodec.io.byte_source import is_url

    path = PurePosixPath(urlsplit(source).path).name if is_url(source) else source
    return Path(path).with_suffix("")


def _check_free(source: Path | str, stem: Path, output: str | None, settings: Settings) -> None:
    """Raises UsageError where the output exists, is the input or called as another format's, before anything is decoded."""
    from posecodec.io.byte_source import is_url
    from posecodec.io.filesystem import refuse_existing

    if output is not None and not is_folder(output):
        batch.check_output(Path(source), Path(output), list_own_suffixes(settings.format))
    if settings.force or is_url(source):
        return
    target = _choose_output(source, stem, output, settings)
    if output is not None and target != Path(output):
        make_folder(output)
    if target != settings.ours:
        refuse_existing(target, False)


def _choose_output(source: Path | str, stem: Path, output: str | None, settings: Settings) -> Path:
    from posecodec.bitstream.container import PosecFile

    if output is not None and not is_folder(output):
        return Path(output)
    with PosecFile(source) as file:
        return _place(stem, output, choose_format(file.header.metadata, settings.format)[1])


def _place(stem: Path, output: str | None, suffix: str) -> Path:
    """Beside a file, or in a folder; a new folder is itself what is written in a format of folders, whose suffix is empty."""
    if output is not None and not suffix and not Path(output).is_dir():
        return Path(output)
    target = stem if output is None else Path(output) / stem.name
    return target.with_name(f"{target.name}{suffix}")


def _save(sequence: PoseSequence, stem: Path, output: str | None, settings: Settings) -> Path:
    """Write a recording to the output, or beside `stem`; returns where."""
    from posecodec import io

    if output is not None and not is_folder(output):
        io.save(sequence, output, format=settings.format, force=settings.force)
        return Path(output)
    format, suffix = choose_format(sequence.metadata, settings.format)
    target = _place(stem, output, suffix)
    target.parent.mkdir(parents=True, exist_ok=True)
    io.save(sequence, target, format=format, force=settings.force or target == settings.ours)
    return target


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write, or - for stdout.")
@click.option("--levels", type=click.IntRange(1, 8), help="Of a file of tokens, how many to keep.")
@options.max_memory
@options.force
@options.json
def cut(file: Path, output: Path, levels: int | None, force: bool, as_json: bool) -> None:
    """Cut a file down: tokens to fewer levels, others to what is not refined. Nothing is decoded."""
    from posecodec.bitstream import container
    from posecodec.cli.common import get_codec
    from posecodec.io.filesystem import read_file, write_atomic
    from posecodec.zoo import find_named

    refuse_pose_file(str(file))
    data = read_file(file)
    with name_in_errors(file):
        if levels is None:
            coarse = container.drop_refinements(data)
        else:
            coarse = get_codec(find_named(container.read_header(data).weights), "cpu").cut(data, levels)
    if str(output) == STREAM:
        refuse_terminal()
        sys.stdout.buffer.write(coarse)
    else:
        batch.check_suffix(output, (".posec",))
        write_atomic(output, coarse, force)
    why = "" if len(coarse) < len(data) else " (there is nothing to leave out)"
    facts = {"input": str(file), "output": str(output), "bytes_in": len(data), "bytes_out": len(coarse)}
    show(facts, f"{output}: {len(data):,} -> {len(coarse):,} bytes{why}", as_json, str(output) == STREAM)
