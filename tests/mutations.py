"""Valid files (`valid_files`) damaged at random: `python tests/mutations.py --count 1000000`, `--headers` for headers alone.

Bits, bytes, fields and parts are changed, cut, doubled, swapped and mixed with those of other files; half of the files get
checksums that are right again, those of `--headers` all. Each is opened, decoded, decoded in part, recovered or cut.
Anything but a PosecodecError is a failure, and so is what exceeds the rule of `limits`: a second for a MB, 64 MiB and three
times what is there. Mutation N of a seed is always the same (`--seed`, `--first N --count 1`). Linux only.
"""

from __future__ import annotations

import contextlib
import faulthandler
import random
import struct
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from copy import deepcopy

import numpy as np
from limits import measure
from valid_files import Draft, ValidFile, build_parser, draw_file, packed, report, varint
from voices import load_codec, make_stages

from posecodec import PoseSequence
from posecodec.bitstream import container
from posecodec.errors import PosecodecError

POOL = 400  # Valid files that mutated ones come from
HANG = 120  # Seconds after which a file ends the run, with a traceback
FAULTS = (1, 1, 1, 2, 3)  # How many faults a file gets, one drawn at random
EXTREMES = (0, 1, 2, 127, 128, 255, 1023, 1024, 1025, 2**16, 2**24, 2**24 + 1, 2**31, 2**32 - 1, 2**35 - 1)
FLOATS = (0.0, -1.0, 1e-40, 3e38, float("nan"), float("inf"), -float("inf"))
BITS = ("version", "flags", "unit", "skeleton")  # Fields of one byte, whose bits say what follows

MODES_SECONDS, MODES_BYTES = 3e-10, 40  # For the cube and the square of the number of keypoints (docs/bitstream.md)
MOST_CHUNKS = 8  # That mutated files have

Mutation = Callable[[Draft, Draft, random.Random], None]


def flip_part(draft: Draft, other: Draft, rng: random.Random) -> None:
    change_part(draft, rng, lambda part: flip(part, rng))


def cut_part(draft: Draft, other: Draft, rng: random.Random) -> None:
    change_part(draft, rng, lambda part: part[: rng.randrange(len(part) + 1)])


def splice_part(draft: Draft, other: Draft, rng: random.Random) -> None:
    """The beginning of one part, the end of another."""
    more = rng.choice(other.parts or [b""])
    at = rng.randrange(len(more) + 1)
    change_part(draft, rng, lambda part: part[: rng.randrange(len(part) + 1)] + more[at:])


def fill_part(draft: Draft, other: Draft, rng: random.Random) -> None:
    """The kind of a chunk stays, the rest is random, or all alike."""
    size = rng.choice([0, 1, 8, 100, 2000])
    more = rng.choice([rng.randbytes(size), b"\0" * size, b"\xff" * size])
    change_part(draft, rng, lambda part: part[: rng.choice([1, 2, 6, 20])] + more)


def change_part(draft: Draft, rng: random.Random, change: Callable[[bytes], bytes]) -> None:
    if draft.parts:
        number = rng.randrange(len(draft.parts))
        draft.parts[number] = change(draft.parts[number])


def swap_parts(draft: Draft, other: Draft, rng: random.Random) -> None:
    rng.shuffle(draft.parts)


def double_part(draft: Draft, other: Draft, rng: random.Random) -> None:
    if draft.parts:
        draft.parts.insert(rng.randrange(len(draft.parts) + 1), rng.choice(draft.parts))


def drop_part(draft: Draft, other: Draft, rng: random.Random) -> None:
    if draft.parts:
        del draft.parts[rng.randrange(len(draft.parts))]


def take_parts(draft: Draft, other: Draft, rng: random.Random) -> None:
    """Another file's parts, as many as there were."""
    draft.parts = [rng.choice(other.parts or [b""]) for _ in draft.parts]


def take_field(draft: Draft, other: Draft, rng: random.Random) -> None:
    name = rng.choice([*draft.fields])
    draft.fields[name] = other.fields[name]


