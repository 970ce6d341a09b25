"""A chunk's tokens and what they do not say, as bits and back: where the body starts, how large it is, and remainders
of its path.

`write` and `read` mirror each other; docs/bitstream.md specifies them. All of it is integers, and no network runs.
Step by step come the tokens of the first level, the remainders, and the tokens of the later levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.exp_golomb import build_exp_golomb, get_exp_golomb, get_raw, put_raw
from posecodec.coders.tokens.prior import Prior
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.typing import Floats, Ints

SIZE_STEPS_PER_OCTAVE = 32  # 2.2 % a step: half of that, 20 mm of an adult's height, is the most that is lost
SIZE_LOW = 1  # Low bits of the size, which differs from what the unit lets expect
MOST_SIZE = 4096  # Steps of sizes that can be told: 128 octaves either way
HEADING_BITS = 6  # Of the first heading: 64ths of a turn, 5.6 degrees; the first step's path tells the rest
PLACE_STEPS = 128  # Steps of a place in a body size: 34 mm of an adult
PLACE_LOW = {3: (6, 2, 6), 2: (6, 6)}
"""Low bits of a place by dimensions: 64 steps, 2 m, without an escape; of a height, which is as expected, 4 steps."""
LEVEL_BITS = 3  # Of how many levels there are, less 1
ESCAPE_LOW = 2  # Low bits of how far beyond
NEAR = 5  # Classes of a remainder by the one before it in its channel: -2 and less, -1, 0, 1, 2 and more
MOST_REMAINDER = 8  # Remainders of this magnitude and more are an escape


@dataclass(frozen=True, eq=False)
class Start:
    """Where a chunk begins. size: in 1/32 octaves of the usual one, in the recording's unit. heading: in 3D, 64ths of a turn.

    place: (D,) in 1/128 of the body's size; in 3D the height above the usual one.
    """

    size: int
    heading: int
    place: Ints


@dataclass(frozen=True, eq=False, repr=False)
class TokenChunk:
    """A chunk's integers. tokens: (t, h, Q) int32. remainders: (t, n) int32."""

    start: Start
    tokens: NDArray[np.int32]
    remainders: NDArray[np.int32]

    @property
    def levels(self) -> int:
        """Q."""
        return int(self.tokens.shape[2])

    def truncate(self, levels: int) -> TokenChunk:
        """The same with the first levels only."""
        return replace(self, tokens=np.ascontiguousarray(self.tokens[..., :levels]))


@dataclass(frozen=True, eq=False, repr=False)
class RemainderModel:
    """How large remainders are. classes: (N,) uint8 by the path's code of the first level.

    frequencies: (classes, knots, D + 1, NEAR, 2 MOST_REMAINDER + 1) int32: chances of -8 .. 8, the outer two escapes, sums
    at most 2**16; NEAR by what the same channel had at the knot before.
    """

    classes: NDArray[np.uint8]
    frequencies: NDArray[np.int32]

    @property
    def count(self) -> int:
        """Remainders of a step."""
        return int(np.prod(self.frequencies.shape[1:3]))

    @property
    def bits(self) -> Floats:
        """Of each value, in the shape of the frequencies; what an escape says besides is not in it."""
        shares = self.frequencies / self.frequencies.sum(axis=-1, keepdims=True)
        return np.asarray(-np.log2(shares))

    def _find_rows(self, code: int, values: list[int]) -> NDArray[np.int32]:
        """Chances of the value that comes after those of a step so far."""
        channels = self.frequencies.shape[2]
        knot, channel = divmod(len(values), channels)
        before = values[-channels] if knot else 0
        found: NDArray[np.int32] = self.frequencies[self.classes[code], knot, channel, find_near(np.int64(before))]
        return found

    def put(self, encoder: RangeEncoder, values: NDArray[np.int32], code: int) -> None:
        """Code the remainders (n,) of a step whose path has a code."""
        known: list[int] = []
        for value in values.tolist():
            row = self._find_rows(code, known)
            symbol = min(max(value, -MOST_REMAINDER), MOST_REMAINDER) + MOST_REMAINDER
            encoder.put_total(int(row[:symbol].sum()), int(row[symbol]), int(row.sum()))
            if abs(value) >= MOST_REMAINDER:
                for field in build_exp_golomb(np.array([float(abs(value) - MOST_REMAINDER)]), ESCAPE_LOW):
                    put_raw(encoder, *field)
            known.append(value)

    def get(self, decoder: RangeDecoder, code: int) -> list[int]:
        """The mirror of `put`. Raises CorruptError."""
        known: list[int] = []
        for _ in range(self.count):
            row = self._find_rows(code, known)
            ends = np.cumsum(row)
            symbol = int(np.searchsorted(ends, decoder.get_target_total(int(ends[-1])), side="right"))
            decoder.advance_total(int(ends[symbol] - row[symbol]), int(row[symbol]), int(ends[-1]))
            value = symbol - MOST_REMAINDER
            if abs(value) == MOST_REMAINDER:
                value += get_exp_golomb(decoder, ESCAPE_LOW) * (1 if value > 0 else -1)
            known.append(value)
        return known


