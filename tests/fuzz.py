"""Fuzz the readers: `python tests/fuzz.py --seconds 300 [FORMAT ...]`; not run by pytest.

Small good files of every format are damaged at random (bytes, numbers, words, lines, structure, lengths), sniffed and
read. Anything but a PosecodecError is a failure, an exception that is a mistake of a reader too (`expose_bugs`), and so is
memory beyond 10 times the file + 200 MB (peak resident set of this process, reset before every read). Failing files are kept
in a folder that is named at the end, the first of each kind; all are counted. Linux only.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from good_files import ITEMS, MAKERS, name_file

from posecodec import load
from posecodec.errors import PosecodecError
from posecodec.io import FORMATS, Source
from posecodec.io.filesystem import expose_bugs

SPARE, TIMES = 200 << 20, 10
"""A reader may take TIMES the bytes of its file, and SPARE bytes."""
NUMBERS = (
    b"-1", b"0", b"1e308", b"1e999", b"nan", b"99999999999999999999", b"4294967295", b"65536", b"", b"null", b'"x"', b"[]",
)  # fmt: skip
FAULTS = (1, 1, 1, 2, 3, 5)  # How many faults a file gets, one drawn at random


def damage(data: bytes, rng: random.Random) -> bytes:
    """The file with one to five faults."""
    for _ in range(rng.choice(FAULTS)):
        data = rng.choice(KINDS)(data, rng)
    return data


def flip_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 2, 8))):
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(changed)


def cut_bytes(data: bytes, rng: random.Random) -> bytes:
    start, size = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 16, len(data)))
    return data[:start] + data[start + size :]


def splice_bytes(data: bytes, rng: random.Random) -> bytes:
    a, b, size = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1), rng.choice((1, 4, 16, 64))
    return data[:a] + data[b : b + size] + data[a:]


def replace_number(data: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+\.?\d*", data[: 1 << 16]))
    if not found:
        return flip_bytes(data, rng)
    place = rng.choice(found)
    return data[: place.start()] + rng.choice(NUMBERS) + data[place.end() :]


def replace_word(data: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(rb"[A-Za-z_]{2,}|[\[\]{}:,;\t]", data[: 1 << 16]))
    if not found:
        return cut_bytes(data, rng)
    place = rng.choice(found)
    other = rng.choice((b"", b"x", b"[", b"]", b"{", b"}", b'"', b",", b"\xff", rng.choice(found).group()))
    return data[: place.start()] + other + data[place.end() :]


def move_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    lines[place : place + 1] = rng.choice(([], [lines[place]] * 2, [lines[rng.randrange(len(lines))]]))
    return b"\n".join(lines)


def grow_count(data: bytes, rng: random.Random) -> bytes:
    """A little-endian count made large."""
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice((b"\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x40", b"\xff" * 8)) + data[place + 4 :]


KINDS = (flip_bytes, cut_bytes, splice_bytes, replace_number, replace_word, move_line, grow_count)


def measure_peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) << 10  # type: ignore[index]


def fuzz(name: str, seconds: float, kept: Path, rng: random.Random) -> tuple[int, int, int]:
    """(reads, reads that succeeded, failures) of one format in so many seconds."""
    good = [maker() for maker in MAKERS[name]]
    known = FORMATS[name]
    item = ITEMS.get(name)
    reads = fine = failures = 0
    seen: set[tuple[type, str]] = set()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            seed = rng.choice(good)
            data = damage(seed, rng)
            path = Path(folder) / name_file(name, seed)
            path.write_bytes(data)
            Path("/proc/self/clear_refs").write_text("5")
            before = measure_peak()
            reads += 1
            try:
                with expose_bugs():
                    known.sniff and known.sniff(Source(path))
                    load(path, format=name, fps=rng.choice((None, 30.0)), item=item)
                fine += 1
            except PosecodecError:
                pass
            except Exception as error:
                failures += 1
                where = (type(error), str(traceback.extract_tb(error.__traceback__)[-1]))
                if where not in seen:
                    seen.add(where)
                    traceback.print_exc()
                    (kept / f"{name}-{reads}{path.suffix}").write_bytes(data)
            if measure_peak() - before > TIMES * len(data) + SPARE:
                failures += 1
                print(f"{name}: {measure_peak() - before >> 20} MB for a file of {len(data)} bytes")
                (kept / f"{name}-{reads}-memory{path.suffix}").write_bytes(data)
    return reads, fine, failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kept = Path(tempfile.mkdtemp(prefix="posecodec-fuzz-"))
    failed = 0
    for name in filter(MAKERS.get, options.formats or FORMATS):
        reads, fine, failures = fuzz(name, options.seconds, kept, random.Random(options.seed))
        failed += failures
        print(f"{name:10} {reads:8} reads, {fine:8} of them good, {failures} failures", flush=True)
    print(f"failing files are in {kept}" if failed else "no failures")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
