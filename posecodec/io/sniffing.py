"""What a format may look at to tell whether a file or folder is its own, and what it answers. Knows no format.

Names and marks only: whether the content makes sense is for the format's reader to find.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from pathlib import Path

from posecodec.errors import InputError
from posecodec.io.filesystem import find_suffix, read_bytes

HEAD = 1 << 16  # Bytes that are looked at for what stands at a file's beginning
_NPY, _HDF5, _ZIP = b"\x93NUMPY", b"\x89HDF\r\n", b"PK\x03\x04"
_TAR_MARK = slice(257, 262)
_BOM = b"\xef\xbb\xbf"


class Certainty(IntEnum):
    """How much a clue says: a HINT gives way to what is LIKELY, and that to what is SURE."""

    HINT = 1
    LIKELY = 2
    SURE = 3


@dataclass(frozen=True)
class Clue:
    """What speaks for a format.

    why: in words that follow "by". is_whole: False of a folder that has a recording in it rather than being one.
    """

    why: str
    certainty: Certainty = Certainty.SURE
    is_whole: bool = True


def read_head(path: Path) -> bytes:
    """The first HEAD bytes of a file. Raises InputError if it may not be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


class Source:
    """A file or folder that formats are asked about. It is read at most once, and only if one looks into it.

    suffix: in small letters, without .gz; the content of such a file is what was packed.

    >>> Source("take_01.BVH").suffix
    '.bvh'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.suffix = find_suffix(self.path)
        self.is_folder = self.path.is_dir()

    @cached_property
    def data(self) -> bytes:
        """All bytes of the file, none of a folder. Raises InputError if it is missing, empty, or may not be read."""
        return b"" if self.is_folder else read_bytes(self.path)

    @cached_property
    def head(self) -> bytes:
        """The first HEAD bytes."""
        return self.data[:HEAD]

    @cached_property
    def names(self) -> list[str]:
        """What is in the folder, nothing of a file."""
        try:
            return [path.name for path in self.path.iterdir()] if self.is_folder else []
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}); check its permissions") from error

    @cached_property
    def first_line(self) -> bytes:
        """Of the text, without blanks around it."""
        return self._text.split(b"\n", 1)[0].strip()

    @property
    def is_tar(self) -> bool:
        """Whether it is a tar archive."""
        return self.head[_TAR_MARK] == b"ustar" and not self.head.startswith((_NPY, _HDF5, _ZIP))

    @property
    def is_npy(self) -> bool:
        """Whether it is an array of NumPy's."""
        return self.head.startswith(_NPY)

    @property
    def is_zip(self) -> bool:
        """Whether it is a zip archive."""
        return self.head.startswith(_ZIP)

    @property
    def is_json(self) -> bool:
        """Whether it begins as JSON does."""
        return self._text[:1] in (b"{", b"[") and not self.is_tar

    @property
    def _text(self) -> bytes:
        return self.head.removeprefix(_BOM).lstrip()

    def find_start(self, mark: bytes) -> Clue | None:
        """The clue that the first line begins with a mark, if it does."""
        return Clue(f"beginning with {mark.decode()}") if self.first_line.startswith(mark) else None

    def find_in_json(self, *marks: bytes, certainty: Certainty = Certainty.SURE) -> Clue | None:
        """The clue that this is JSON and holds one of the marks, the first of them that it holds."""
        found = (mark for mark in marks if self.is_json and mark in self.data)
        return next((Clue(f"the {mark.decode()} in it", certainty) for mark in found), None)

    def find_in_hdf5(self, *marks: bytes) -> Clue | None:
        """The clue that this is HDF5 and holds one of the names, the first of them that it holds."""
        found = (mark for mark in marks if self.head.startswith(_HDF5) and mark in self.data)
        return next((Clue(f"the name {mark.decode()} in it") for mark in found), None)

    def find_name(self, pattern: re.Pattern[str], mark: str) -> Clue | None:
        """The clue that a file in the folder has a name of such a pattern, which `mark` tells in short."""
        found = any(pattern.fullmatch(name) for name in self.names)
        return Clue(f"the {mark} in it") if found else None

    def find_in_files(self, pattern: re.Pattern[str], *marks: bytes) -> Clue | None:
        """The clue that the first file in the folder with a name of such a pattern holds one of the marks."""
        name = min((name for name in self.names if pattern.fullmatch(name)), default=None)
        if name is None or not (self.path / name).is_file():
            return None
        head = read_head(self.path / name)
        return next((Clue(f"the {mark.decode()} in {name}") for mark in marks if mark in head), None)
