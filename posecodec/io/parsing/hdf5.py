"""HDF5 files for the formats built on them: read by h5py in a process apart, sizes checked before anything is read.

h5py is an extra. Links to other files, data kept in other files, and sizes that the file's bytes do not justify are
refused. Knows no format, and nothing of h5py: `hdf5_process` talks to it.

Texts of variable length are read without the HDF5 library, which takes as much memory as such a text claims to need, and
runs forever on some damaged ones. What is stored is simple: records of length, address and index that point into "global
heap collections" of numbered objects (HDF5 File Format Specification, III.E). Leaves out compressed data sets of such
texts and addresses of other than 8 bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.io.filesystem import check_file
from posecodec.io.parsing.hdf5_process import HDF5Process, unpack_dtype
from posecodec.io.parsing.numpy_arrays import MAX_DEFLATE
from posecodec.io.unpacking import GZIP
from posecodec.memory import check_memory

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MATLAB = 512  # bytes before the signature in MATLAB's files
_BYTES_FREE = 8 << 20  # bytes that a data set of even a small file may have
_NUMBERS_PER_BYTE = 20  # bytes of an array of numbers for a byte of the file: most may be missing, which packs well
_BYTES_PER_BYTE = 3  # the same of tables, texts and indices, which become objects of many times their size
_DATASETS = 2  # data sets of that size that are read of one file: positions, and all that is smaller
_COPIES = 3  # of a data set that there are at once: as it was read, as positions, and as it is checked
_MAX_NAMES = 100_000  # names in a list: far more than any skeleton or recording has
_MOST_CHUNKS = 1000  # in which a list of names is stored: h5py puts a thousand into one
_MAX_NAME = 1000  # characters of a name
_MAX_ATTRIBUTE = 16 << 20  # bytes of an attribute; HDF5 itself has 64 KiB, other than in its newest layout
_RECORD = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_HEAP, _OBJECT = struct.Struct("<4sB3xQ"), struct.Struct("<HHIQ")


@dataclass(frozen=True, eq=False)
class Member:
    """What is in a file: the process that has it, and the names that lead to it from the root."""

    file: HDF5Process
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"/{'/'.join(self.names)}"


class Group(Member):
    """A folder of members; the root is one."""

    def __contains__(self, name: str) -> bool:
        return bool(self.file.ask("describe", (*self.names, name))["kind"])


@dataclass(frozen=True, eq=False)
class Dataset(Member):
    """An array that was not read yet. shape: None where it holds nothing. elsewhere: whether its data is in other files."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...] | None
    chunks: tuple[int, ...] | None
    elsewhere: bool

    @property
    def ndim(self) -> int:
        return len(self.shape or ())


@contextmanager
def open_file(path: Path) -> Iterator[Group]:
    """The root of an HDF5 file, open for reading in a process that ends with the block.

    Raises UsageError if h5py is not installed, InputError if the file is missing, no HDF5, or cannot be opened. In the
    block every look raises InputError where the file is damaged, or the process ended or took too long.
    """
    check_file(path)
    if not is_hdf5(path):
        with path.open("rb") as stream:
            if stream.read(len(GZIP)) == GZIP:
                raise InputError("gzip around HDF5 is not unpacked; gunzip it and give the file itself")
        raise InputError("this is no HDF5 file (its signature is missing); check that it is the right file")
    with HDF5Process(path) as file:
        yield Group(file, ())


