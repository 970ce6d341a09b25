"""`convert` and `sample`: recordings from one format to another, and one to try things out with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from posecodec.cli import options
from posecodec.cli.common import (
    Reading,
    collect_notes,
    describe_written,
    format_people,
    get_codec,
    load_any,
    show,
    show_lines,
)
from posecodec.errors import UsageError

EXAMPLES = """
\b
Examples:
  posecodec convert walk.bvh walk.trc
  posecodec convert clip_json/ clip.csv --fps 29.97      an OpenPose folder
  posecodec convert data_3d_h36m.npz walk.npz --from h36m --item "S9/Walking 1"
"""


@click.command(epilog=EXAMPLES)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--to", "to", help="Format to write, see `formats`.  [default: by suffix]")
@options.fill
@options.skeleton
@options.reading_options
@options.force
@options.json
def convert(
    source: Path, target: Path, to: str | None, fill: bool, skeleton: str | None, reading: Reading, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Convert a recording (or a .posec file) to another format, and say what that leaves behind."""
    from posecodec import io

    if target.suffix == ".posec":
        raise UsageError(f"{target}: `posecodec encode` makes .posec files; convert is for other formats")
    with collect_notes() as notes:
        sequence, assumed = load_any(source, replace(reading, skeleton=skeleton))
        if fill:
            sequence = get_codec(f"body{sequence.dims}d", "cpu").fill_gaps(sequence)
        io.save(sequence, target, format=to, force=force)
    if assumed:
        notes.texts.append(f"no frame rate in the file: {sequence.rate:g} assumed; pass --fps N")
    notes.show(source)
    facts, line = describe_written(str(source), str(target), sequence)
    show({**facts, "notes": notes.texts}, line, as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--frames", type=click.IntRange(1), default=300, show_default=True)
@click.option("--people", type=click.IntRange(1), default=1, show_default=True)
@click.option("--filmed", is_flag=True, help="As a pose estimator sees it: 2D, confidences, gaps.")
@click.option("--to", "to", help="Format to write, see `formats`.  [default: by suffix]")
@click.option("--skeleton", default="coco19", show_default=True, help="Keypoints by name; those it lacks are missing.")
@options.force
def sample(file: Path, frames: int, people: int, filmed: bool, to: str | None, skeleton: str, force: bool) -> None:
    """Write a procedurally generated walk, for trying things out."""
    from posecodec import io
    from posecodec.pose.skeletons.files import resolve_skeleton
    from posecodec.pose.synthetic import film, walk

    made = walk(frames=frames, people=people)
    made = film(made) if filmed else made
    io.save(made.mapped_to(resolve_skeleton(skeleton)), file, format=to, force=force)
    show_lines(f"{file}: {frames} frames, {format_people(people)}")
