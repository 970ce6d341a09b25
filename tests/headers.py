"""What tests of the container share: headers with everything in them, and forged ones."""

import binascii
import dataclasses
import zlib

import numpy as np

from posecodec.bitstream.container import Chunk, read, read_header, write
from posecodec.bitstream.guarantee import Guarantee
from posecodec.bitstream.header import VERSION, Header, Track
from posecodec.bitstream.known_weights import KNOWN
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO17, COCO19

PLAIN = Header(
    KNOWN[1], b"", 3, "mm", "y", "y", COCO19, 30.0, None, 300, ("0",), (Track(0, 0, 300),)
)  # fmt: skip
CROWD = Header(
    b"\xff\x00\x80\x7f", b"\x05\x06\x07\x08", 2, "px", "-y", "-y", COCO17, 29.97002997, None, 1500, ("Ægir", "x"),
    (Track(0, 0, 1100), Track(1, 200, 16)), guarantee=Guarantee("bitrate", 1.5, 0.6),
)  # fmt: skip
"""Everything that a header may have but packed fields, whose bytes are zstandard's affair."""


def variant(**fields):
    return dataclasses.replace(PLAIN, **fields)


def rich():
    """A header with everything in it that a header can have, and its chunks."""
    skeleton = Skeleton("fünf", ("a", "b", "c", "d", "é"), ((0, 1), (1, 2)), ((3, 4),), 2)
    header = Header(
        b"\xff\x00\x80\x7f", b"\x05\x06\x07\x08", 2, "px", "-y", "-x", skeleton, None,
        np.array([0.0, 0.1, 0.25, 7.5e3, 1e9]), 5, ("Ægir", "", "三"), (Track(0, 0, 5), Track(2, 1, 2), Track(2, 4, 1)),
        {"note": "naïve", "list": [1, 2.5, None, True], "nested": {"a": {}}}, Guarantee("max-error", 0.5, 0.2),
    )  # fmt: skip
    return header, [Chunk(b"\x00\x01"), Chunk(b"", b"fine"), Chunk(b"payload", b"more")]


def whole(name):
    """A file of each layout: single, layered, or of several chunks without refinement."""
    if name == "single":
        return write(PLAIN, [Chunk(b"payload")])
    if name == "layered":
        return write(variant(transform=b"abcd"), [Chunk(b"payload", b"refinement")])
    if name == "many":
        return write(variant(frames=3000, tracks=(Track(0, 0, 3000),)), [Chunk(b"abc"), Chunk(b""), Chunk(b"de")])
    return write(*rich())


FILES = ("single", "layered", "many", "rich")


def assert_same(header, other):
    for field in dataclasses.fields(Header):
        a, b = getattr(header, field.name), getattr(other, field.name)
        if field.name == "timestamps" and a is not None:
            assert b is not None and b.dtype == np.float64 and a.tobytes() == b.tobytes()
        else:
            assert a == b, field.name


def round_trip(header, chunks=None):
    if chunks is None:
        chunks = [Chunk(bytes([i % 251]) * (i % 7)) for i in range(header.chunk_count)]
    data = write(header, chunks)
    found, others = read(data)
    assert_same(header, found)
    assert_same(header, read_header(data))
    assert others == chunks
    return data


def sealed(head, single=False):
    """A file of no or of an empty chunk from header bytes, with the checksum they need to be believed."""
    return head + (
        zlib.crc32(head).to_bytes(4, "little") if single else binascii.crc_hqx(head, 0xFFFF).to_bytes(2, "little")
    )


def forged(flags, rest, shape=0x40, labels=0x11, layout=1, version=VERSION):
    name = (b"\xff" if version == VERSION else b"") + b"\x01\x02\x03\x04"
    head = b"PSC" + bytes([version | layout << 4]) + name * (layout & 3).bit_count()
    return sealed(head + bytes([flags, labels, shape]) + rest, bool(layout & 8))
