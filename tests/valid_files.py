"""Valid `.posec` files drawn at random from the grammar of docs/bitstream.md: `python tests/valid_files.py --count 100000`.

Headers are drawn field by field and written by code of its own, in every form that the grammar allows, also those that
the encoder never chooses. Chunks are *voices*: small ones of every kind, encoded once and recombined. Each file must
decode to what was drawn, and parts of it to the same parts of the whole, within the limits of `limits`. The count is of
files; file N of a seed is always the same (`--seed`, `--first N`).
"""

from __future__ import annotations

import argparse
import binascii
import json
import math
import random
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import zstandard
from headers import assert_same
from limits import measure
from numpy.testing import assert_array_equal
from voices import LONG, USUAL, Stage, Voice, load_codec, make_stages

from posecodec import PoseSequence
from posecodec.analysis.verification import checksum
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.fields import RATES
from posecodec.bitstream.guarantee import GUARANTEES, Guarantee
from posecodec.bitstream.header import SPELLED, SPELLED_OUT, Header, Track
from posecodec.bitstream.known_weights import KNOWN
from posecodec.bitstream.spelling import spell as spell_short
from posecodec.entropy.floats import pack_floats
from posecodec.pose.channels import Channel, store_channels
from posecodec.pose.sequence import AXES, UNITS
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN

NAMES = ("", "0", "1", "a", "Ægir", "三", "🙂", "x" * 130, "\n", "0" * 7, 'q"\\')
READS = 3  # of each file that is checked: whole, a part, coarse
SORTS = ("plain", "plain", "plain", "wide", "wide", "double")
SORTS_OF = {"plain": (None, "float32"), "wide": (None, "float64"), "double": ("float64",)}
"""Types of exact chunks, None for others, that files may hold together."""


@dataclass
class Draft:
    """A file in pieces: named bytes of the header but for the index, and parts. `seal` adds index and checksums."""

    fields: dict[str, bytes]
    parts: list[bytes]
    index: bytes | None = None  # if it is not what the parts ask for

    @property
    def single(self) -> bool:
        return bool(self.fields["version"][:1] >= b"\x80")

    def seal(self) -> bytes:
        head = b"".join(self.fields.values())
        if self.single:
            whole = head + b"".join(self.parts)
            return whole + zlib.crc32(whole).to_bytes(4, "little")
        head += b"".join(varint(len(part)) for part in self.parts) if self.index is None else self.index
        check, out = binascii.crc_hqx(head, 0xFFFF), [head]
        out.append(check.to_bytes(2, "little"))
        for number, part in enumerate(self.parts):
            out += [part, zlib.crc32(part, (check + 65536 * number) % 2**32).to_bytes(4, "little")]
        return b"".join(out)


@dataclass(frozen=True)
class ValidFile:
    """header: what reading it must say. held: places and voices of its chunks."""

    draft: Draft
    header: Header
    stage: Stage
    held: list[tuple[Track, Voice]]


def varint(value: int) -> bytes:
    groups = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def text(value: str) -> bytes:
    return varint(len(value.encode())) + value.encode()


def packed(value: Any, rng: random.Random) -> bytes:
    separators = rng.choice([(",", ":"), (", ", ": ")])
    data = json.dumps(value, ensure_ascii=rng.random() < 0.5, separators=separators).encode()
    compressor = zstandard.ZstdCompressor(
        level=rng.choice([1, 9, 19]), write_content_size=rng.random() < 0.5, write_checksum=rng.random() < 0.5
    )
    frame = compressor.compress(data)
    return varint(len(frame)) + varint(len(data)) + frame