def flip_field(draft: Draft, other: Draft, rng: random.Random) -> None:
    name = rng.choice([name for name, data in draft.fields.items() if data])
    draft.fields[name] = flip(draft.fields[name], rng)


def flip_bits(draft: Draft, other: Draft, rng: random.Random) -> None:
    """Another flag, layout, label or skeleton."""
    name = rng.choice(BITS)
    draft.fields[name] = bytes([draft.fields[name][0] ^ 1 << rng.randrange(8)])


def stretch_number(draft: Draft, other: Draft, rng: random.Random) -> None:
    """One of the numbers of the header, or of the index, as large or small as it goes."""
    number = varint(rng.choice(EXTREMES))
    name = rng.choice(["rate", "frames", "people", "tracks", "ids", "spelled", "times", "metadata", "index"])
    if name == "index":
        sizes = [varint(len(part)) for part in draft.parts] or [b""]
        sizes[rng.randrange(len(sizes))] = number
        draft.index = b"".join(sizes)
        return
    data = draft.fields[name]
    starts = [0, *(i + 1 for i, byte in enumerate(data[:-1]) if byte < 128)]
    at = rng.choice(starts)
    after = next((i + 1 for i in range(at, len(data)) if data[i] < 128), len(data))
    draft.fields[name] = data[:at] + number + data[after:]


def stretch_float(draft: Draft, other: Draft, rng: random.Random) -> None:
    """A promise, an origin or a rate that nothing can have, or hardly anything."""
    name, value = rng.choice(["promise", "origin", "rate"]), rng.choice(FLOATS)
    data = draft.fields[name]
    if name == "rate":
        draft.fields[name] = b"\0\0" + struct.pack("<d", value)
    elif data:
        at = 1 if name == "promise" else 4 * rng.randrange(len(data) // 4)
        draft.fields[name] = data[:at] + struct.pack("<f", value) + data[at + 4 :]


def repack(draft: Draft, other: Draft, rng: random.Random) -> None:
    """Another skeleton or other metadata than any encoder writes, under the flags that ask for them."""
    many = rng.choice([3, 2048, 2049, 50_000])
    names = [f"k{i}" for i in range(many)]
    edges = [[rng.randrange(-1, many), rng.randrange(many)] for _ in range(rng.choice([0, 2, 4096, 4097]))]
    skeleton = {
        "name": "x",
        "keypoints": names,
        "edges": edges,
        "pairs": rng.choice([[], [[0, 0]], [[0, 1]]]),
        "root": None,
    }
    if rng.random() < 0.2:
        skeleton[rng.choice([*skeleton])] = rng.choice([None, [], {}, "x", -1, [[[]]] * many])
    value = rng.choice(
        [[], None, {"channels": {}}, {"channels": {"frames": 2**40, "list": [["a", "b", "", 9, 0.0, 0]], "data": ""}}]
    )
    name, found = rng.choice([("spelled", skeleton), ("metadata", value), ("metadata", {"a": [{}] * many})])
    draft.fields[name] = packed(found, rng)
    bit, shape = (16, draft.fields["skeleton"][0] | 31) if name == "spelled" else (32, draft.fields["skeleton"][0])
    draft.fields["flags"] = bytes([draft.fields["flags"][0] | bit])
    draft.fields["skeleton"] = bytes([shape])


def flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(min(len(changed), rng.choice([8, 64, 1 << 20])))
        changed[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256), changed[at] ^ 1 << rng.randrange(8)))
    return bytes(changed)


HEADERS: tuple[Mutation, ...] = (
    take_field,
    flip_field,
    flip_bits,
    flip_bits,
    stretch_number,
    stretch_number,
    stretch_float,
    repack,
)
PARTS: tuple[Mutation, ...] = (
    flip_part, flip_part, cut_part, splice_part, fill_part, swap_parts, double_part, drop_part, take_parts,
)  # fmt: skip


