"""Texts of variable length in an HDF5 file, read without the HDF5 library.

The library takes as much memory as such a text claims to need, and runs forever on some damaged ones. What is stored is
simple: records of length, address and index that point into "global heap collections" of numbered objects (HDF5 File
Format Specification, III.E). Leaves out chunked data sets and addresses of other than 8 bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from posecodec.errors import InputError

_RECORD = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_HEAP, _OBJECT = struct.Struct("<4sB3xQ"), struct.Struct("<HHIQ")


def heap_texts(found: Any) -> list[bytes]:
    """The texts of a data set (n,) of variable-length text (an `h5py.Dataset`), as bytes.

    Raises InputError if it is chunked, or points at what is not there.
    """
    offset, count = found.id.get_offset(), found.shape[0]
    if offset is None or found.id.get_storage_size() != count * _RECORD.itemsize:
        raise InputError(f"data set {found.name} holds text of variable length in chunks; store it in one piece")
    path = Path(found.file.filename)
    heaps: dict[int, dict[int, bytes]] = {}
    left = path.stat().st_size
    texts = []
    with path.open("rb") as stream:
        stream.seek(offset)
        for length, address, index in np.frombuffer(stream.read(count * _RECORD.itemsize), _RECORD).tolist():
            if address not in heaps:
                heaps[address] = _heap(stream, address, left, found.name)
                left -= sum(map(len, heaps[address].values()))
            content = heaps[address].get(index, b"")
            if len(content) < length:
                raise InputError(f"data set {found.name} points at text that is not there; the file is damaged")
            texts.append(content[:length])
    return texts


def _heap(stream: BinaryIO, address: int, left: int, name: str) -> dict[int, bytes]:
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
