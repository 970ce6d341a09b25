"""HDF5 files for the formats built on them: opened with h5py, sizes checked before anything is read.

h5py is an extra and imported here only, when a file is opened. Links to other files, data kept in other files, and sizes
that the file cannot hold are refused, so that no header takes more memory than 10 times the file. Knows no format.

Texts of variable length are read without the HDF5 library, which takes as much memory as such a text claims to need, and
runs forever on some damaged ones. What is stored is simple: records of length, address and index that point into "global
heap collections" of numbered objects (HDF5 File Format Specification, III.E). Leaves out compressed data sets of such
texts and addresses of other than 8 bytes.
"""

from __future__ import annotations

import math
import struct
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError
from posecodec.io.filesystem import GZIP, check_file
from posecodec.io.parsing.numpy_arrays import MAX_DEFLATE

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MATLAB = 512  # bytes before the signature in MATLAB's files
_BYTES_PER_BYTE = 3  # bytes of a data set for a byte of the file: what is made of it is at most three times as large
_BYTES_FREE = 60 << 20  # bytes that a data set of even a small file may have
_BYTES_TO_WORK, _WORK_PER_BYTE = 140 << 20, 16  # bytes that reading may take: in all, and for each of the file
_MAX_NAMES = 100_000  # names in a list: far more than any skeleton or recording has
_MOST_CHUNKS = 1000  # in which a list of names is stored: h5py puts a thousand into one
_MAX_NAME = 1000  # characters of a name
_RECORD = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_HEAP, _OBJECT = struct.Struct("<4sB3xQ"), struct.Struct("<HHIQ")


