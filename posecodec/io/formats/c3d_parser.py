"""The bytes of a `.c3d` file as parameters and a table of points.

512-byte blocks: a header, a parameter section of named groups, and frames of points (x, y, z, and a fourth value of camera
mask and residual) followed by analog samples, as 16-bit integers to be scaled or as floats, in the byte order of Intel, DEC
or MIPS. Nothing is trusted: every size is checked against the bytes that are there. Source: The C3D File Format User Guide
(c3d.org). Knows nothing of sequences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, report_change

BLOCK = 512  # Bytes that sections begin at multiples of
KEY = 0x50  # The second byte of every file
_DEC = 85  # the processor whose floats are not IEEE's
_MIPS = 86  # the only one with big-endian words
PROCESSORS = {84: "Intel", _DEC: "DEC", _MIPS: "MIPS"}
COUNT_FULL = 65535  # The largest count that 16 bits hold; more frames are counted elsewhere
_SIZES = {-1: 1, 1: 1, 2: 2, 4: 4}
_NEEDED = ("POINT:USED", "POINT:FRAMES", "POINT:SCALE", "POINT:DATA_START", "POINT:LABELS")
"""Parameters without which nothing is read from a section that breaks off."""
_ROTATION_FLOATS = 17  # A 4 x 4 matrix, column by column, and how reliable it is, below 0 where it is missing
EVENTS_KEY = 12345  # Word 150 of a header whose labels of events have four characters
EVENTS_WORD = 149  # Where it stands, counted from 0
MOST_EVENTS = 18  # That a header has room for


@dataclass(frozen=True, eq=False, repr=False)
class Parameter:
    """kind: -1 text, 1 bytes, 2 integers of 16 bits, 4 floats. sizes: of the dimensions, first varies fastest."""

    kind: int
    sizes: tuple[int, ...]
    data: bytes
    processor: int

    @property
    def texts(self) -> list[str]:
        """Texts without the blanks they are filled up with; none if it is no text."""
        if self.kind != -1:
            return []
        width = self.sizes[0] if self.sizes else 1
        parts = [self.data[i : i + width] for i in range(0, len(self.data), max(width, 1))]
        return [_decode_text(part).rstrip("\0 ").lstrip(" ") for part in parts]

    @property
    def numbers(self) -> list[float]:
        """Numbers; integers are unsigned. None if it is text."""
        if self.kind == 4:
            return [float(v) for v in decode_floats(self.data, self.processor)]
        if self.kind == 2:
            return [int(v) for v in np.frombuffer(self.data, choose_word_type(self.processor))]
        return list(self.data) if self.kind == 1 else []


Points = NDArray[np.float32]
Parameters = Mapping[str, Parameter]
"""By name such as "POINT:RATE", in capitals."""


Event = tuple[str, float, int]
"""Label, seconds, and the byte that says whether it is shown."""


@dataclass(frozen=True, eq=False, repr=False)
class Content:
    """points: (T, K, 4) float32, x, y, z and the fourth value; group: whose parameters name them, POINT or ROTATION, whose
    origins they are; first: number of the first frame; events: of the header."""

    points: Points
    group: str
    parameters: Parameters
    rate: float
    first: int
    events: tuple[Event, ...]


@dataclass(frozen=True)
class _Header:
    points: int
    analog: int
    first: int
    last: int
    scale: float
    start: int
    rate: float
    events: tuple[Event, ...]


def parse(data: bytes) -> Content:
    """The content of a file. Raises InputError that says which count does not fit, and at which byte."""
    if len(data) < 2 * BLOCK or data[1] != KEY:
        found = f"{len(data)} bytes, the second is {data[1] if len(data) > 1 else 0:#04x}"
        raise InputError(f"{found}; C3D has {KEY:#04x} there and at least two blocks of {BLOCK}, the file is not C3D")
    section = (data[0] - 1) * BLOCK
    if not 0 < section <= len(data) - BLOCK:
        raise InputError(f"the parameters begin at block {data[0]} (byte 0), beyond the {len(data)} bytes; cut short")
    processor = data[section + 3]
    if processor not in PROCESSORS:
        known = ", ".join(f"{number} {name}" for number, name in PROCESSORS.items())
        raise InputError(f"processor type {processor} at byte {section + 3}, expected one of {known}; it is damaged")
    header = _read_header(data, processor)
    parameters = _read_parameters(data, section, processor, header.start)
    first, frames = _count_frames(header, parameters)
    group, read = "POINT", _read_points
    if not read_count(parameters, "POINT:USED", header.points) and read_count(parameters, "ROTATION:USED", 0):
        group, read = "ROTATION", _read_origins
    points = read(data, header, parameters, processor, frames)
    return Content(points, group, parameters, _read_number(parameters, "POINT:RATE", header.rate), first, header.events)


def choose_word_type(processor: int) -> str:
    """NumPy's type of an unsigned 16-bit integer; DEC's are Intel's."""
    return ">u2" if processor == _MIPS else "<u2"


