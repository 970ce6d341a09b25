"""Channels: what a recording holds frame by frame that is no place, such as the joint angles, forces and powers of a model.

They stand in a sequence's metadata under KEY, as JSON, and so go wherever metadata go: `store_channels` and `read_channels`.
Stored exactly, until `limit_channels` lets each be off by a bound in its own unit. Knows no format and no skeleton.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.memory import check_justified, is_justified
from posecodec.typing import Bools

KEY = "channels"
DEFAULT_BOUND = "0.2%"
"""What a channel may be off by unless told, of its range: 0.1 degrees of a knee's 60."""
MOST_CELLS = 1 << 26  # Values that metadata may name: 150 channels for an hour at 100 Hz
_CELL_COST = 16  # Bytes of memory for each of them while they are read: five as stored, twice four as float32
_ORDERS = 4  # Differences in time that are tried, from none on
_RANGE_PERCENTILES = (2, 98)  # What a channel's range is between: a spike widens no bound
_FINER = 1 - 1e-6  # Times a step, so that what rounding to float32 adds stays within the bound
_PLANES = 5  # Bytes of a whole number: the third differences of 32 bits have 36
_LARGEST = 1 << 30  # Whole steps that a value may be: what is larger is kept exactly
_COARSER = 1.01  # Times the bound that a channel has, by which a new one must be coarser to be worth another rounding
_LEVEL = 19  # Of zstandard


@dataclass(frozen=True, eq=False)
class Channel:
    """name: as its file calls it. kind: such as "angles". unit: as its file spells it, "" if it says none.

    values: (T, C) float32, NaN where missing. bound: how far they may be off from what was recorded, 0 if not at all.
    """

    name: str
    kind: str
    unit: str
    values: NDArray[np.float32] = field(repr=False)
    bound: float = 0.0


@dataclass(frozen=True)
class ChannelBound:
    """How far channels may be off: by a share of their range, or in units of their own.

    >>> ChannelBound.parse("0.5deg,1%").absolute
    {'deg': 0.5}
    """

    share: float = 0.0
    absolute: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def parse(text: str | float) -> ChannelBound:
        """Bounds separated by commas: "1%" of each range, "0.1deg" where the unit is that, "0.1" in whatever unit; "0" is
        exactly. Raises UsageError."""
        share, absolute = None, {}
        for part in str(text).split(","):
            found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(.*?)\s*", part)
            value = float(found[1]) if found else math.nan
            if found is None or not value < 1e30:
                raise UsageError(f"{text!r} is no error of channels; give 0.5%, or a number and a unit as in 0.1deg,5N")
            if found[2] == "%":
                share = value / 100
            else:
                absolute[found[2].lower()] = value
        usual = 0.0 if "" in absolute or share is not None else float(DEFAULT_BOUND[:-1]) / 100
        return ChannelBound(usual if share is None else share, absolute)

    def of(self, channel: Channel) -> float:
        """The bound of one channel, in its unit."""
        for unit in (channel.unit.lower(), ""):
            if unit in self.absolute:
                return self.absolute[unit]
        known = channel.values[np.isfinite(channel.values).all(axis=1)].astype(np.float64)
        if not self.share or not len(known):
            return 0.0
        low, high = np.percentile(known, _RANGE_PERCENTILES, axis=0)
        return self.share * float((high - low).max(initial=0.0))