@contextmanager
def open_file(path: Path) -> Iterator[Any]:
    """An HDF5 file, open for reading (an `h5py.File`).

    Raises UsageError if h5py is not installed, InputError if the file is missing, no HDF5, or cannot be opened, and for
    whatever h5py raises in the body: it does so wherever it meets damage, be it in a mere look for a name.
    """
    check_file(path)
    if not is_hdf5(path):
        with path.open("rb") as stream:
            if stream.read(len(GZIP)) == GZIP:
                raise InputError("gzip around HDF5 is not unpacked; gunzip it and give the file itself")
        raise InputError("this is no HDF5 file (its signature is missing); check that it is the right file")
    try:
        import h5py
    except ImportError as error:
        raise UsageError("reading HDF5 needs h5py; pip install 'posecodec[h5]'") from error
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"HDF5 cannot open it ({error}); the file is cut short or damaged") from error
    with file, _limit_memory(_BYTES_TO_WORK + _WORK_PER_BYTE * path.stat().st_size):
        try:
            yield file
        except (LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
            *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
            if "h5py" not in Path(innermost.f_code.co_filename).parts:
                raise
            raise InputError(f"HDF5 cannot read it ({error}); the file is cut short or damaged") from error


@contextmanager
def _limit_memory(extra: int) -> Iterator[None]:
    """At most so many bytes more for this process meanwhile, where Linux can say so: on some damaged files libhdf5 takes
    all that there are, in a mere look for a name."""
    try:
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, OSError):
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (held + extra if soft < 0 else min(held + extra, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def is_hdf5(path: Path) -> bool:
    """Whether a file begins with HDF5's signature, or has it after MATLAB's header of 512 bytes."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_MATLAB + len(SIGNATURE))
        return SIGNATURE in (head[: len(SIGNATURE)], head[_MATLAB:])
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); check its permissions") from error


def list_names(parent: Any) -> list[str]:
    """What is in a file or group, in order; h5py gives a name that is no UTF-8 as bytes."""
    return sorted(map(str, parent))


def get_group(parent: Any, name: str) -> Any:
    """A group in a file or group. Raises InputError if there is none."""
    return _get_member(parent, name, "Group", "group")


def get_dataset(parent: Any, name: str) -> Any:
    """A data set whose size has been checked. Raises InputError if there is none or it is larger than can be."""
    found = _get_member(parent, name, "Dataset", "data set")
    if found.external or found.is_virtual:
        raise InputError(f"data set {found.name} keeps its data in other files, which is not read; export it again")
    if found.shape is None:
        raise InputError(f"data set {found.name} is empty; numbers were expected, export it again")
    # A chunk is unpacked as a whole, however little of it the data set uses
    shape = [max(n, chunk) for n, chunk in zip(found.shape, found.chunks or found.shape, strict=True)]
    size, limit = math.prod(shape) * found.dtype.itemsize, _limit(found.file)
    if size > limit:
        what = f"data set {found.name} states {size} bytes ({found.dtype} {found.shape})"
        most = f"in a file of {found.file.id.get_filesize()}, at most {limit} are read"
        raise InputError(f"{what} {most}; export it without compression, or in parts")
    return found


def read_numbers(parent: Any, name: str, dims: int) -> NDArray[Any]:
    """A data set of numbers with so many dimensions. Raises InputError where it is something else."""
    found = get_dataset(parent, name)
    if found.dtype.kind not in "iuf" or found.ndim != dims:
        what = f"data set {found.name} is {found.dtype} {found.shape}"
        raise InputError(f"{what}; numbers in {dims} dimensions were expected")
    return _read(found)


def read_texts(parent: Any, name: str, longest: int = _MAX_NAME) -> list[str]:
    """A list of names, stored as text of fixed or of variable length. Raises InputError where it is something else.

    longest: characters that one may have.
    """
    found = get_dataset(parent, name)
    if found.shape == (0,):
        return []
    if found.ndim != 1 or found.dtype.kind not in "SO" or found.shape[0] > _MAX_NAMES:
        raise InputError(f"data set {found.name} is {found.dtype} {found.shape}; a list of names was expected")
    values = _read(found) if found.dtype.kind == "S" else _read_heap_texts(found)
    return [decode_text(value, found.name, longest) for value in values]


def read_attribute(owner: Any, name: str) -> Any:
    """The value of an attribute, None where there is none. Raises InputError if it is larger than its file.

    Text of variable length is refused.
    """
    if name not in owner.attrs:
        return None
    found = owner.attrs.get_id(name)
    if found.dtype.hasobject or math.prod(found.shape or ()) * found.dtype.itemsize > _limit(owner.file):
        raise InputError(f"attribute {name!r} of {owner.name} is {found.dtype} {found.shape}, which is not read")
    return owner.attrs[name]


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


def _read_heap_texts(found: Any) -> list[bytes]:
    """(n,) texts of variable length in a data set. Raises InputError if it is compressed, or points at what is not there."""
    spans = _find_records(found)
    path = Path(found.file.filename)
    heaps: dict[int, dict[int, bytes]] = {}
    left = path.stat().st_size
    texts = []
    with path.open("rb") as stream:
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


def _find_records(found: Any) -> list[tuple[int, int]]:
    """(offset, bytes) of the records of a data set in its file: one piece, or chunks that are not compressed."""
    offset, count = found.id.get_offset(), found.shape[0]
    if offset is not None and found.id.get_storage_size() == count * _RECORD.itemsize:
        return [(offset, count * _RECORD.itemsize)]
    rows = found.chunks[0] if found.chunks else 0
    chunks = found.id.get_num_chunks() if rows else 0
    if not rows or found.id.get_create_plist().get_nfilters() or chunks != -(-count // rows) or chunks > _MOST_CHUNKS:
        raise InputError(f"data set {found.name} holds text of variable length in another way; store it in one piece")
    infos = sorted((found.id.get_chunk_info(i) for i in range(chunks)), key=lambda info: info.chunk_offset)
    sizes = [min(rows, count - info.chunk_offset[0]) * _RECORD.itemsize for info in infos]
    if [info.chunk_offset[0] for info in infos] != list(range(0, count, rows)):
        raise InputError(f"data set {found.name} has chunks that do not follow each other; the file is damaged")
    return [(info.byte_offset, size) for info, size in zip(infos, sizes, strict=True)]


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


def _get_member(parent: Any, name: str, kind: str, what: str) -> Any:
    """kind: the class in h5py. what: its name in errors."""
    import h5py

    here = f"{parent.name.rstrip('/')}/{name}"
    link = parent.get(name, getlink=True) if name in parent else None
    if link is None:
        raise InputError(f"no {what} {here}, only {list_names(parent)[:10]}; export it again")
    found = parent[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, getattr(h5py, kind)):
        raise InputError(f"{here} is no {what} of this file; export it again")
    return found


def _limit(file: Any) -> int:
    """How many bytes a data set may have, so that what is made of it stays within 10 times the file + 200 MB."""
    size = int(file.id.get_filesize())
    return min(MAX_DEFLATE * size, _BYTES_PER_BYTE * size + _BYTES_FREE)


def _read(found: Any) -> NDArray[Any]:
    try:
        return np.asarray(found[()])
    except (OSError, RuntimeError) as error:
        raise InputError(f"data set {found.name} cannot be read ({error}); the file is cut short or damaged") from error
