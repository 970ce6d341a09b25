"""Byte-wise integer range coder: intervals of integer frequency in, the shortest byte string that names them out.

After Martin, "Range encoding" (1979), renormalized byte by byte as in Schindler's range coder. The code value is a
number in [0, 1) with `low` and `range` as its moving 32-bit window. LZMA holds back a byte and a run of 0xFF until the
carry is known; here the bytes already written are incremented in place, which costs the same and needs no dummy first
byte. An interval [start, start + freq) of `total` becomes [range*start // total, range*(start+freq) // total): products
stay below 2**49, so nothing is lost to rounding and signed 64-bit integers are enough (numba turns int64 mixed with
uint64 into floats, which is why nothing here is unsigned but the bytes).

Kernels work on a state array and a byte array so that other kernels can call them; `RangeEncoder.run` and
`RangeDecoder.run` hand both to any of them. They never raise: a call that cannot be right (empty interval, full buffer,
interval that does not hold the code value) changes nothing but `state[FAULT]`, and the classes turn that into an error.
This file knows no models; see `adaptive_models`.

>>> encoder = RangeEncoder(); encoder.put(3, 1, 2); encoder.finish()
b'\\xc0'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import CorruptError
from posecodec.kernels import inlined_kernel, kernel, short_kernel
from posecodec.typing import Ints

LOW = OFFSET = 0  # encoder: low end of the interval; decoder: code value minus low end, always below RANGE
RANGE = 1  # width of the interval, 2**24 .. 2**32 between calls
POS = 2  # bytes written, or bytes read (those past the end included)
FAULT = 3  # 1 once a call could not be right

CODE_BYTES = 4
FULL = 1 << 32
BOTTOM = 1 << 24  # renormalize below this width
MAX_BITS = 16
MAX_TOTAL = 1 << MAX_BITS
MAX_PUT_BYTES = 2  # one put narrows the range by at most 2**16, so it writes at most this many bytes
MAX_OVERRUN = 8  # zeros that a decoder of a sound stream may read past its end

Int: TypeAlias = "int | np.integer[Any]"  # what a kernel takes for an integer


@inlined_kernel
def _put_span(state: Ints, out: NDArray[np.uint8], begin: int, end: int) -> None:
    """Keep [begin, end) of the current range, carry into the bytes written, and write those that are settled."""
    pos = state[POS]
    if begin < 0 or end <= begin or end > state[RANGE] or pos + MAX_PUT_BYTES > out.size:
        state[FAULT] = 1
        return
    low = state[LOW] + begin
    width = end - begin
    if low >= FULL:
        low -= FULL
        i = pos - 1
        while i > 0 and out[i] == 255:
            out[i] = 0
            i -= 1
        out[i] += 1
    while width < BOTTOM:
        out[pos] = low >> 24
        pos += 1
        low = (low << 8) & (FULL - 1)
        width <<= 8
    state[LOW] = low
    state[RANGE] = width
    state[POS] = pos


@kernel
def _get_span(state: Ints, data: NDArray[np.uint8], begin: int, end: int) -> None:
    """Keep [begin, end) of the current range, which must hold the code value, and read the bytes that make it wide."""
    offset = state[OFFSET]
    if begin < 0 or end > state[RANGE] or offset < begin or offset >= end:
        state[FAULT] = 1
        return
    offset -= begin
    width = end - begin
    pos = state[POS]
    while width < BOTTOM:
        offset <<= 8
        if pos < data.size:
            offset |= np.int64(data[pos])
        pos += 1
        width <<= 8
    state[OFFSET] = offset
    state[RANGE] = width
    state[POS] = pos


@inlined_kernel
def put(state: Ints, out: NDArray[np.uint8], start: Int, freq: Int, bits: Int) -> None:
    """Code the interval [start, start + freq) of 2**bits; freq >= 1, 0 <= bits <= 16. Writes at most 2 bytes."""
    width = state[RANGE]
    first = np.int64(start)
    after = first + np.int64(freq)
    _put_span(state, out, (width * first) >> np.int64(bits), (width * after) >> np.int64(bits))


@short_kernel
def get_target(state: Ints, bits: Int) -> int:
    """The value in 0 .. 2**bits - 1 that lies in the interval coded next; `advance` must follow with that interval."""
    target = (((state[OFFSET] + 1) << np.int64(bits)) - 1) // state[RANGE]
    found: int = min(target, (np.int64(1) << np.int64(bits)) - 1)
    return found


@short_kernel
def advance(state: Ints, data: NDArray[np.uint8], start: Int, freq: Int, bits: Int) -> None:
    """Step over the interval [start, start + freq) of 2**bits that `get_target` pointed into: the mirror of `put`."""
    width = state[RANGE]
    first = np.int64(start)
    after = first + np.int64(freq)
    _get_span(state, data, (width * first) >> np.int64(bits), (width * after) >> np.int64(bits))


@short_kernel
def put_total(state: Ints, out: NDArray[np.uint8], start: Int, freq: Int, total: Int) -> None:
    """As `put`, of any total in 1 .. 2**16: `put(..., bits)` and `put_total(..., 2**bits)` write the same."""
    if total < 1:
        state[FAULT] = 1
        return
    width = state[RANGE]
    first = np.int64(start)
    after = first + np.int64(freq)
    _put_span(state, out, (width * first) // np.int64(total), (width * after) // np.int64(total))


@short_kernel
def get_target_total(state: Ints, total: Int) -> int:
    """As `get_target`, of any total in 1 .. 2**16."""
    target = ((state[OFFSET] + 1) * np.int64(total) - 1) // state[RANGE]
    found: int = max(min(target, np.int64(total) - 1), np.int64(0))
    return found


@short_kernel
def advance_total(state: Ints, data: NDArray[np.uint8], start: Int, freq: Int, total: Int) -> None:
    """As `advance`, of any total in 1 .. 2**16: the mirror of `put_total`."""
    if total < 1:
        state[FAULT] = 1
        return
    width = state[RANGE]
    first = np.int64(start)
    after = first + np.int64(freq)
    _get_span(state, data, (width * first) // np.int64(total), (width * after) // np.int64(total))


@kernel
def get_binary(state: Ints, data: NDArray[np.uint8], freq_zero: Int) -> int:
    """A bit whose zero has [0, freq_zero) of 2**16 and whose one has the rest, without a division.

    0 < freq_zero < 2**16. The mirror of `put(..., 0, freq_zero, 16)` and `put(..., freq_zero, 2**16 - freq_zero, 16)`.
    """
    width = state[RANGE]
    bound = (width * np.int64(freq_zero)) >> MAX_BITS
    if state[OFFSET] < bound:
        _get_span(state, data, 0, bound)
        return 0
    _get_span(state, data, bound, width)
    return 1


@short_kernel
def put_bits(state: Ints, out: NDArray[np.uint8], value: Int, bits: Int) -> None:
    """Code 0 <= value < 2**bits at exactly `bits` bits, 0 <= bits <= 16."""
    put(state, out, value, 1, bits)


@short_kernel
def get_bits(state: Ints, data: NDArray[np.uint8], bits: Int) -> int:
    """The mirror of `put_bits`."""
    value: int = get_target(state, bits)
    advance(state, data, value, 1, bits)
    return value


@short_kernel
def is_sound(state: Ints, data: NDArray[np.uint8]) -> bool:
    """Whether the decoder may go on: no fault, and at most MAX_OVERRUN bytes read past the end."""
    sound: bool = state[FAULT] == 0 and state[POS] <= data.size + MAX_OVERRUN
    return sound


class RangeEncoder:
    """Grows a byte buffer for the kernels and ends the stream."""

    def __init__(self) -> None:
        self._state: Ints = np.array([0, FULL, 0, 0], dtype=np.int64)
        self._out: NDArray[np.uint8] = np.zeros(256, dtype=np.uint8)

    def copy(self) -> RangeEncoder:
        """One that goes on from here by itself."""
        twin = RangeEncoder()
        twin._state, twin._out = self._state.copy(), self._out.copy()
        return twin

    def run(self, function: Callable[..., Any], max_bytes: int, *args: Any) -> Any:
        """What a kernel returns of (state, out, *args), where it writes at most `max_bytes`: MAX_PUT_BYTES a put."""
        needed = int(self._state[POS]) + max_bytes + MAX_PUT_BYTES
        if needed > self._out.size:
            self._out = np.append(self._out, np.zeros(max(needed - self._out.size, self._out.size), np.uint8))
        return function(self._state, self._out, *args)

    def put(self, start: int, freq: int, bits: int) -> None:
        """Code the interval [start, start + freq) of 2**bits; freq >= 1, bits <= 16."""
        self.run(put, MAX_PUT_BYTES, start, freq, bits)

    def put_total(self, start: int, freq: int, total: int) -> None:
        """Code the interval [start, start + freq) of any total in 1 .. 2**16."""
        self.run(put_total, MAX_PUT_BYTES, start, freq, total)

    def put_uniform(self, value: int, total: int) -> None:
        """Code 0 <= value < total, all of them alike; total is 1 .. 2**16."""
        self.run(put_total, MAX_PUT_BYTES, value, 1, total)

    def put_bits(self, value: int, bits: int) -> None:
        """Code 0 <= value < 2**bits at exactly `bits` bits, bits <= 16."""
        self.run(put_bits, MAX_PUT_BYTES, value, bits)

    def finish(self) -> bytes:
        """The shortest bytes that decode to what was put, b"" if that was nothing. The encoder is left as it was.

        The decoder reads zeros past the end, so the code value with the most trailing zero bytes in [low, low + range)
        is taken and they are dropped, but never so many that a decoder would read more than MAX_OVERRUN of them.
        """
        assert self._state[FAULT] == 0, "an empty interval was coded, or a kernel wrote more than it was run with"
        low, width, pos = (int(self._state[i]) for i in (LOW, RANGE, POS))
        low += int.from_bytes(self._out[:pos].tobytes(), "big") * FULL
        for length in (
            pos,
            pos + 1,
        ):  # pragma: no branch - range >= 2**24 holds a multiple of 2**24: one byte is enough
            step = 1 << (8 * (pos + CODE_BYTES - length))
            code = -(-low // step)
            if code * step < low + width:
                break
        data = code.to_bytes(length, "big")
        return data[: max(len(data.rstrip(b"\0")), pos + CODE_BYTES - MAX_OVERRUN, 0)]


class RangeDecoder:
    """Reads what `RangeEncoder.finish` returned. Kernels do not raise: in long loops they ask `is_sound`."""

    def __init__(self, data: bytes) -> None:
        self._data: NDArray[np.uint8] = np.frombuffer(data, dtype=np.uint8).copy()
        code = int.from_bytes(data[:CODE_BYTES].ljust(CODE_BYTES, b"\0"), "big")
        self._state: Ints = np.array([code, FULL, CODE_BYTES, 0], dtype=np.int64)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """What a kernel returns of (state, data, *args): the mirror of `RangeEncoder.run`. Raises CorruptError."""
        found = function(self._state, self._data, *args)
        self.check()
        return found

    @property
    def overrun(self) -> int:
        """Bytes read past the end, all of them zero; 3 or 4 are usual, MAX_OVERRUN the most a sound stream causes."""
        return max(0, int(self._state[POS]) - self._data.size)

    def check(self) -> None:
        """Raises CorruptError if what was read so far cannot have been written by `RangeEncoder`."""
        if is_sound(self._state, self._data):
            return
        why = "holds a symbol its model lacks" if self._state[FAULT] else f"was read {self.overrun} bytes past its end"
        raise CorruptError(
            f"range-coded stream of {self._data.size} bytes {why}, where a sound one is read at most {MAX_OVERRUN} "
            "bytes past its end: the file is damaged or cut short, get it again"
        )

    def get_target(self, bits: int) -> int:
        """The value in 0 .. 2**bits - 1 that lies in the interval coded next."""
        return int(get_target(self._state, bits))

    def advance(self, start: int, freq: int, bits: int) -> None:
        """Step over the interval that `get_target` pointed into. Raises CorruptError."""
        self.run(advance, start, freq, bits)

    def get_target_total(self, total: int) -> int:
        """As `get_target`, of any total in 1 .. 2**16."""
        return int(get_target_total(self._state, total))

    def advance_total(self, start: int, freq: int, total: int) -> None:
        """As `advance`, of any total in 1 .. 2**16. Raises CorruptError."""
        self.run(advance_total, start, freq, total)

    def get_uniform(self, total: int) -> int:
        """The mirror of `RangeEncoder.put_uniform`. Raises CorruptError."""
        value = self.get_target_total(total)
        self.advance_total(value, 1, total)
        return value

    def get_bits(self, bits: int) -> int:
        """The mirror of `RangeEncoder.put_bits`. Raises CorruptError."""
        return int(self.run(get_bits, bits))

    def finish(self) -> None:
        """Raises CorruptError as `check` does, or if bytes are left that no symbol needed."""
        self.check()
        used = int(self._state[POS]) - CODE_BYTES + 1
        if self._data.size > used:
            raise CorruptError(
                f"range-coded stream has {self._data.size} bytes where at most {used} were expected: the file is "
                "damaged, get it again"
            )
