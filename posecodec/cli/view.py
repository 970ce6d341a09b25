"""`view`: a recording to look at."""

from __future__ import annotations

from pathlib import Path

import click

from posecodec.cli import options
from posecodec.cli.common import Reading, collect_notes, format_people, load_any, raise_damage, show_lines

EXAMPLES = """
\b
Examples:
  posecodec view walk.bvh -o walk.html                         open it in a browser
  posecodec view walk.bvh --compare walk.posec -o walk.html    original and decoded, with the error
  posecodec view walk.posec -o walk.gif
"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--compare", "other", type=click.Path(path_type=Path), help="A decoded recording, or a .posec file.")
@click.option("-o", "--output", required=True, type=options.PATH, help="File to write: .html, .gif or .png.")
@options.reading_options
@options.model
@options.force
def view(file: Path, other: Path | None, output: Path, reading: Reading, model: str | None, force: bool) -> None:
    """Show a recording: a page for the browser that plays and turns it (.html), a moving picture (.gif), a sheet (.png).

    The page needs no network. Pictures need the extra: pip install 'posecodec[view]'.
    """
    from posecodec.view import write

    damage = list[str]()
    with collect_notes() as notes:
        sequence, assumed = load_any(file, reading, model, damage)
        second = load_any(other, Reading(fps=reading.fps, unit=reading.unit), model, damage)[0] if other else None
        coded = other or file
        size = coded.stat().st_size if coded.suffix == ".posec" else None
        write(sequence, output, second, title=file.name, size=size, force=force)
    if assumed:
        notes.texts.append(f"no frame rate in the file: {sequence.rate:g} assumed; pass --fps N")
    notes.show(file)
    show_lines(f"{output}: {output.stat().st_size:,} bytes, {sequence.frames} frames, {format_people(sequence.people)}")
    raise_damage(other or file, damage)
