"""Numbers of weights that came along with posecodec: in a header one byte names them, for four of their hash.

What is here stays as it is for ever, since files hold the numbers. New weights go to the end; a test finds those that lack.
"""

from __future__ import annotations

from posecodec.bitstream.fields import FieldReader, HeaderError

ID_BYTES = 4  # Of the SHA-256 that weights are named by
NAME_BYTES = 1  # Of a number
OTHERS = 255  # As a number: the hash follows

KNOWN = tuple(map(bytes.fromhex, (
    "a236f6b9",  # transform
    "8b77768c",  # windows3d
    "bd45c0dc",  # windows2d
    "b776a7a7",  # body3d
    "aa1556ec",  # body2d
    "42ff6134",  # windows3d-nc
    "1344ffb9",  # body3d-nc
    "0241a279",  # c2d-2d-f8-512
)))  # fmt: skip
"""The first bytes of their SHA-256, by number."""


def encode_weights(name: bytes) -> bytes:
    """Their number, or what says that their ID_BYTES follow; b"" where none are named."""
    if not name:
        return b""
    return bytes([KNOWN.index(name)]) if name in KNOWN else bytes([OTHERS]) + name


def decode_weights(source: FieldReader) -> bytes:
    """The mirror of `encode_weights`, where some are named. Raises HeaderError where no such number is known."""
    number = source.read_bytes(NAME_BYTES)[0]
    if number == OTHERS:
        return source.read_bytes(ID_BYTES)
    if number >= len(KNOWN):
        raise HeaderError(f"weights number {number}, which a later posecodec knows")
    return KNOWN[number]
