"""Several inputs of commands that make no tree of files: what folders hold, each in turn, and what failed in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from posecodec.cli.common import Reading, show_lines
from posecodec.errors import CorruptError, InputError, PosecodecError, UsageError


def list_files(names: Sequence[str], format: str | None = None, only_posec: bool = False) -> list[str]:
    """The names, and of folders that are no recording all recordings in them, `.posec` files too.

    Raises InputError where there are none in a folder.
    """
    from posecodec.cli.batch import find_recordings, is_single

    listed: list[str] = []
    for name in names:
        if not Path(name).is_dir() or (not only_posec and is_single((name,), format)):
            listed.append(name)
            continue
        suffixes = ("",) if only_posec else (".posec", "")  # of what would be made: of pose files, of .posec files
        found = sorted({source for suffix in suffixes for source in find_recordings(Path(name), format, suffix)})
        if not found:
            raise InputError(f"{name}: no {'.posec' if only_posec else 'pose or .posec'} files in this folder")
        listed += map(str, found)
    return listed


def refuse_same(names: Iterable[str]) -> None:
    """Raises UsageError where several recordings would be written to one file."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(f"several recordings would become {twice[0]}; write them to different folders")


def choose_reading(reading: Reading, names: Sequence[str], listed: Sequence[str]) -> Reading:
    """How each of the files is read that `list_files` finds at the names: as one, or as one of several."""
    return reading if list(names) == list(listed) and len(listed) == 1 else reading.for_many()


def do_each(names: Sequence[str], work: Callable[[str], None], tells_corrupt: bool = False) -> None:
    """The work for each; of several a failure is told and the others go on.

    Raises PosecodecError if some failed then; if one of them is corrupt, where that is asked for, a CorruptError.
    """
    if len(names) == 1:
        work(names[0])
        return
    failed: list[PosecodecError] = []
    for name in names:
        try:
            work(name)
        except PosecodecError as error:
            failed.append(error)
            show_lines(f"error: {error}" if name in str(error) else f"error: {name}: {error}", True)
    if failed:
        is_corrupt = tells_corrupt and any(isinstance(error, CorruptError) for error in failed)
        raised = CorruptError if is_corrupt else PosecodecError
        raise raised(f"{len(failed)} of {len(names)} files failed")
