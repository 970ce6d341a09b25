"""Members of a zip archive, read whole, their sizes checked before anything is unpacked. Knows no format."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from posecodec.errors import InputError
from posecodec.io.unpacking import limit_unpacked
from posecodec.memory import check_memory

_COPIES = 2  # of the arrays that there are at once: as they are in the archive, and as they are checked


def read_members(source: Path | BinaryIO, wanted: Collection[str], size: int) -> tuple[dict[str, bytes], list[str]]:
    """The wanted members that are there, by name, and the names of all.

    size: bytes of the archive. Raises InputError if the members unpack to more than these justify, are compressed in
    another way than NumPy's, or the archive is damaged.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            found = {info.filename: info for info in archive.infolist() if info.filename in wanted}
            _check_members(list(found.values()), size)
            return {name: _read_member(archive, info) for name, info in found.items()}, archive.namelist()
    except (ArithmeticError, LookupError, RuntimeError, ValueError) as error:
        raise InputError(f"the zip archive cannot be read ({error}); the file is cut short or damaged") from error


def _check_members(found: list[zipfile.ZipInfo], size: int) -> None:
    odd = next((i for i in found if i.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)), None)
    if odd is not None:
        raise InputError(f"{odd.filename} is compressed by method {odd.compress_type}; save it with numpy again")
    total, limit = sum(info.file_size for info in found), limit_unpacked(size)
    if total > limit:
        raise InputError(
            f"its arrays state {total} bytes in a file of {size}, at most {limit} are read; the file is damaged, or save it "
            "with numpy.savez, which does not compress"
        )
    check_memory(_COPIES * total, "what is in the zip archive")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """No more than its stated size is unpacked: `ZipFile.read` would unpack all that is there."""
    with archive.open(info) as stream:
        content = stream.read(info.file_size)
        if len(content) != info.file_size:
            raise InputError(f"{info.filename} has {len(content)} bytes, {info.file_size} are stated; it is cut short")
        return content
