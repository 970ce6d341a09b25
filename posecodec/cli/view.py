"""`view`: a recording to look at."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from posecodec.cli import options
from posecodec.cli.common import (
    STREAM,
    Reading,
    collect_notes,
    format_people,
    load_any,
    open_input,
    raise_damage,
    refuse_reading,
    show,
    show_lines,
)
from posecodec.cli.several import choose_reading, do_each, list_files, refuse_same
from posecodec.errors import UsageError

EXAMPLES = """
\b
Examples:
  posecodec view walk.bvh                                      a page, opened in a browser
  posecodec view walk.bvh -o walk.html                         the page as a file
  posecodec view walk.bvh --compare walk.posec -o walk.html    original and decoded, with the error
  posecodec view walk.posec -o walk.gif
"""


@click.command(epilog=EXAMPLES)
@options.files
@click.option("--compare", "other", type=click.Path(path_type=Path), help="A decoded recording, or a .posec file.")
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    help="File to write: .html, .gif, .png, .mp4 or .webm; of several a folder.  [default: a page that is opened]",
)
@options.reading_options
@options.model
@options.force
@options.json
def view(
    files: tuple[str, ...], other: Path | None, output: Path | None, reading: Reading, model: str | None, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Show a recording: a page for the browser that plays and turns it (.html), a sheet (.png), a moving picture (.gif), a
    film (.mp4, .webm).

    The page needs no network. Pictures need pillow (the extra `view`), films imageio-ffmpeg too (`film`).
    """
    names = list_files(files, reading.format)
    if len(names) > 1 and output is None:
        raise UsageError(f"{len(names)} recordings need -o DIR, for a page of each")
    refuse_reading([*names, *filter(None, [other])], reading)
    reading = choose_reading(reading, files, names)
    if len(names) > 1 and output is not None:
        refuse_same(map(_name_page, names))
        output.mkdir(parents=True, exist_ok=True)

    def draw(name: str) -> None:
        if output is None:
            _open_page(name, other, reading, model, as_json)
            return
        page = output / _name_page(name) if output.is_dir() else output
        _draw(name, other, page, reading, model, force, as_json)

    do_each(names, draw)


def _name_page(name: str) -> str:
    return f"{'stdin' if name == STREAM else Path(name).name}.html"


def _open_page(name: str, other: Path | None, reading: Reading, model: str | None, as_json: bool) -> None:
    """Write a page where nobody is in the way, and open it in a browser if there is one."""
    import tempfile
    import webbrowser

    page = Path(tempfile.mkdtemp(prefix="posecodec-")) / _name_page(name)
    _draw(name, other, page, reading, model, False, as_json)
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform in ("darwin", "win32"):
        webbrowser.open(page.as_uri())
    elif not as_json:
        show_lines(f"there is no screen here: open {page.as_uri()} in a browser")


def _draw(
    name: str, other: Path | None, output: Path, reading: Reading, model: str | None, force: bool, as_json: bool
) -> None:  # fmt: skip
    from posecodec.io.filesystem import is_posec, refuse_existing
    from posecodec.view import write

    refuse_existing(output, force)
    damage, file = list[str](), Path(name)
    with collect_notes() as notes, open_input(name) as path:
        sequence, assumed = load_any(Path(path), reading, model, damage)
        second = load_any(other, Reading(fps=reading.fps, unit=reading.unit), model, damage)[0] if other else None
        size = Path(other or path).stat().st_size if is_posec(other or path) else None
        write(sequence, output, second, title=file.name, size=size, force=force)
    if assumed:
        notes.texts.append(f"no frame rate in the file: {sequence.rate:g} assumed; pass --fps N")
    notes.show(file)
    count, people = output.stat().st_size, sequence.people
    facts = {"input": name, "output": str(output), "bytes": count, "frames": sequence.frames, "people": people}
    line = f"{output}: {count:,} bytes, {sequence.frames} frames, {format_people(people)}"
    show({**facts, "notes": notes.texts}, line, as_json)
    raise_damage(other or file, damage)
