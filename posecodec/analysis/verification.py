"""Whether a file keeps what its encoder promised, and all else that it holds: times, names, who is there, how surely.

With the original everything is compared, in float64; without it only what the file itself can tell.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from posecodec.analysis.metrics import list_pieces
from posecodec.bitstream.fields import encode_json
from posecodec.bitstream.guarantee import Guarantee
from posecodec.bitstream.header import Header
from posecodec.bitstream.presence import CONFIDENCE_STEPS
from posecodec.pose.channels import KEY, read_channels
from posecodec.pose.sequence import PoseSequence
from posecodec.typing import Floats

ROUNDING = 1 + 1e-6  # Times that a promise may be exceeded by: files keep it as float32
RATE_ROUNDING = 1e-12  # Share by which a rate may be off
HALF_STEP = (
    0.5 / CONFIDENCE_STEPS + 1e-6
)  # That a confidence may be off, times the scale: rounding, and that to float32
FARTHEST = 2.0  # Times the original's spread that a mean error may be where none was promised: no encoder is so far off
KEPT, DAMAGE = "kept", "damage"


@dataclass(frozen=True)
class Verdict:
    """promise: its kind, or "none". promised, reached: in `unit`, None where there is no number; without a promise, reached
    is the mean error. parts: of what was checked, KEPT or what is wrong. kept: whether all of it is, None if only the
    original could tell."""

    promise: str
    promised: float | None
    reached: float | None
    unit: str
    kept: bool | None
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> list[str]:
        """What is wrong, part by part."""
        return [f"{name}: {text}" for name, text in self.parts.items() if text != KEPT]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {**vars(self), "parts": dict(self.parts)}

    def describe(self) -> str:
        """The verdict in a line."""
        number = f" {self.promised:g} {self.unit}".rstrip() if self.promised is not None else ""
        reached = f", {self.reached:.6g} reached" if self.reached is not None else ""
        state = "whole, decodes" if DAMAGE not in self.parts else "damaged"
        text = f"{state}; {self.promise}{number}{reached}: "
        if self.promise == "none":
            error = (
                ""
                if self.reached is None
                else f" of positions, {self.reached:.3g} {self.unit}".rstrip() + " off on average"
            )
            text = f"{state}; nothing was promised{error}"
            if self.kept and not self.parts:
                return text
            text += ": "
        if self.kept is None:
            return text + "as its encoder measured (give the original to check)"
        if not self.kept:
            return f"{text}BROKEN: {'; '.join(self.broken)}"
        return text + ("kept, and all else that the original has" if "frames" in self.parts else "kept")


def checksum(sequence: PoseSequence) -> int:
    """CRC-32 of every bit of positions and confidences, little-endian."""
    found = 0
    for array in (sequence.positions, sequence.confidence):
        for frames in list_pieces(array):
            found = zlib.crc32(array[frames].astype(array.dtype.newbyteorder("<")).tobytes(), found)
    return found


def verify(
    header: Header, decoded: PoseSequence, size: int, original: PoseSequence | None = None, damage: Sequence[str] = ()
) -> Verdict:
    """The verdict on a file of `size` bytes, from what it decodes to and, if there, the original.

    damage: what is wrong with a file of which `decoded` is the rest.
    """
    guarantee, parts = header.guarantee, {} if original is None else _compare_parts(header, decoded, original)
    parts |= {DAMAGE: "; ".join(damage)} if damage else {}
    unit = header.unit if header.unit != "unknown" else ""
    errors = None
    if original is not None and decoded.positions.shape == original.positions.shape:
        errors = _measure_errors(decoded, original)
    if guarantee is None:
        if original is not None and errors is not None:
            parts["positions"] = _check_nearness(errors, original)
        reached = None if errors is None or not errors.size else float(errors.mean())
        return _conclude("none", None, reached, unit, parts)
    if guarantee.kind == "lossless":
        same = checksum(decoded) == int(guarantee.value) and (
            original is None or checksum(original) == int(guarantee.value)
        )
        parts["bits"] = KEPT if same else "positions or confidences are not those that were encoded (by their checksum)"
        return _conclude("lossless", None, None, "", parts)
    if guarantee.kind == "bitrate":
        if original is not None and errors is not None:
            parts["positions"] = _check_nearness(errors, original)
        reached = 8e-3 * size * (original or decoded).rate / max(decoded.frames, 1)
        parts["bitrate"] = _check_bound(reached, guarantee, "kbit/s")
        return _conclude("bitrate", guarantee.value, reached, "kbit/s", parts)
    if original is None and not damage:
        return Verdict(guarantee.kind, guarantee.value, guarantee.value * guarantee.reached, unit, None)
    if errors is None:
        return _conclude(guarantee.kind, guarantee.value, None, unit, parts)
    reached = float(errors.max(initial=0.0) if guarantee.kind == "max-error" else errors.mean() if errors.size else 0.0)
    parts["positions"] = _check_bound(reached, guarantee, unit)
    return _conclude(guarantee.kind, guarantee.value, reached, unit, parts)


def _conclude(
    promise: str, promised: float | None, reached: float | None, unit: str, parts: Mapping[str, str]
) -> Verdict:
    return Verdict(promise, promised, reached, unit, all(text == KEPT for text in parts.values()), parts)


def _check_bound(reached: float, guarantee: Guarantee, unit: str) -> str:
    if reached <= guarantee.value * ROUNDING:  # not if it is NaN
        return KEPT
    return f"{guarantee.kind} is {reached:.6g} {unit}".rstrip() + f", {guarantee.value:g} was promised"


def _check_nearness(errors: Floats, original: PoseSequence) -> str:
    """Whether a mean error is of the size that encoding at any quality makes."""
    points = original.positions[original.valid].astype(np.float64)
    spread = float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=-1).mean())) if len(points) else 0.0
    mean = float(errors.mean()) if errors.size else 0.0
    if spread and not mean <= FARTHEST * spread:
        return f"{mean:.4g} off on average, where the original spreads over {spread:.4g}: another recording"
    return KEPT


def _measure_errors(decoded: PoseSequence, original: PoseSequence) -> Floats:
    """Distances of all keypoints that both have, in their own unit."""
    both = decoded.valid & original.valid
    off = decoded.positions[both].astype(np.float64) - original.positions[both].astype(np.float64)
    return np.asarray(np.sqrt(np.square(off).sum(axis=-1)))


def _compare_parts(header: Header, decoded: PoseSequence, original: PoseSequence) -> dict[str, str]:
    """What every file keeps exactly, and confidences to half a step, each KEPT or what is wrong."""
    pairs = {
        "frames": (decoded.frames, original.frames),
        "people": (list(decoded.ids), list(original.ids)),
        "dimensions": (decoded.dims, original.dims),
        "unit": (decoded.unit, original.unit),
        "up axis": (decoded.up, original.up),
    }
    parts = {name: KEPT if a == b else f"{a!r:.60} where the original has {b!r:.60}" for name, (a, b) in pairs.items()}
    parts["times"] = _compare_times(decoded, original)
    parts["skeleton"] = _compare_skeletons(decoded, original)
    parts["metadata"] = _compare_metadata(decoded.metadata, original.metadata)
    if {KEY} & {*decoded.metadata, *original.metadata}:
        parts[KEY] = _compare_channels(decoded, original)
    parts |= _compare_others(decoded, original)
    if decoded.positions.shape[:3] != original.positions.shape[:3]:
        shapes = [" x ".join(map(str, found.positions.shape[:3])) for found in (decoded, original)]
        return parts | {"keypoints": f"{shapes[0]} (frames x people x keypoints) where the original has {shapes[1]}"}
    lost, added = (int((a.valid & ~b.valid).sum()) for a, b in ((original, decoded), (decoded, original)))
    total = int(original.valid.sum())
    parts["keypoints"] = (
        f"{lost} of {total} are missing, {added} are there that the original has not" if lost or added else KEPT
    )
    parts["confidences"] = _compare_confidences(header, decoded, original)
    return parts


def _compare_times(decoded: PoseSequence, original: PoseSequence) -> str:
    if decoded.fps is not None and original.fps is not None:
        if abs(decoded.fps - original.fps) <= RATE_ROUNDING * original.fps:
            return KEPT
    elif decoded.timestamps is not None and original.timestamps is not None:
        if decoded.timestamps.tobytes() == original.timestamps.tobytes():
            return KEPT
    words = [f"{s.fps!r} frames per second" if s.fps is not None else "timestamps" for s in (decoded, original)]
    return f"{words[0]} where the original has {words[1] if words[0] != words[1] else 'others'}"


def _compare_skeletons(decoded: PoseSequence, original: PoseSequence) -> str:
    names = ("name", "keypoints", "edges", "pairs", "root")
    wrong = [name for name in names if getattr(decoded.skeleton, name) != getattr(original.skeleton, name)]
    return f"{decoded.skeleton} where the original has {original.skeleton}: other {', '.join(wrong)}" if wrong else KEPT


def _compare_metadata(decoded: Mapping[str, Any], original: Mapping[str, Any]) -> str:
    keys = sorted({*decoded, *original} - {KEY})
    wrong = [
        k for k in keys if encode_json([k in decoded, decoded.get(k)]) != encode_json([k in original, original.get(k)])
    ]
    listed = ", ".join(f"{key!r:.40}" for key in wrong[:3])
    return (
        f"{len(wrong)} of {len(keys)} entries differ ({listed}{', ...' if len(wrong) > 3 else ''})" if wrong else KEPT
    )


def _compare_channels(decoded: PoseSequence, original: PoseSequence) -> str:
    """Channels are kept within the bound that the file states for each."""
    ours, theirs = (read_channels(s.metadata, s.frames) for s in (decoded, original))
    if [(c.name, c.kind, c.unit, c.values.shape) for c in ours] != [
        (c.name, c.kind, c.unit, c.values.shape) for c in theirs
    ]:
        return f"{len(ours)} where the original has {len(theirs)}, or others"
    wrong = []
    for a, b in zip(ours, theirs, strict=True):
        off = np.abs(a.values.astype(np.float64) - b.values.astype(np.float64))
        if (np.isnan(a.values) != np.isnan(b.values)).any() or (off > (a.bound + b.bound) * ROUNDING).any():
            wrong.append(f"{a.name!r:.40}")
    return f"{len(wrong)} of {len(ours)} are off by more than their bounds ({', '.join(wrong[:3])})" if wrong else KEPT


def _compare_others(decoded: PoseSequence, original: PoseSequence) -> dict[str, str]:
    """What else a sequence holds, should it come to hold more."""
    known = {"positions", "confidence", "skeleton", "fps", "timestamps", "unit", "up", "ids", "metadata"}
    names = [each.name for each in fields(PoseSequence) if each.name not in known]
    return {name: KEPT if _is_equal(getattr(decoded, name), getattr(original, name)) else "differs" for name in names}


def _is_equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes() and a.shape == b.shape
    return bool(a == b)


def _compare_confidences(header: Header, decoded: PoseSequence, original: PoseSequence) -> str:
    limits = np.zeros(original.confidence.shape[:2])
    if header.guarantee is None or header.guarantee.kind != "lossless":
        for span in header.spans:
            at = slice(span.start, span.start + span.length), span.person
            there = original.confidence[at][original.valid[at]]
            if not (there == 1).all():
                limits[at] = HALF_STEP * max(1.0, float(np.abs(there).max(initial=0.0)))
    off = np.abs(decoded.confidence.astype(np.float64) - original.confidence.astype(np.float64))
    off[decoded.valid != original.valid] = 0.0  # told already
    wrong = int((~(off <= limits[..., None])).sum())
    return (
        f"{wrong} of {int(original.valid.sum())} are off, by up to {math.nan if np.isnan(off).any() else off.max():.4g}"
        if wrong
        else KEPT
    )