def find_near(values: Ints | np.int64) -> Ints:
    """Which of the NEAR classes remainders are in, by their values."""
    return np.asarray(np.clip(values, -(NEAR // 2), NEAR // 2) + NEAR // 2)


@dataclass(frozen=True, eq=False, repr=False)
class TokenTables:
    """What the integers of tokens are coded by."""

    prior: Prior
    remainders: RemainderModel

    @property
    def shape(self) -> tuple[int, int, int]:
        """(h, Q, N) of tokens at most."""
        rows, levels, codes, _ = self.prior.values.shape
        return rows, levels, codes


def write(encoder: RangeEncoder, chunk: TokenChunk, tables: TokenTables, dims: int, expected_size: int) -> None:
    """Code a chunk's integers. expected_size: of a body in the recording's unit, as `Start.size`."""
    start, levels = chunk.start, chunk.tokens.shape[2]
    fields = [*build_exp_golomb(np.array([start.size - expected_size], np.float64), SIZE_LOW)]
    fields += [(start.heading, HEADING_BITS)] if dims == 3 else []
    for value, low in zip(start.place.astype(np.float64), PLACE_LOW[dims], strict=True):
        fields += build_exp_golomb(np.array([value]), low)
    fields.append((levels - 1, LEVEL_BITS))
    for field in fields:
        put_raw(encoder, *field)
    for step, remainders in enumerate(chunk.remainders):
        tables.prior.encode(encoder, chunk.tokens, step, 0, 1)
        tables.remainders.put(encoder, remainders, int(chunk.tokens[step, -1, 0]))
        tables.prior.encode(encoder, chunk.tokens, step, 1, levels)


def read(decoder: RangeDecoder, steps: int, tables: TokenTables, dims: int, expected_size: int) -> TokenChunk:
    """The mirror of `write`. Raises CorruptError."""
    size = get_exp_golomb(decoder, SIZE_LOW) + expected_size
    if abs(size) > MOST_SIZE:
        raise CorruptError("a body of a size that none can have; get the file again")
    heading = get_raw(decoder, HEADING_BITS) if dims == 3 else 0
    place = np.array([get_exp_golomb(decoder, low) for low in PLACE_LOW[dims]], np.int64)
    levels, (rows, most, _) = get_raw(decoder, LEVEL_BITS) + 1, tables.shape
    if levels > most:
        raise CorruptError(f"{levels} levels of tokens where the weights have {most}; get the file again")
    tokens = np.zeros((steps, rows, levels), np.int32)
    remainders = np.zeros((steps, tables.remainders.count), np.int32)
    for step in range(steps):
        tables.prior.decode(decoder, tokens, step, 0, 1)
        remainders[step] = tables.remainders.get(decoder, int(tokens[step, -1, 0]))
        tables.prior.decode(decoder, tokens, step, 1, levels)
    return TokenChunk(Start(size, heading, place), tokens, remainders)