def is_hdf5(path: Path) -> bool:
    """Whether a file begins with HDF5's signature, or has it after MATLAB's header of 512 bytes."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_MATLAB + len(SIGNATURE))
        return SIGNATURE in (head[: len(SIGNATURE)], head[_MATLAB:])
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); check its permissions") from error


def list_names(parent: Group) -> list[str]:
    """What is in a file or group, in order; h5py gives a name that is no UTF-8 as bytes."""
    names = parent.file.ask("list", parent.names)["names"]
    return [str(name) for name in names]


def find_member(parent: Group, name: str) -> Group | Dataset | None:
    """What has this name in a file or group; None where it is neither, or a link to elsewhere."""
    names = (*parent.names, name)
    told = parent.file.ask("describe", names)
    if told["kind"] == "group":
        return Group(parent.file, names)
    if told["kind"] != "dataset":
        return None
    shape, chunks = (None if told[key] is None else tuple(map(int, told[key])) for key in ("shape", "chunks"))
    return Dataset(parent.file, names, unpack_dtype(told["dtype"]), shape, chunks, bool(told["elsewhere"]))


def get_group(parent: Group, name: str) -> Group:
    """A group in a file or group. Raises InputError if there is none."""
    found = find_member(parent, name)
    if not isinstance(found, Group):
        raise _explain_lack(parent, name, "group")
    return found


def get_dataset(parent: Group, name: str) -> Dataset:
    """A data set whose size has been checked. Raises InputError if there is none or it is larger than its bytes justify."""
    found = find_member(parent, name)
    if not isinstance(found, Dataset):
        raise _explain_lack(parent, name, "data set")
    if found.elsewhere:
        raise InputError(f"data set {found.name} keeps its data in other files, which is not read; export it again")
    if found.shape is None:
        raise InputError(f"data set {found.name} is empty; numbers were expected, export it again")
    # A chunk is unpacked as a whole, however little of it the data set uses
    shape = [max(n, chunk) for n, chunk in zip(found.shape, found.chunks or found.shape, strict=True)]
    size, limit = math.prod(shape) * found.dtype.itemsize, _limit(found)
    if size > limit:
        what = f"data set {found.name} states {size} bytes ({found.dtype} {found.shape})"
        most = f"in a file of {found.file.size}, at most {limit} are read"
        raise InputError(f"{what} {most}; export it without compression, or in parts")
    return found


def read_dataset(found: Dataset) -> NDArray[Any]:
    """All of a data set. Raises InputError if that is more than is read of one file."""
    size, limit = math.prod(found.shape or ()) * found.dtype.itemsize, _DATASETS * _limit(found)
    if found.file.held + size > limit:
        raise InputError(
            f"with data set {found.name} more than {limit} bytes would be read of a file of {found.file.size}; export "
            "less of it, or without compression"
        )
    check_memory(_COPIES * size, f"data set {found.name}")
    return found.file.read("read", found.names, size=size)


def read_numbers(parent: Group, name: str, dims: int) -> NDArray[Any]:
    """A data set of numbers with so many dimensions. Raises InputError where it is something else."""
    found = get_dataset(parent, name)
    if found.dtype.kind not in "iuf" or found.ndim != dims:
        what = f"data set {found.name} is {found.dtype} {found.shape}"
        raise InputError(f"{what}; numbers in {dims} dimensions were expected")
    return read_dataset(found)


def read_texts(parent: Group, name: str, longest: int = _MAX_NAME) -> list[str]:
    """A list of names, stored as text of fixed or of variable length. Raises InputError where it is something else.

    longest: characters that one may have.
    """
    found = get_dataset(parent, name)
    if found.shape == (0,):
        return []
    if found.ndim != 1 or found.dtype.kind not in "SO" or _count_rows(found) > _MAX_NAMES:
        raise InputError(f"data set {found.name} is {found.dtype} {found.shape}; a list of names was expected")
    values = read_dataset(found) if found.dtype.kind == "S" else _read_heap_texts(found)
    return [decode_text(value, found.name, longest) for value in values]


def has_attribute(owner: Member, name: str) -> bool:
    """Whether a group or data set has an attribute."""
    return bool(owner.file.ask("describe attribute", owner.names, name))


def read_attribute(owner: Member, name: str) -> Any:
    """The value of an attribute, None where there is none. Raises InputError if it is larger than its file.

    Text of variable length is refused.
    """
    told = owner.file.ask("describe attribute", owner.names, name)
    if not told or told["shape"] is None:
        return None
    dtype, shape = unpack_dtype(told["dtype"]), tuple(map(int, told["shape"]))
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or size > min(MAX_DEFLATE * owner.file.size, _MAX_ATTRIBUTE):
        raise InputError(f"attribute {name!r} of {owner.name} is {dtype} {shape}, which is not read")
    return owner.file.read("read attribute", owner.names, name, size=size)[()]


def decode_text(value: Any, where: str, longest: int = _MAX_NAME) -> str:
    """Text from the bytes or text of an HDF5 file. Raises InputError where it is none, or no name of sensible length."""
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{where} holds text that is no UTF-8; export it again") from error
    if not isinstance(value, str) or len(value) > longest:
        raise InputError(f"{where} holds {value!r:.40} where a name was expected; export it again")
    return str(value)


def _count_rows(found: Dataset) -> int:
    return found.shape[0] if found.shape else 0


def _read_heap_texts(found: Dataset) -> list[bytes]:
    """(n,) texts of variable length in a data set. Raises InputError if it is compressed, or points at what is not there."""
    spans = _find_records(found)
    heaps: dict[int, dict[int, bytes]] = {}
    left = found.file.size
    texts = []
    with found.file.path.open("rb") as stream:
        records = b"".join(_read_span(stream, offset, size) for offset, size in spans)
        for length, address, index in np.frombuffer(records, _RECORD).tolist():
            if address not in heaps:
                heaps[address] = _read_heap(stream, address, left, found.name)
                left -= sum(map(len, heaps[address].values()))
            content = heaps[address].get(index, b"")
            if len(content) < length:
                raise InputError(f"data set {found.name} points at text that is not there; the file is damaged")
            texts.append(content[:length])
    return texts


def _find_records(found: Dataset) -> list[tuple[int, int]]:
    """(offset, bytes) of the records of a data set in its file: one piece, or chunks that are not compressed."""
    count = _count_rows(found)
    told = found.file.ask("records", found.names)
    if told["offset"] is not None and told["stored"] == count * _RECORD.itemsize:
        return [(int(told["offset"]), count * _RECORD.itemsize)]
    rows = found.chunks[0] if found.chunks else 0
    chunks = sorted((int(row), int(offset)) for row, offset in told["chunks"])
    if not rows or len(chunks) != -(-count // rows) or len(chunks) > _MOST_CHUNKS:
        raise InputError(f"data set {found.name} holds text of variable length in another way; store it in one piece")
    if [row for row, _ in chunks] != list(range(0, count, rows)):
        raise InputError(f"data set {found.name} has chunks that do not follow each other; the file is damaged")
    return [(offset, min(rows, count - row) * _RECORD.itemsize) for row, offset in chunks]


def _read_span(stream: BinaryIO, offset: int, size: int) -> bytes:
    if not 0 <= offset < 1 << 62:
        return b""
    stream.seek(offset)
    found = stream.read(size)
    return found[: len(found) // _RECORD.itemsize * _RECORD.itemsize]


def _read_heap(stream: BinaryIO, address: int, left: int, name: str) -> dict[int, bytes]:
    """Objects by index. left: how many bytes the file can hold that were not read yet, as collections never overlap."""
    if address >> 62:
        return {}
    stream.seek(address)
    head = stream.read(_HEAP.size)
    signature, version, size = _HEAP.unpack(head) if len(head) == _HEAP.size else (b"", 0, 0)
    if signature != b"GCOL" or version != 1 or size > left:
        raise InputError(f"data set {name} points at text that is not there; the file is damaged")
    data = stream.read(max(size - len(head), 0))
    objects, at = dict[int, bytes](), 0
    while at + _OBJECT.size <= len(data):
        index, _, _, length = _OBJECT.unpack_from(data, at)
        at += _OBJECT.size
        if not index:
            break
        objects[index] = data[at : at + length]
        at += -(-length // 8) * 8
    return objects


def _explain_lack(parent: Group, name: str, what: str) -> InputError:
    here = f"{parent.name.rstrip('/')}/{name}"
    if name in parent:
        return InputError(f"{here} is no {what} of this file; export it again")
    return InputError(f"no {what} {here}, only {list_names(parent)[:10]}; export it again")


def _limit(found: Dataset) -> int:
    """How many bytes a data set may have. An array is numbers in several dimensions; a row of them may be an index."""
    is_array = found.dtype.kind in "iuf" and found.ndim > 1
    times = _NUMBERS_PER_BYTE if is_array else _BYTES_PER_BYTE
    return min(MAX_DEFLATE * found.file.size, times * found.file.size + _BYTES_FREE)
