"""`convert` and `sample`: recordings from one format to another, and one to try things out with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posecodec.cli import options
from posecodec.cli.batch import check_output, check_suffix
from posecodec.cli.common import (
    STREAM,
    Reading,
    choose_format,
    collect_notes,
    describe_assumed,
    describe_written,
    fill_gaps,
    format_people,
    get_codec,
    is_folder,
    list_own_suffixes,
    load_any,
    open_input,
    refuse_reading,
    refuse_terminal,
    show,
    write_to_stdout,
)
from posecodec.cli.several import choose_reading, do_each, list_files, refuse_same
from posecodec.errors import NoRateError, UsageError

if TYPE_CHECKING:
    from posecodec.pose.sequence import PoseSequence

EXAMPLES = """
\b
Examples:
  posecodec convert walk.bvh walk.trc
  posecodec convert *.bvh converted/ --to trc
  posecodec convert clip_json/ clip.csv --fps 29.97      an OpenPose folder
  posecodec convert data_3d_h36m.npz walk.npz --from h36m --item "S9/Walking 1"
"""


@click.command(epilog=EXAMPLES)
@click.argument("paths", nargs=-1, required=True, metavar="SOURCE... TARGET")
@click.option("--to", "to", help="Format to write, see `formats`.  [default: by suffix]")
@options.fill
@options.skeleton
@options.reading_options
@options.force
@options.json
def convert(
    paths: tuple[str, ...], to: str | None, fill: bool | str, skeleton: str | None, reading: Reading, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Convert recordings (or .posec files) to another format, and say what that leaves behind.

    Several, and those in a folder of them, go to a folder, in the format of --to. The source may be - for standard input.
    """
    from posecodec.io.filesystem import find_suffix

    *given, last = paths
    target, sources = Path(last), list_files(given, reading.format)
    reading = choose_reading(replace(reading, skeleton=skeleton), given, sources)
    if last == STREAM and len(sources) > 1:
        raise UsageError("several recordings do not fit into standard output; give a folder")
    if not sources:
        raise UsageError(f"convert {last} to what? give the file to write too")
    refuse_reading(sources, reading)
    if target.suffix == ".posec":
        raise UsageError(f"{target}: `posecodec encode` makes .posec files; convert is for other formats")
    into_folder = (
        len(sources) > 1 or sources != given or (is_folder(last) and to is not None and not _is_folder_format(to))
    )
    if into_folder and to is None:
        raise UsageError("several recordings need --to FORMAT, which `posecodec formats` lists")
    if into_folder and find_suffix(target):
        raise UsageError(f"{last}: several recordings need a folder, and this is called as a file")
    refuse_same(_name_target(source, str(to)) for source in sources if into_folder)
    if into_folder:
        target.mkdir(parents=True, exist_ok=True)

    def convert_one(name: str) -> None:
        chosen = target / _name_target(name, str(to)) if into_folder else target
        _convert(name, chosen, to, fill, reading, force, as_json)

    do_each(sources, convert_one)


def _is_folder_format(name: str) -> bool:
    return "" in list_own_suffixes(name)


def _name_target(source: str, format: str) -> str:
    from posecodec.io.filesystem import strip_suffix

    stem = "stdin" if source == STREAM else strip_suffix(Path(source)).name
    return f"{stem}{list_own_suffixes(format)[0]}"


def _convert(
    source: str, target: Path, to: str | None, fill: bool | str, reading: Reading, force: bool, as_json: bool
) -> None:  # fmt: skip
    from posecodec import io
    from posecodec.io.filesystem import refuse_existing
    from posecodec.io.parsing.frame_rates import NO_RATE

    if str(target) == STREAM:
        refuse_terminal()
    else:
        check_output(Path(source), target, list_own_suffixes(to))
        if not target.is_dir():  # of folders their format knows which files in it are its own
            refuse_existing(target, force)
    with collect_notes() as notes, open_input(source) as path:
        if source == STREAM:
            refuse_reading([path], reading)
        sequence, assumed = load_any(Path(path), reading)
        if assumed and _states_rate(sequence, target, to):
            raise NoRateError(f"{source}: {NO_RATE}")
        if fill:
            sequence = fill_gaps(get_codec(None, "cpu"), sequence, fill)
        if str(target) == STREAM:
            write_to_stdout(sequence, to)
        else:
            io.save(sequence, target, format=to, force=force)
    if assumed:
        notes.texts.append(describe_assumed(sequence))
    notes.show(source)
    facts, line = describe_written(source, str(target), sequence)
    show({**facts, "notes": notes.texts}, line, as_json, str(target) == STREAM)


def _states_rate(sequence: PoseSequence, target: Path, to: str | None) -> bool:
    """Whether what is written would say the recording's rate as a fact."""
    from posecodec import io

    is_stdout = str(target) == STREAM
    name = choose_format(sequence.metadata, to)[0] if is_stdout else io.find_target(sequence, target, to)
    return io.FORMATS[name].states_rate


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--frames", type=click.IntRange(1), default=300, show_default=True)
@click.option("--people", type=click.IntRange(1), default=1, show_default=True)
@click.option("--filmed", is_flag=True, help="As a pose estimator sees it: 2D, confidences, gaps.")
@click.option("--signer", is_flag=True, help="Somebody who signs instead, with hands and face: openpose137, 2D.")
@click.option("--to", "to", help="Format to write, see `formats`.  [default: by suffix]")
@click.option(
    "--skeleton",
    callback=options.check_skeleton,
    help="Keypoints by name; those it lacks are missing.  [default: coco19, a signer's all]",
)
@options.force
@options.json
def sample(
    file: Path, frames: int, people: int, filmed: bool, signer: bool, to: str | None, skeleton: str | None, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Write a procedurally generated walk, or a signer, for trying things out."""
    from posecodec import io
    from posecodec.pose.skeletons.files import resolve_skeleton
    from posecodec.pose.synthetic import film, walk
    from posecodec.pose.synthetic_signer import sign

    if signer and (filmed or people > 1):
        raise UsageError("a signer is one person, and filmed anyway; leave out --filmed and --people")
    made = sign(frames) if signer else walk(frames, people=people)
    made, skeleton = film(made) if filmed else made, skeleton or made.skeleton.name
    made = made.mapped_to(resolve_skeleton(skeleton))
    if str(file) == STREAM:
        refuse_terminal()
        write_to_stdout(made, to)
    else:
        check_suffix(file, list_own_suffixes(to))
        io.save(made, file, format=to, force=force)
    facts = {"output": str(file), "frames": frames, "people": people, "skeleton": skeleton}
    show(facts, f"{file}: {frames} frames, {format_people(people)}", as_json, str(file) == STREAM)