def decode_floats(data: bytes, processor: int) -> Points:
    """The floats in bytes: IEEE of either byte order, or DEC's, which have no infinity."""
    if processor != _DEC:
        return np.frombuffer(data, ">f4" if processor == _MIPS else "<f4").astype(np.float32)
    halves = np.frombuffer(data, "<u2").astype(np.uint32)
    bits = halves[0::2] << 16 | halves[1::2]
    exponent = (bits >> 23 & 0xFF).astype(np.int32)
    fraction = (bits & 0x7FFFFF | 0x800000).astype(np.float64)
    value = np.where(exponent == 0, 0.0, np.ldexp(fraction, exponent - 152))  # bias 128, 24 bits of fraction
    with np.errstate(over="ignore"):
        return np.where(bits >> 31, -value, value).astype(np.float32)


def _decode_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_header(data: bytes, processor: int) -> _Header:
    word = np.frombuffer(data, choose_word_type(processor), BLOCK // 2)
    scale, rate = (float(decode_floats(data[at : at + 4], processor)[0]) for at in (12, 20))
    events = _read_events(data, int(word[EVENTS_WORD + 1]), processor) if word[EVENTS_WORD] == EVENTS_KEY else ()
    points, analog, first, last = (int(v) for v in word[1:5])
    return _Header(points, analog, first, last, scale, int(word[8]), rate, events)


def _read_events(data: bytes, count: int, processor: int) -> tuple[Event, ...]:
    """The header's own events, MOST_EVENTS at most."""
    at, count = 2 * (EVENTS_WORD + 3), min(count, MOST_EVENTS)
    seconds = decode_floats(data[at : at + 4 * count], processor)
    flags = data[at + 4 * MOST_EVENTS :]
    labels = [flags[MOST_EVENTS + 2 + 4 * i :][:4] for i in range(count)]
    events = [(_decode_text(labels[i]).strip("\0 "), float(seconds[i]), flags[i]) for i in range(count)]
    return tuple(event for event in events if math.isfinite(event[1]))


def _read_parameters(data: bytes, section: int, processor: int, start: int) -> Parameters:
    """Those of a section, which programs let run past its stated end or follow by what is none: that is left out, with a
    note. Raises InputError if it breaks off before what is needed."""
    blocks = data[section + 2]
    stated = section + blocks * BLOCK if blocks else (start - 1) * BLOCK
    end, passed = min(max(stated, (start - 1) * BLOCK), len(data)), False
    groups: dict[int, str] = {}
    found: list[tuple[int, str, Parameter]] = []
    fault, left = None, len(data)
    try:
        for at, number, name in _walk_records(data, section + 4, end, processor):
            if number < 0:
                groups.setdefault(-number, name)
                continue
            found.append((number, name, _read_parameter(data, at, name, processor)))
            left -= len(found[-1][2].data)
            if left < 0:
                raise InputError(f"parameter {name!r} at byte {at} repeats the data of others; the file is damaged")
            passed = passed or at + len(found[-1][2].data) > stated
    except InputError as error:
        fault = error
    known: dict[str, Parameter] = {}
    for number, name, parameter in found:
        if number in groups:
            known.setdefault(f"{groups[number]}:{name}", parameter)
    if fault is not None:
        if not all(key in known for key in _NEEDED):
            raise fault
        report_change(f"{fault}; those before it are whole and are followed")
    elif passed:
        report_change(f"parameters run past the {blocks} blocks of {BLOCK} bytes stated for them; they are followed")
    return known


def _walk_records(data: bytes, at: int, end: int, processor: int) -> Iterator[tuple[int, int, str]]:
    """Of each record where its content begins, its number (below 0: a group) and its name in capitals."""
    while at + 2 <= end and data[at]:
        length = abs(int.from_bytes(data[at : at + 1], "little", signed=True))
        number = int.from_bytes(data[at + 1 : at + 2], "little", signed=True)
        link = at + 2 + length
        if link + 3 > end:
            raise InputError(f"a parameter's name of {length} at byte {at} passes the section's end, {end}; damaged")
        step = int(np.frombuffer(data, choose_word_type(processor), 1, link)[0])
        yield link + 2, number, _decode_text(data[at + 2 : link]).strip("\0 ").upper()
        if step == 0:
            return
        if step < 3 or link + step > end:
            raise InputError(f"the parameter after byte {at} is {step} bytes on, beyond {end}; the file is damaged")
        at = link + step


def _read_parameter(data: bytes, at: int, name: str, processor: int) -> Parameter:
    kind = int.from_bytes(data[at : at + 1], "little", signed=True)
    dimensions = data[at + 1] if at + 1 < len(data) else 0
    sizes = tuple(data[at + 2 : at + 2 + dimensions])
    if kind not in _SIZES or dimensions > 7 or len(sizes) != dimensions:
        raise InputError(f"parameter {name!r} at byte {at} has type {kind} and {dimensions} dimensions; it is damaged")
    begin, size = at + 2 + dimensions, math.prod(sizes) * _SIZES[kind]
    if size > len(data) - begin:
        raise InputError(f"parameter {name!r} at byte {at} is {size} bytes long, {len(data) - begin} are left; damaged")
    return Parameter(kind, sizes, data[begin : begin + size], processor)


def _read_number(parameters: Parameters, name: str, default: float) -> float:
    """The first number of a parameter, `default` if it is not there."""
    values = parameters[name].numbers if name in parameters else []
    return values[0] if values else default


def read_count(parameters: Parameters, name: str, default: int) -> int:
    """A parameter that counts something, `default` if it is not there. Raises InputError if it is no whole number."""
    value = _read_number(parameters, name, default)
    if not (0 <= value < 1 << 31 and value == int(value)):
        raise InputError(f"{name} is {value:g}, a whole number was expected; the file is damaged")
    return int(value)


def _read_long(parameters: Parameters, name: str) -> int:
    """A frame number of 32 bits, stored as its low and its high 16; 0 if it is not there."""
    values = parameters[name].numbers if name in parameters else []
    whole = len(values) == 2 and all(v == int(v) for v in values if math.isfinite(v))
    return int(values[0]) + (int(values[1]) << 16) if whole and all(map(math.isfinite, values)) else 0


def _count_frames(header: _Header, parameters: Parameters) -> tuple[int, int]:
    """Number of the first frame and how many there are; TRIAL counts what 16 bits cannot."""
    first, last = _read_long(parameters, "TRIAL:ACTUAL_START_FIELD"), _read_long(parameters, "TRIAL:ACTUAL_END_FIELD")
    frames = read_count(parameters, "POINT:FRAMES", max(header.last - header.first + 1, 0))
    frames = read_count(parameters, "POINT:LONG_FRAMES", frames) or frames
    if frames == COUNT_FULL and last - first >= COUNT_FULL:
        frames = last - first + 1
    return first or header.first, frames


def _count_analog(header: _Header, parameters: Parameters) -> int:
    """Analog values in a frame: channels times samples, as the parameters say, else the header."""
    channels = read_count(parameters, "ANALOG:USED", 0)
    rates = _read_number(parameters, "ANALOG:RATE", 0), _read_number(parameters, "POINT:RATE", header.rate)
    ratio = rates[0] / rates[1] if rates[1] else 0.0
    if "ANALOG:USED" not in parameters or (channels and not 1 <= ratio < COUNT_FULL):
        return header.analog
    return channels * round(ratio) if channels else 0


def _read_points(data: bytes, header: _Header, parameters: Parameters, processor: int, frames: int) -> Points:
    """(T, K, 4), scaled."""
    used = read_count(parameters, "POINT:USED", header.points)
    scale = _read_number(parameters, "POINT:SCALE", header.scale)
    start = read_count(parameters, "POINT:DATA_START", header.start) or header.start
    analog = _count_analog(header, parameters)
    if not used:
        raise InputError(f"no points in it, only {analog} analog values a frame; give a recording of markers")
    if not (math.isfinite(scale) and scale):
        raise InputError(f"POINT:SCALE is {scale}, a finite number other than 0 was expected; the file is damaged")
    stated, found = (header.points, header.analog, header.start), (used, analog, start)
    for what, a, b in zip(("points", "analog values a frame", "start block"), stated, found, strict=True):
        if a != b:
            report_change(f"the header states {a} for {what}, the parameters {b}; the parameters are followed")
    size = 2 if scale > 0 else 4
    width, begin = (4 * used + analog) * size, (start - 1) * BLOCK
    left = len(data) - begin if begin > 0 else 0
    if frames == COUNT_FULL and left - frames * width >= max(BLOCK, width):
        frames = left // width
        report_change(f"the count of frames is at its limit of {COUNT_FULL}; by the file's size there are {frames}")
    counted = header.last - header.first + 1
    if 0 < counted < frames and counted * width <= left < frames * width:
        report_change(f"POINT:FRAMES is {frames}, the header counts {counted}, as many as there are; those are read")
        frames = counted
    if not frames or begin <= 0 or frames * width > left:
        what = f"{frames} frames of {used} points and {analog} analog values need {frames * width} bytes"
        raise InputError(f"{what} from block {start}, {max(left, 0)} are left; the file is cut short or damaged")
    rows = np.frombuffer(data, np.uint8, frames * width, begin).reshape(frames, width)[:, : 4 * used * size]
    raw = rows.tobytes()
    if size == 4:
        return decode_floats(raw, processor).reshape(frames, used, 4)
    values = np.frombuffer(raw, choose_word_type(processor).replace("u", "i"))
    points = values.astype(np.float32).reshape(frames, used, 4)
    with np.errstate(over="ignore"):
        points[..., :3] *= np.float32(scale)
    return points


def _read_origins(data: bytes, header: _Header, parameters: Parameters, processor: int, frames: int) -> Points:
    """(T, K, 4): where the segments of a file are that has rotations and no points, each a matrix whose last column tells."""
    used, ratio = read_count(parameters, "ROTATION:USED", 0), read_count(parameters, "ROTATION:RATIO", 1) or 1
    begin = (read_count(parameters, "ROTATION:DATA_START", 0) - 1) * BLOCK
    width, left = used * ratio * _ROTATION_FLOATS * 4, len(data) - begin if begin > 0 else 0
    if not frames or begin <= 0 or frames * width > left:
        what = f"{frames} frames of {used} rotations need {frames * width} bytes"
        raise InputError(f"{what} from byte {begin}, {max(left, 0)} are left; the file is cut short or damaged")
    rows = np.frombuffer(data, np.uint8, frames * width, begin).reshape(frames, ratio, used, _ROTATION_FLOATS, 4)
    values = decode_floats(rows[:, 0, :, 12:].tobytes(), processor).reshape(frames, used, 5)
    return np.where(np.isnan(values[..., 4:]), np.float32(-1), values[..., [0, 1, 2, 4]])