def draw_value(rng: random.Random, depth: int = 3) -> Any:
    """A value of JSON."""
    kind = rng.randrange(8 if depth else 6)
    if kind == 6:
        return [draw_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {rng.choice(NAMES): draw_value(rng, depth - 1) for _ in range(rng.randrange(4))}
    return (None, True, rng.randrange(-(2**70), 2**70), rng.uniform(-9, 9), rng.choice(NAMES), 1e300)[kind]


def draw_skeleton(rng: random.Random, stage: Stage) -> tuple[Skeleton, int]:
    """What the file says its keypoints are, and the number of that in the header: 30 or 31 if it is spelled out."""
    known = [number for number, one in enumerate(BUILT_IN.values()) if one == stage.skeleton]
    if known and rng.random() < 0.7:
        return stage.skeleton, known[0]
    spelled = rng.choice([SPELLED, SPELLED_OUT])
    if not stage.free:
        return replace(stage.skeleton, name=rng.choice(NAMES), to_coco19={}), spelled
    count = len(stage.skeleton)
    names = tuple(f"{rng.choice(NAMES)} {i}" for i in range(count))
    edges = tuple((rng.randrange(count), rng.randrange(count)) for _ in range(rng.randrange(2 * count)))
    order = rng.sample(range(count), count)
    pairs = tuple(zip(order[::2], order[1::2], strict=False))[: rng.randrange(count)]
    return Skeleton(rng.choice(NAMES), names, edges, pairs, rng.choice([None, rng.randrange(count)])), spelled


def draw_rate(rng: random.Random, rate: float | None) -> tuple[float, bytes]:
    """Frames per second and how they are written, in any of the three ways; about `rate` if one is told."""
    way = rng.randrange(3)
    if rate is None and way == 0:
        number = rng.randrange(len(RATES))
        return float(RATES[number]), varint(1 + number)
    if way < 2:
        low = rng.randrange(1, 2 ** rng.choice([1, 8, 17, 24]))
        high = rng.randrange(1, 2**35) if rate is None else round(rate * low)
        return float(Fraction(high, low)), b"\0" + varint(high) + varint(low)
    fps = math.exp(rng.uniform(-700, 700)) if rate is None else rate * rng.uniform(0.999, 1.001)
    return fps, b"\0\0" + struct.pack("<d", fps)


def draw_times(rng: random.Random, frames: int, rate: float) -> tuple[Any, bytes]:
    """Times whose mean rate is `rate`, as exact floats by any method."""
    shift = np.array([rng.uniform(-0.4, 0.4) if 0 < i < frames - 1 else 0.0 for i in range(frames)])
    times = (np.arange(frames) + shift) / rate + rng.choice([0.0, -5.0, 1e6])
    planes = times.astype("<f8").view(np.uint8).reshape(-1, 8).T.tobytes()
    data = rng.choice([
        pack_floats(times), b"\0" + zstandard.compress(times.astype("<f8").tobytes()), b"\1" + zstandard.compress(planes)
    ]) if frames else b""  # fmt: skip
    return times, varint(len(data)) + data


def draw_tracks(rng: random.Random, voices: Sequence[Voice]) -> tuple[int, int, list[Track], list[Voice]]:
    """Frames, people, tracks in any order, and the voices of their chunks."""
    people = rng.choice([0, 1, 1, 1, 1, 2, 3, 5])
    found, ends = [], [0]
    longs = [voice for voice in voices if voice.frames == LONG]
    coded = [voice for voice in voices if voice.positions is None] or voices
    for person in range(people):
        at = rng.choice([0, 0, 3])
        for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
            sung = [rng.choice(longs) for _ in range(rng.choice([1, 2]))] if rng.random() < 0.04 else []
            sung.append(rng.choice(coded if rng.random() < 0.7 else voices))
            length = sum(voice.frames for voice in sung)
            found.append((Track(person, at, length), sung))
            at += length
            ends.append(at)
            at += rng.choice([0, 1, 30])
    rng.shuffle(found)
    frames = max(ends) + rng.choice([0, 0, 0, 5])
    return frames, people, [track for track, _ in found], [voice for _, sung in found for voice in sung]


def draw_promise(rng: random.Random, lossless: int | None, version: int) -> tuple[Guarantee, bytes]:
    """lossless: the checksum that alone can be promised of a file of exact chunks."""
    if lossless is not None:
        return Guarantee(GUARANTEES[3], lossless, 0.0), b"\3" + lossless.to_bytes(4, "little")
    kind, share = rng.randrange(3), rng.randrange(256)
    value = struct.unpack("<f", struct.pack("<f", rng.choice([1.0, 1e-40, 3e38, rng.uniform(0.01, 99)])))[0]
    first, told = (kind if version == 2 else kind | 63 << 2), struct.pack("<f", value)
    if version > 2 and rng.random() < 0.7:
        digits = 10 * rng.randrange(2 ** rng.choice([1, 3, 10, 31])) + rng.randrange(1, 10)
        exponent = rng.randrange(-31, 28)  # no bound is beyond the largest float32
        value = float(Fraction(digits) * Fraction(10) ** exponent)
        first, told = kind | exponent + 31 << 2, varint(digits)
    return Guarantee(GUARANTEES[kind], value, share / 255), bytes([first]) + told + bytes([share])


def name_weights(rng: random.Random, name: bytes, version: int) -> bytes:
    """Weights as a header names them, in either of the ways that there are."""
    if not name or version == 2:
        return name
    return bytes([KNOWN.index(name)]) if name in KNOWN and rng.random() < 0.8 else b"\xff" + name


def draw_file(rng: random.Random, stage: Stage) -> ValidFile:
    """A valid file of voices of a stage."""
    sort = rng.choice(SORTS)
    voices = [voice for voice in stage.voices if voice.dtype in SORTS_OF[sort]]
    frames, people, tracks, sung = draw_tracks(rng, voices)
    chunks, codec = [voice.chunk for voice in sung], load_codec(stage.weights)
    held = list(zip((Track(t.person, *span) for t in tracks for span in t.chunks), sung, strict=True))
    names = tuple(map(str, range(people)))
    ids = tuple(rng.sample(NAMES, people)) if rng.random() < 0.5 else names
    flags = {
        "flat": stage.dims == 2, "simple": people == 1 and tracks == [Track(0, 0, frames)] and rng.random() < 0.8,
        "named": ids != names or rng.random() < 0.2,
        "timed": rng.random() < 0.3 and (frames > 1 or stage.rate in (None, USUAL)),
        "spelled": False, "noted": rng.random() < 0.4, "promised": rng.random() < 0.5, "wide": sort == "wide",
    }  # fmt: skip
    layout = {
        "weights": any(c.needs_body_weights for c in chunks) or codec.weights is not None and rng.random() < 0.3,
        "transform": any(c.needs_transform_weights for c in chunks) or rng.random() < 0.3,
        "layered": any(c.refinement for c in chunks) or rng.random() < 0.1,
    }
    layout["single"] = len(chunks) == 1 and not layout["layered"] and rng.random() < 0.8
    skeleton, number = draw_skeleton(rng, stage)
    flags["spelled"], short = number in (SPELLED, SPELLED_OUT), spell_short(skeleton)
    if number == SPELLED and short is None:
        number = SPELLED_OUT
    fps, rated = draw_rate(rng, stage.rate)
    times, timed = draw_times(rng, frames, stage.rate or rng.choice([30.0, 0.5, 1000.0]))
    metadata = draw_metadata(rng, frames) if flags["noted"] else {}
    axes = [axis for axis in AXES if stage.dims == 3 or not axis.endswith("z")]
    unit, up, coded = rng.choice(UNITS), rng.choice(axes), rng.choice(axes[1:])
    place = struct.pack(f"<{stage.dims}f", *(rng.gauss(0, 1e6) for _ in range(stage.dims)))
    exact = all(voice.positions is not None for voice in sung) and rng.random() < 0.5
    lossless = measure_checksum((frames, people, len(stage.skeleton), stage.dims), sort, held) if exact else None
    in_parts = any(c.kind == ChunkKind.PARTS for c in chunks)
    version = rng.choice([4] if in_parts and stage.names_bodies else [2, 3, 3] if in_parts else [2, 3, 3, 4])
    promise, promised = draw_promise(rng, lossless, version)
    header = Header(
        codec.weights.id if layout["weights"] else b"", codec.coders.transform.weights.id if layout["transform"] else b"",
        stage.dims, unit, up, coded, skeleton, None if flags["timed"] else fps, times if flags["timed"] else None, frames,
        ids, tuple(tracks), metadata, promise if flags["promised"] else None,
        struct.unpack(f"<{stage.dims}f", place) if flags["wide"] else None, version == 4,
    )  # fmt: skip
    listed = [number for t in tracks for number in (t.person, t.start, t.length)]
    fields = {
        "magic": b"PSC", "version": bytes([version | pack_bits(layout) << 4]),
        "weights": name_weights(rng, header.weights, version), "transform": name_weights(rng, header.transform, version),
        "flags": bytes([pack_bits(flags)]), "unit": bytes([UNITS.index(unit) | AXES.index(up) << 3]),
        "skeleton": bytes([number | AXES.index(coded) << 5]), "rate": b"" if flags["timed"] else rated,
        "frames": varint(frames), "people": b"" if flags["simple"] else varint(people),
        "ids": b"".join(map(text, ids)) if flags["named"] else b"",
        "tracks": b"" if flags["simple"] else b"".join(map(varint, [len(tracks), *listed])),
        "spelled": write_skeleton(skeleton, number, rng), "times": timed if flags["timed"] else b"",
        "metadata": packed(metadata, rng) if flags["noted"] else b"", "promise": promised if flags["promised"] else b"",
        "origin": place if flags["wide"] else b"",
    }  # fmt: skip
    parts = [part for chunk in chunks for part in (chunk.base, chunk.refinement)[: 1 + layout["layered"]]]
    return ValidFile(Draft(fields, parts), header, stage, held)


def pack_bits(states: dict[str, bool]) -> int:
    return sum(bool(state) << bit for bit, state in enumerate(states.values()))


def spell(skeleton: Skeleton) -> dict[str, Any]:
    return {name: getattr(skeleton, name) for name in ("name", "keypoints", "edges", "pairs", "root")}


def write_skeleton(skeleton: Skeleton, number: int, rng: random.Random) -> bytes:
    """The field of a skeleton: as its number says."""
    if number == SPELLED:
        return spell_short(skeleton) or b""
    return packed(spell(skeleton), rng) if number == SPELLED_OUT else b""


def draw_metadata(rng: random.Random, frames: int) -> dict[str, Any]:
    found = {rng.choice(NAMES): draw_value(rng) for _ in range(rng.randrange(4))}
    if frames and rng.random() < 0.3:
        values = np.random.default_rng(rng.randrange(99)).normal(size=(frames, 2)).astype(np.float32)
        found |= store_channels([Channel("knee", "angles", "deg", values)])
    return found


def measure_checksum(shape: tuple[int, ...], sort: str, held: Sequence[tuple[Track, Voice]]) -> int:
    """What a file of exact chunks is promised to decode to."""
    positions = np.full(shape, np.nan, np.float64 if sort == "wide" or held and sort == "double" else np.float32)
    confidence = np.zeros(shape[:3], np.float32)
    for at, voice in held:
        positions[at.start : at.start + at.length, at.person] = voice.positions
        confidence[at.start : at.start + at.length, at.person] = voice.confidence
    return zlib.crc32(positions.tobytes() + confidence.tobytes())


def check_file(file: ValidFile, rng: random.Random, network: bool = True) -> PoseSequence | None:
    """That a file says what was drawn, and its parts what the whole does; what it decodes to.

    network: whether the network runs that tells what tokens stand for; otherwise they are only read.
    """
    data, codec, header = file.draft.seal(), load_codec(file.stage.weights), file.header
    with container.PosecFile(data) as opened:
        assert_same(header, opened.header)
        found = opened.read_all()
    assert found == [voice.chunk for _, voice in file.held] and opened.spans == [at for at, _ in file.held]
    tokens = [chunk for chunk in found if chunk.kind == ChunkKind.TOKENS]
    if tokens:
        grids = codec.coders.tokens.read_grids(header, found)
        assert len(grids) == len(tokens)
        if not network:
            return None
    whole = codec.decode(data)
    assert (whole.ids, whole.unit, whole.up, whole.skeleton) == (header.ids, header.unit, header.up, header.skeleton)
    assert (whole.fps, whole.frames, whole.metadata) == (header.fps, header.frames, header.metadata)
    covered = np.zeros((header.frames, len(header.ids)), bool)
    for at, voice in file.held:
        there = slice(at.start, at.start + at.length), at.person
        covered[there] = True
        if voice.positions is not None:
            assert_array_equal(whole.positions[there], voice.positions)
            assert_array_equal(whole.confidence[there], voice.confidence)
    assert not whole.valid[~covered].any() and np.isfinite(whole.positions[whole.valid]).all()
    assert header.guarantee is None or header.guarantee.kind != "lossless" or header.guarantee.value == checksum(whole)
    first, last = sorted(rng.sample(range(header.frames + 1), 2)) if header.frames else (0, 0)
    numbers = rng.sample(range(len(header.ids)), rng.randrange(len(header.ids) + 1))
    part = codec.decode(data, frames=slice(first, last), people=[header.ids[n] for n in numbers])
    assert_array_equal(part.positions, whole.positions[first:last][:, numbers])
    assert_array_equal(part.confidence, whole.confidence[first:last][:, numbers])
    lost = list[container.Loss]()
    again = codec.decode(container.drop_refinements(data), lost=lost)
    assert not lost and again.positions.shape == whole.positions.shape
    return whole


def run(count: int, seed: int = 0, first: int = 0, networks: float = 0.05) -> tuple[Counter[str], list[str]]:
    """How many files of which kinds were drawn and checked, and what was wrong, one line each."""
    found, wrong, stages = Counter[str](), [], make_stages()
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {number}")
        file = draw_file(rng, rng.choice(stages))
        data, network = file.draft.seal(), rng.random() < networks
        found.update({voice.chunk.kind.label for _, voice in file.held})
        found["files"] += 1
        cost = measure(
            lambda file=file, rng=rng, network=network: check_file(file, rng, network), READS * len(data), Exception
        )
        if isinstance(cost.result, Exception) or cost.excess:
            wrong.append(f"{number}: {cost.result!r:.500} {cost.excess}")
    return found, wrong


def build_parser(about: str) -> argparse.ArgumentParser:
    """Options of a script that draws files: how many, of which seed, and from which on."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    for name, usual in (("--count", 1000), ("--seed", 0), ("--first", 0)):
        parser.add_argument(name, type=int, default=usual)
    return parser


def report(
    parser: argparse.ArgumentParser, check: Callable[[argparse.Namespace], tuple[Counter[str], list[str]]]
) -> None:
    """Do what a command line asks for, print what `check` found and what was wrong, and end with status 1 if anything was."""
    options = parser.parse_args()
    found, wrong = check(options)
    print(*(f"{count:8} {what}" for what, count in sorted(found.items())), *wrong, sep="\n")
    print(f"{len(wrong)} of {options.count} files failed")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    report(build_parser(__doc__), lambda options: run(options.count, options.seed, options.first))
