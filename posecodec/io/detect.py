"""Which format a file or folder is in, and what says so: every format is asked, by its priority.

A suffix that tells alone decides, then the first format that is sure, then the best hint. No format is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posecodec.errors import InputError, PosecodecError, report_change
from posecodec.io import foreign
from posecodec.io.filesystem import AnyPath, exposes_bugs
from posecodec.io.registry import FORMATS, FRAME_FOLDER, Format
from posecodec.io.sniffing import Certainty, Clue, Source

CATCH_ALL = 90  # priority from which a format takes what could be anything: tables, arrays


@dataclass(frozen=True)
class Guess:
    """format: a name in FORMATS. why: what it was taken for that by."""

    format: str
    why: str


def detect(path: AnyPath) -> Guess:
    """The format of a file or folder. Raises InputError where nothing tells, or the file cannot be read."""
    source = Source(Path(path))
    found = _ask_formats(source)
    if found is None and source.is_folder:
        *marks, last = [known.folder_mark for known in FORMATS.sort_by_priority() if known.folder_mark]
        raise InputError(
            f"no recording in this folder ({', '.join(marks)} or {last}); give a file, or --from NAME (format=NAME)"
        )
    if found is None or (found[0].priority >= CATCH_ALL and source.suffix not in found[0].own_suffixes):
        explained = foreign.explain(source) or (foreign.explain_name(source) if found is None else None)
        if explained is not None:
            raise InputError(f"this is {explained}")
    if found is None:
        suffix = source.path.suffix
        raise InputError(f"neither the suffix {suffix!r} nor the content names a format; pass --from NAME")
    return Guess(found[0].name, found[1].why)


def is_recording(folder: Path, format: str | None = None) -> bool:
    """Whether a folder is one recording (of a format, if one is named), rather than one that has recordings in it."""
    if format is not None:
        if format not in FORMATS or "" in FORMATS[format].suffixes:
            return format in FORMATS
        holds_frames = FORMATS[FRAME_FOLDER].holds_frames
        return holds_frames is not None and holds_frames(folder, format)
    try:
        found = _ask_formats(Source(folder))
    except InputError:
        return False
    return found is not None and found[1].is_whole


def _ask_formats(source: Source) -> tuple[Format, Clue] | None:
    formats = FORMATS.sort_by_priority()
    owner = next((known for known in formats if not source.is_folder and source.suffix in known.own_suffixes), None)
    if owner is not None:
        return owner, Clue(f"its suffix {source.path.suffix}")
    source.data  # noqa: B018  what is wrong with the file itself is told before anyone is asked
    best: tuple[Format, Clue] | None = None
    for known in formats:
        clue = _sniff(known, source)
        if clue is not None and (best is None or clue.certainty > best[1].certainty):
            best = known, clue
            if clue.certainty is Certainty.SURE:
                break
    return best


def _sniff(known: Format, source: Source) -> Clue | None:
    """What one format says; if it fails, that is reported, and the others are asked."""
    try:
        return known.sniff(source) if known.sniff is not None else None
    except PosecodecError:
        raise
    except Exception as error:
        if exposes_bugs():
            raise
        report_change(f"the format {known.name!r} failed to look at it ({error!r}) and is left out; report that")
        return None
