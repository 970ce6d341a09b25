"""Members of a zip archive, read whole, their sizes checked before anything is unpacked. Knows no format."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from posecodec.errors import InputError


def read_members(
    source: Path | BinaryIO, wanted: Collection[str], size: int, max_bytes: int
) -> tuple[dict[str, bytes], list[str]]:
    """The wanted members that are there, by name, and the names of all.

    size: bytes of the archive. Raises InputError if a member is larger than `max_bytes`, compressed in another way than
    NumPy's, or the archive is damaged.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            found = [info for info in archive.infolist() if info.filename in wanted]
            for info in found:
                _check_member(info, size, max_bytes)
            return {info.filename: archive.read(info) for info in found}, archive.namelist()
    except (ArithmeticError, LookupError, RuntimeError, ValueError) as error:
        raise InputError(f"the zip archive cannot be read ({error}); the file is cut short or damaged") from error


def _check_member(info: zipfile.ZipInfo, size: int, max_bytes: int) -> None:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{info.filename} is compressed by method {info.compress_type}; save it with numpy again")
    if info.file_size > max_bytes:
        raise InputError(f"{info.filename} states {info.file_size} bytes in a file of {size}; the file is damaged")