def damage(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Bytes of a whole file, whose checksums are then wrong."""
    at, to = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    start = rng.randrange(len(other) + 1)
    cuts = (data[:at], data[at:], data[:at] + data[to:], data[:to] + data[at:], data[:at] + other[start:])
    return rng.choice([flip(data, rng), flip(data, rng), *cuts])


def mutate(file: ValidFile, other: ValidFile, rng: random.Random, kinds: tuple[Mutation, ...]) -> bytes:
    """A file with one to three faults, of those `kinds`."""
    if kinds != HEADERS and rng.random() < 0.5:
        return damage(file.draft.seal(), other.draft.seal(), rng)
    draft = deepcopy(file.draft)
    for _ in range(rng.choice(FAULTS)):
        rng.choice(kinds)(draft, other.draft, rng)
    return draft.seal()


def use(data: bytes, weights: str | None, rng: random.Random) -> PoseSequence | None:
    """What a user may do with a file. Raises PosecodecError."""
    codec, way = load_codec(weights), rng.randrange(8)
    if way == 0:
        container.drop_refinements(data)
    elif way == 1 and codec.coders.tokens.weights is not None:
        codec.tokens(data)
        codec.cut(data, 1)
    with container.PosecFile(data) as file:
        frames = slice(0, max(file.header.frames // 2, 1)) if way == 2 else slice(None)
        found = codec.decode(file, frames=frames, lost=[] if way > 4 else None)
    assert np.isfinite(found.positions[found.valid]).all()
    return found


def grant(data: bytes) -> tuple[float, int]:
    """Seconds and bytes that the modes of a file's graph take beyond the rule, if all its chunks are coded along one each."""
    try:
        header = container.read_header(data)
    except PosecodecError:
        return 0.0, 0
    count = len(header.skeleton)
    return MODES_SECONDS * count**3 * min(header.chunk_count, MOST_CHUNKS), MODES_BYTES * count**2


def run(
    count: int, seed: int = 0, first: int = 0, kinds: tuple[Mutation, ...] = HEADERS + PARTS, told: float = np.inf
) -> tuple[Counter[str], list[str]]:
    """How many mutated files were refused or decoded, and what was wrong, one line each. told: seconds between reports."""
    found, wrong, stages = Counter[str](), list[str](), make_stages()
    draw = random.Random(seed)
    pool = [draw_file(draw, draw.choice(stages)) for _ in range(POOL)]
    for file in pool[:: max(len(pool) // 50, 1)]:  # so that loading kernels and weights is in no measure
        with contextlib.suppress(PosecodecError):
            use(file.draft.seal(), file.stage.weights, draw)
    warnings.simplefilter("ignore")
    last = time.monotonic()
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {number}")
        file, other = rng.choice(pool), rng.choice(pool)
        data = mutate(file, other, rng, kinds)
        faulthandler.dump_traceback_later(HANG, exit=True)
        cost = measure(lambda: use(data, file.stage.weights, rng), len(data), Exception, grant(data))  # noqa: B023
        faulthandler.cancel_dump_traceback_later()
        refused = isinstance(cost.result, Exception)
        found["refused" if refused else "decoded"] += 1
        found["longest ms"] = max(found["longest ms"], int(cost.seconds * 1000))
        found["largest KiB"] = max(found["largest KiB"], cost.memory >> 10)
        if refused and not isinstance(cost.result, PosecodecError):
            wrong.append(f"{number}: {''.join(traceback.format_exception(cost.result))}")
        elif cost.excess:
            wrong.append(f"{number}: {cost.excess}, {len(data)} bytes: {cost.result!r:.200}")
        if time.monotonic() - last > told:
            last = time.monotonic()
            print(f"{number}: {dict(found)}, {len(wrong)} failed", *wrong[:5], sep="\n", flush=True)
    return found, wrong


if __name__ == "__main__":
    parser = build_parser(__doc__)
    parser.add_argument("--headers", action="store_true", help="Only headers, all with right checksums.")
    report(parser, lambda o: run(o.count, o.seed, o.first, HEADERS if o.headers else HEADERS + PARTS, told=60))