def store_channels(channels: Sequence[Channel]) -> dict[str, Any]:
    """Channels of the same frames as what goes into metadata, {} where there are none. Each is kept within its bound; a row
    of which a value is missing is missing whole, which is reported.

    Raises InputError where so much is so constant that a reader would take it for an attack.
    """
    if not channels:
        return {}
    rows, streams = [], []
    for channel in channels:
        step, order, there, whole = _to_whole(channel)
        rows.append([channel.name, channel.kind, channel.unit, channel.values.shape[1], step, order])
        streams.append((there, whole))
    partly = sum(int((np.isnan(c.values).any(axis=1) & ~np.isnan(c.values).all(axis=1)).sum()) for c in channels)
    report_count(partly, "rows of channels have some of their values missing, and are left out whole")
    mask = np.packbits(np.concatenate([there for there, _ in streams])).tobytes()
    numbers = np.concatenate([whole.ravel() for _, whole in streams])
    folded = ((numbers << 1) ^ (numbers >> 63)).astype("<u8").view(np.uint8).reshape(-1, 8)
    planes = np.ascontiguousarray(folded[:, :_PLANES].T).tobytes()
    data = zstandard.ZstdCompressor(level=_LEVEL).compress(mask + planes)
    if not is_justified(_CELL_COST * len(numbers), len(data)):
        raise InputError(f"channels of {len(numbers):,} numbers that hardly ever change; leave constant ones out")
    stored = {"list": rows, "frames": len(channels[0].values), "data": base64.b85encode(data).decode()}
    return {KEY: stored}


