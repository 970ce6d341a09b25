"""A skeleton that is not built in, in few bytes: numbers for edges and pairs, names against a dictionary of usual ones.

`spell` is mirrored by `read_spelled`; docs/bitstream.md specifies both.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import zstandard

from posecodec.bitstream.fields import JSON_COST, FieldReader, HeaderError, encode_varint, take_steps
from posecodec.errors import CorruptError
from posecodec.memory import check_justified, is_justified
from posecodec.pose.skeleton import MAX_KEYPOINTS, Skeleton
from posecodec.pose.skeletons.builtin import pair_sides

LEVEL = 19  # Of zstd
_MAGIC = b"\x28\xb5\x2f\xfd"  # What frames begin with, and those here do not


def spell(skeleton: Skeleton) -> bytes | None:
    """The bytes of a skeleton; None where its names cannot be lines of text, or are longer than readers take."""
    names = skeleton.keypoints
    if any("\n" in name for name in (skeleton.name, *names)):
        return None
    numbers = [len(names), 0 if skeleton.root is None else skeleton.root + 1, len(skeleton.edges)]
    numbers += take_steps(skeleton.edges)
    by_name = skeleton.pairs == pair_sides(names)
    numbers += [0] if by_name else [len(skeleton.pairs) + 1, *take_steps(skeleton.pairs)]
    prefix = os.path.commonprefix(names)
    try:
        plain = [_lay_out(skeleton.name, names, numbers, taken) for taken in dict.fromkeys(("", prefix))]
    except UnicodeEncodeError:
        return None
    if not is_justified(JSON_COST * (len(plain[0]) + len(prefix.encode()) + 1), 0):
        return None
    packer = zstandard.ZstdCompressor(dict_data=_load_words(), compression_params=_choose_parameters())
    packed = [(packer.compress(laid), laid) for laid in plain]
    shortest, laid = min(packed, key=lambda pair: len(pair[0]))
    return encode_varint(len(shortest)) + encode_varint(len(laid)) + shortest


def _lay_out(name: str, names: tuple[str, ...], numbers: list[int], prefix: str) -> bytes:
    lines = (name, prefix, *(each[len(prefix) :] for each in names))
    return b"".join(encode_varint(number) for number in numbers) + "\n".join(lines).encode()


def read_spelled(source: FieldReader, most_edges: int) -> Skeleton:
    """The mirror of `spell`. Raises HeaderError, CorruptError, or what a value raises."""
    size, length = source.read_varint(), source.read_varint()
    check_justified(JSON_COST * length, 0, "the skeleton", CorruptError)
    frame = source.read_bytes(size)
    if zstandard.frame_content_size(_MAGIC + frame) not in (-1, length):  # which zstd would take memory for
        raise HeaderError("a skeleton of another size than it states")
    unpacker = zstandard.ZstdDecompressor(dict_data=_load_words(), format=zstandard.FORMAT_ZSTD1_MAGICLESS)
    plain = unpacker.decompress(frame, max_output_size=max(length, 1))
    if len(plain) != length:
        raise HeaderError(f"a skeleton of {len(plain)} bytes, not {length}")
    numbers = _Numbers(plain)
    count, root, edge_count = numbers.take(), numbers.take(), numbers.take()
    if count > MAX_KEYPOINTS or edge_count > most_edges:
        raise HeaderError(f"{count} keypoints, {edge_count} edges")
    edges = tuple(numbers.take_pairs(edge_count))
    listed = numbers.take()
    pairs = tuple(numbers.take_pairs(min(listed, MAX_KEYPOINTS) - 1)) if listed else None
    name, *lines = plain[numbers.place :].decode().split("\n")
    if len(lines) != count + 1:
        raise HeaderError(f"{len(lines)} lines for the names of {count} keypoints")
    check_justified(JSON_COST * (len(lines[0]) * count + length), 0, "the skeleton", CorruptError)
    names = tuple(lines[0] + line for line in lines[1:])
    return Skeleton(name, names, edges, pair_sides(names) if pairs is None else pairs, root - 1 if root else None)


class _Numbers:
    """Varints one after the other, and pairs of them."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def take(self) -> int:
        value, shift = 0, 0
        while shift < 21:
            byte = self.data[self.place]
            self.place += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise HeaderError("a number of more than 21 bits")

    def take_pairs(self, count: int) -> Iterator[tuple[int, int]]:
        last = 0
        for _ in range(count):
            last += _unfold(self.take())
            yield last - _unfold(self.take()), last


def _unfold(value: int) -> int:
    return -(value + 1) // 2 if value & 1 else value // 2


@lru_cache(maxsize=1)
def _load_words() -> zstandard.ZstdCompressionDict:
    from posecodec.bitstream.words import build_words  # which only such skeletons need

    return zstandard.ZstdCompressionDict(build_words(), dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _choose_parameters() -> Any:
    return zstandard.ZstdCompressionParameters.from_level(
        LEVEL,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_checksum=False,
        write_content_size=False,
        write_dict_id=False,
    )
