"""Fuzz the readers: `python tests/fuzz.py --seconds 300 [FORMAT ...]`; not run by pytest.

Small good files of every format are damaged at random (bytes, numbers, words, lines, structure, lengths), one in eight of
them packed by gzip before or after, sniffed and read. Anything but a PosecodecError is a failure, an exception that is a
mistake of a reader too (`expose_bugs`), and so is time or memory beyond what the file justifies (`limits`). Failing files
are kept in a folder that is named at the end, the first of each kind; all are counted. Linux only.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from good_files import FUZZED, ITEMS, name_file
from limits import measure_read

from posecodec.errors import PosecodecError
from posecodec.io import FORMATS, Source
from posecodec.io.filesystem import expose_bugs
from posecodec.io.parsing.hdf5 import SIGNATURE

PACKED = 8  # One of so many files is packed
FRAMES = "frames"  # The format of folders: of three files, of which the one in the middle is damaged
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


class Trials:
    """Reads of damaged files of one format, in a folder of their own: how many, how many succeeded, how many failed.

    kept: where failing files are put, the first of each kind.
    """

    def __init__(self, name: str, folder: Path, kept: Path) -> None:
        self.name, self.folder, self.kept = name, folder, kept
        self.reads = self.fine = self.failures = 0
        self.seeds = [maker() for maker in FUZZED[name]]
        self._seen: set[object] = set()
        for seed in self.seeds:  # what is imported on the way is no file's
            self._read(self._put(seed, seed, False), 30.0)

    def try_file(self, seed: bytes, data: bytes, packed: bool, fps: float | None) -> None:
        """One read. seed: the good file that it was, which says what it is called."""
        path = self._put(seed, data, packed)
        self.reads += 1
        try:
            with expose_bugs():
                FORMATS[self.name].sniff and FORMATS[self.name].sniff(Source(path))
                self._read(path, fps)
        except PosecodecError:
            pass
        except Exception as error:
            where = (type(error), str(traceback.extract_tb(error.__traceback__)[-1]))
            self._fail(where, "".join(traceback.format_exception(error)), path)

    def _read(self, path: Path, fps: float | None) -> None:
        cost = measure_read(path, PosecodecError, format=self.name, fps=fps, item=ITEMS.get(self.name))
        self.fine += not isinstance(cost.result, Exception)
        if cost.excess:
            self._fail(cost.excess.split()[1], f"{cost.excess}: {cost.result!r:.200}", path)

    def _put(self, seed: bytes, data: bytes, packed: bool) -> Path:
        """The file, or for FRAMES the folder that it is in."""
        name = name_file(self.name, seed)
        if self.name == FRAMES:
            for number in (1, 2, 3):
                (self.folder / name.replace("2", str(number))).write_bytes(data if number == 2 else seed)
            for other in set(self.folder.iterdir()) - {self.folder / name.replace("2", n) for n in "123"}:
                other.unlink()
            return self.folder
        path = self.folder / f"{name}{'.gz' if packed else ''}"
        path.write_bytes(data)
        return path

    def _fail(self, kind: object, text: str, path: Path) -> None:
        self.failures += 1
        if kind in self._seen:
            return
        self._seen.add(kind)
        print(f"{self.name}: {text}", flush=True)
        for file in [path] if path.is_file() else sorted(path.iterdir()):
            (self.kept / f"{self.name}-{self.reads}-{file.name}").write_bytes(file.read_bytes())


def can_be_packed(name: str, seed: bytes) -> bool:
    """Whether gzip around a file is unpacked."""
    return name not in (FRAMES, "h36m") and SIGNATURE not in seed[:1024]


def fuzz(name: str, seconds: float, kept: Path, rng: random.Random) -> Trials:
    """One format for so many seconds."""
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(name, Path(folder), kept)
        while time.monotonic() < end:
            seed = rng.choice(trials.seeds)
            packed = can_be_packed(name, seed) and not rng.randrange(PACKED)
            if packed and rng.randrange(2):
                data = damage(gzip.compress(seed, mtime=0), rng)
            else:
                data = damage(seed, rng)
                data = gzip.compress(data, mtime=0) if packed else data
            trials.try_file(seed, data, packed, rng.choice((None, 30.0)))
    return trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kept = Path(tempfile.mkdtemp(prefix="posecodec-fuzz-"))
    failed = 0
    for name in filter(FUZZED.get, options.formats or FORMATS):
        trials = fuzz(name, options.seconds, kept, random.Random(options.seed))
        failed += trials.failures
        print(f"{name:10} {trials.reads:8} reads, {trials.fine:8} good, {trials.failures} failures", flush=True)
    print(f"failing files are in {kept}" if failed else "no failures")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