def read_channels(metadata: Mapping[str, Any], frames: int | None = None) -> list[Channel]:
    """The channels in metadata; none where there are none, they are no such thing, or not of so many frames.

    Raises InputError where they would take more memory than their bytes justify (`memory.check_justified`).
    """
    found = metadata.get(KEY)
    try:
        count, rows = found["frames"], [_check_row(row) for row in found["list"]]  # type: ignore[index]
        data = base64.b85decode(found["data"])  # type: ignore[index]
    except (TypeError, KeyError, ValueError, AttributeError, binascii.Error):
        return []
    columns = sum(row[3] for row in rows)
    if type(count) is not int or not 0 < count * max(columns, len(rows)) <= MOST_CELLS or frames not in (None, count):
        return []
    mask_size, cells = -(-count * len(rows) // 8), count * columns
    check_justified(_CELL_COST * cells, len(data), f"channels of {cells} numbers", InputError)
    raw = _decompress(data, mask_size + _PLANES * cells)
    if raw is None:
        return []
    there = np.unpackbits(np.frombuffer(raw, np.uint8, mask_size), count=count * len(rows)).astype(bool)
    planes = np.frombuffer(raw, np.uint8, _PLANES * cells, mask_size).reshape(_PLANES, cells)
    channels, at = [], 0
    for i, (name, kind, unit, width, step, order) in enumerate(rows):
        numbers = planes[:, at : at + count * width].reshape(_PLANES, count, width)
        values = np.stack([_from_planes(numbers[..., column], step, order) for column in range(width)], axis=1)
        values[~there[i * count : (i + 1) * count]] = np.nan
        channels.append(Channel(name, kind, unit, values, step / 2 / _FINER))
        at += count * width
    return channels


def cut_channels(metadata: Mapping[str, Any], count: int, frames: slice) -> dict[str, Any]:
    """Metadata of `count` frames whose channels are cut to some of them; their values stay as they are."""
    cut = [replace(channel, values=channel.values[frames]) for channel in read_channels(metadata, count)]
    return {**metadata, **store_channels(cut)}


def limit_channels(metadata: Mapping[str, Any], bound: ChannelBound) -> dict[str, Any]:
    """Metadata whose channels are kept within bounds of their own; those that are as coarse already stay as they are."""
    channels = read_channels(metadata)
    if not channels:
        return dict(metadata)
    units = sorted({channel.unit for channel in channels if channel.unit})
    for unit in set(bound.absolute) - {unit.lower() for unit in units} - {""}:
        report_change(f"no channel is in {unit!r}; their units are {', '.join(units) or 'not stated'}")
    allowed = [Channel(c.name, c.kind, c.unit, c.values, max(bound.of(c), 0.0)) for c in channels]
    kept = [new if new.bound > _COARSER * old.bound else old for new, old in zip(allowed, channels, strict=True)]
    return {**metadata, **store_channels(kept)}


def describe_channels(channels: Iterable[Channel]) -> str:
    """How many there are of each kind, such as "26 angles, 20 forces"."""
    counts: dict[str, int] = {}
    for channel in channels:
        counts[channel.kind] = counts.get(channel.kind, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def measure_channels(reference: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float]:
    """The largest difference of channels in two sequences' metadata, by kind and unit; infinite where one is not there."""
    ours, theirs = read_channels(reference), {(c.name, c.kind): c.values for c in read_channels(other)}
    worst: dict[str, float] = {}
    for channel in ours:
        a, b = channel.values, theirs.get((channel.name, channel.kind))
        fits = b is not None and a.shape == b.shape and bool((np.isnan(a) == np.isnan(b)).all())
        off = np.abs(a.astype(np.float64) - b.astype(np.float64)) if fits and b is not None else np.full(1, np.inf)
        label = f"{channel.kind} ({channel.unit})" if channel.unit else channel.kind
        worst[label] = max(worst.get(label, 0.0), float(np.nan_to_num(off, posinf=np.inf).max(initial=0.0)))
    return worst


def _to_whole(channel: Channel) -> tuple[float, int, Bools, NDArray[np.int64]]:
    """Step (0: exactly), order of differences, (T,) what is there, and (T, C) whole numbers."""
    values = channel.values
    there: Bools = np.asarray(~np.isnan(values).any(axis=1))
    last = np.maximum.accumulate(np.where(there, np.arange(len(values)), 0))
    filled = np.where(there[last][:, None], values[last], np.float32(0))
    step = 2 * channel.bound * _FINER
    whole = _round_to_steps(filled, step) if step > 0 else None
    if whole is None:
        step, bits = 0.0, filled.view(np.int32).astype(np.int64)
        whole = np.where(bits < 0, -1 - (bits & 0x7FFFFFFF), bits)
    tried = [whole]
    while len(tried) < _ORDERS:
        tried.append(np.diff(tried[-1], axis=0, prepend=0))
    sizes = [float(np.log2(1 + np.abs(numbers).astype(np.float64)).sum()) for numbers in tried]
    order = min(
        (o for o in range(_ORDERS) if np.abs(tried[o]).max(initial=0) < 1 << 8 * _PLANES - 2), key=lambda o: sizes[o]
    )
    return step, order, there, tried[order]


def _round_to_steps(values: NDArray[np.float32], step: float) -> NDArray[np.int64] | None:
    """Whole steps that give values back within half a step and a little; None where float32 cannot."""
    exact = values.astype(np.float64)
    whole = np.rint(exact / step)
    if not np.isfinite(whole).all() or np.abs(whole).max(initial=0) > _LARGEST:
        return None
    off = np.abs((whole * step).astype(np.float32).astype(np.float64) - exact).max(initial=0.0)
    return whole.astype(np.int64) if off <= step / 2 / _FINER else None


def _from_planes(planes: NDArray[np.uint8], step: float, order: int) -> NDArray[np.float32]:
    """The values (T,) of a column from the bytes (5, T) of its whole numbers."""
    folded = sum(
        (plane.astype(np.int64) << 8 * p for p, plane in enumerate(planes)), np.zeros(planes.shape[1], np.int64)
    )
    whole = (folded >> 1) ^ -(folded & 1)
    for _ in range(order):
        whole = np.cumsum(whole)
    if step:
        with np.errstate(over="ignore"):
            return (whole * step).astype(np.float32)
    return np.where(whole < 0, (-1 - whole) | 0x80000000, whole).astype(np.uint32).view(np.float32)


def _check_row(row: Any) -> tuple[str, str, str, int, float, int]:
    """A row of the list. Raises ValueError if it is none."""
    name, kind, unit, width, step, order = row
    texts = all(isinstance(text, str) for text in (name, kind, unit))
    numbers = type(width) is int and 0 < width < 256 and isinstance(step, (int, float)) and 0 <= step < 1e38
    if not texts or not numbers or order not in range(_ORDERS):
        raise ValueError
    return name, kind, unit, width, float(step), order


def _decompress(data: bytes, size: int) -> bytes | None:
    """So many bytes of zstandard's; None where it is none, or says another size, so that no more memory is taken."""
    try:
        raw = zstandard.ZstdDecompressor().decompress(data) if zstandard.frame_content_size(data) == size else b""
    except zstandard.ZstdError:
        return None
    return raw if len(raw) == size else None
