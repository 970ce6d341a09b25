"""What gzip, bzip2 and xz packed, as a stream that never gives more than its bytes justify. Knows no file and no format."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import BinaryIO, Protocol

from posecodec.errors import InputError, report_change
from posecodec.memory import check_memory

GZIP, _BZIP2, _XZ = b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0"
UNPACKED_FREE, UNPACKED_TIMES = 4 << 20, 50
"""Bytes that any packed file may unpack to, and bytes for each of its own. A reader's time and memory are then counted from
what was packed: text packs 3 to 20 times smaller, while a bomb can be a thousand, and one of bzip2 a million."""
_PIECE = (
    1 << 14
)  # bytes that are unpacked at once: a file may be of very many parts, and each copies what is left of its piece
_MAX_DICTIONARY = 40 << 20  # bytes that xz may keep: those of all its presets but the last, which text does not need


class _Engine(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's engine in the manner of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _start_xz() -> _Engine:
    return lzma.LZMADecompressor(memlimit=_MAX_DICTIONARY)


_KINDS: Mapping[bytes, tuple[str, Callable[[], _Engine]]] = {
    GZIP: ("gzip", _Gzip), _BZIP2: ("bzip2", bz2.BZ2Decompressor), _XZ: ("xz", _start_xz),
}  # fmt: skip


def find_packer(head: bytes) -> str | None:
    """What packed a file that begins so, None where nothing did.

    >>> find_packer(b"BZh91AY"), find_packer(b"frame,x,y")
    ('bzip2', None)
    """
    return next((name for mark, (name, _) in _KINDS.items() if head.startswith(mark)), None)


def limit_unpacked(size: int) -> int:
    """How many bytes may come out of so many that are packed."""
    return UNPACKED_FREE + UNPACKED_TIMES * size


class Unpacked(io.RawIOBase):
    """The content of a packed stream, part after part; bytes after the last part are left out, with a note.

    size: packed bytes. Reading raises InputError where it is damaged, ends early, or unpacks to more than
    `limit_unpacked` or `memory` allows.
    """

    def __init__(self, packed: BinaryIO, size: int) -> None:
        self._packed = packed
        self._left = self._limit = limit_unpacked(size)
        self._piece = packed.read(_PIECE)
        self._mark, (self._name, self._start) = next(
            (mark, kind) for mark, kind in _KINDS.items() if self._piece.startswith(mark)
        )
        self._engine: _Engine = self._start()
        self._is_over = False

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, fewer at the end; all of them for -1."""
        parts, wanted = list[bytes](), size if size >= 0 else self._limit + 1
        while wanted > 0 and not self._is_over:
            part = self._unpack(min(wanted, max(self._left + 1, 1)))
            parts.append(part)
            wanted -= len(part)
            self._left -= len(part)
            check_memory(self._limit - self._left, "what it unpacks to")
            if self._left < 0:
                raise InputError(
                    f"it unpacks to more than {self._limit} bytes, which is not read; unpack it and give what is in it"
                )
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _unpack(self, most: int) -> bytes:
        """Some bytes more; the next part, or the end, where a part is over."""
        if self._engine.eof:
            self._begin_part()
            return b""
        piece = self._piece or (self._packed.read(_PIECE) if self._engine.needs_input else b"")
        self._piece = b""
        try:
            part = self._engine.decompress(piece, most)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise InputError(f"{self._name} cannot unpack it ({error}); fetch or pack it again") from error
        if not piece and not part and not self._engine.eof:
            raise InputError(f"the {self._name} file ends early; it is cut short, fetch or pack it again")
        return part

    def _begin_part(self) -> None:
        rest = self._engine.unused_data
        rest += self._packed.read(_PIECE - len(rest)) if len(rest) < len(self._mark) else b""
        if rest.startswith(self._mark):
            self._engine, self._piece = self._start(), rest
            return
        self._is_over = True
        rest += self._packed.read()
        if rest.strip(b"\0"):
            report_change(f"{len(rest)} bytes after what {self._name} packed are left out")


def unpack(data: bytes) -> bytes:
    """What a packed file's bytes hold. Raises InputError as `Unpacked` does, and where that is nothing."""
    stream = Unpacked(io.BytesIO(data), len(data))
    content = stream.read()
    if not content:
        raise InputError(f"the {find_packer(data)} file holds nothing; fetch or pack it again")
    return content
