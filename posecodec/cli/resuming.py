"""What a folder run has done, so that the next one skips just that: a line a file in MANIFEST, in the output folder.

A line holds two hashes: of what was asked (options and content of the source) and of what was written. Whatever differs is
done again. Nothing is kept in the outputs themselves: an encoded clip of some hundred bytes has no room for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from posecodec.errors import UsageError

MANIFEST = ".posecodec.jsonl"
HASH_BYTES = 12  # Of a hash: two of a billion files agree with a chance of 10^-11
BLOCK = 1 << 20  # Bytes that are read at once


@dataclass(frozen=True)
class Entry:
    """file: what a line is about, under the output folder, without the suffix that a decode adds. asked, made: hashes; made
    is "" while it is being written. output: the file or folder that was written. source: what of, under the input folder."""

    file: str
    asked: str = ""
    made: str = ""
    output: str = ""
    source: str = ""


@dataclass(frozen=True)
class Memory:
    """What is known of one file of a run. root: the output folder."""

    root: Path
    entry: Entry

    @property
    def output(self) -> Path:
        """What was written the last time."""
        return self.root / self.entry.output

    def holds(self, asked: str) -> bool:
        """Whether what is asked was asked the last time, and what was written is still there as it was."""
        return bool(asked) and asked == self.entry.asked and self.is_ours()

    def is_ours(self) -> bool:
        """Whether the output is what the last run wrote; nobody has changed it."""
        return bool(self.entry.made) and self.output.exists() and hash_content(self.output) == self.entry.made

    def is_half_done(self) -> bool:
        """Whether the last run was killed while it was at this file."""
        return bool(self.entry.asked) and not self.entry.made

    def begin(self, asked: str) -> None:
        """Remember that the file is being written; on disk, so that after a power cut it is known whose the output is."""
        self._append(replace(self.entry, asked=asked, made="", output=""), sync=True)

    def give_up(self) -> None:
        """Remember what was there before."""
        self._append(self.entry)

    def finish(self, asked: str, output: Path) -> None:
        """Remember what was written."""
        made = output.relative_to(self.root).as_posix()
        self._append(replace(self.entry, asked=asked, made=hash_content(output), output=made))

    def _append(self, entry: Entry, sync: bool = False) -> None:
        line = json.dumps({name: value for name, value in asdict(entry).items() if value})
        try:
            from posecodec.io.replacing import append_line  # here, since the help needs no NumPy

            append_line(self.root / MANIFEST, line, sync)
        except OSError as error:
            raise UsageError(
                f"{self.root / MANIFEST}: cannot be written ({error.strerror}); check the folder"
            ) from error


def read_manifest(root: Path) -> dict[str, Entry]:
    """The last line of every file; lines that are none are passed over, and their files done again."""
    try:
        lines = (root / MANIFEST).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError, RecursionError):
            continue
        if all(isinstance(getattr(entry, each.name), str) for each in fields(Entry)):
            found[entry.file] = entry
    return found


def hash_request(source: Path, settings: Any) -> str:
    """Of the options, the files that they name, and the source; "" where that cannot be read."""
    asked = replace(settings, force=False, device="", ours=None)
    digest = hashlib.blake2b(f"{type(settings).__module__} {asked!r}".encode(), digest_size=HASH_BYTES)
    try:
        for path in (source, *_list_files(asked)):
            digest.update(hash_content(path).encode())
    except OSError:
        return ""
    return digest.hexdigest()


def hash_content(path: Path) -> str:
    """Of a file, or of all in a folder with their names."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    if path.is_dir():
        for inside in sorted(p for p in path.rglob("*") if p.is_file() and p.name != MANIFEST):
            name = inside.relative_to(path).as_posix().encode(errors="surrogateescape")
            digest.update(b"%d %s %s" % (len(name), name, hash_content(inside).encode()))
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _list_files(settings: Any) -> Iterator[Path]:
    """Files that options name, such as a skeleton's or weights."""
    for value in (getattr(settings, each.name) for each in fields(settings)):
        if is_dataclass(value):
            yield from _list_files(value)
        elif isinstance(value, str) and value and Path(value).is_file():
            yield Path(value)
