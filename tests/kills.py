"""Kill folder runs at random moments: `python tests/kills.py [COUNT] [SEED]` (300 unless told; the tests do four).

Half of the kills hit `encode -j 2`, half `decode -j 2`; each run goes on where the last one was killed, and a folder that is
done is begun anew. A run that ends before its moment comes is not counted. After every kill what is there must be whole,
and after the last run just what an undisturbed one writes, with nothing left over.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import posecodec
from posecodec.cli.resuming import MANIFEST
from posecodec.pose.synthetic import walk

COMMAND = [sys.executable, "-m", "posecodec"]
FILES = 12  # of a run, and as many folders: it takes about twice as long as it takes to start
PATIENCE = 600  # Looks, 50 ms apart, that processes without a first one have to end in: half a minute
REPORTED = 25  # Kills from one line that says how many there were to the next
LATEST = 1.1  # Share of an undisturbed run's time after which there are no kills


@dataclass
class Run:
    """A command over a folder, and what it writes when nobody disturbs it. seconds: that it takes."""

    arguments: list[str]
    output: Path
    expected: dict[str, bytes]
    seconds: float


def list_outputs(folder: Path) -> dict[str, bytes]:
    """All files but what the run remembers."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def measure(arguments: list[str], output: Path) -> Run:
    """Let a command run to its end twice: the first run may compile kernels, which takes longer than all the rest."""
    for _ in range(2):
        clear(output)
        began = time.perf_counter()
        subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)
    return Run(arguments, output, list_outputs(output), time.perf_counter() - began)


def kill_once(run: Run, after: float, everybody: bool) -> bool:
    """Start the command and kill it after so many seconds, with its processes or without; whether it was still running."""
    process = subprocess.Popen(
        [*COMMAND, *run.arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        (os.killpg if everybody else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
    with contextlib.suppress(ProcessLookupError):
        for _ in range(PATIENCE):
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        raise AssertionError("processes outlive the first")
    return True


def find_faults(run: Run) -> list[str]:
    """Outputs that are there and not what they should be, and folders of which only a part is there."""
    found = list_outputs(run.output)
    named = {name: data for name, data in found.items() if not name.startswith(".posecodec-")}
    faults = [name for name, data in named.items() if run.expected.get(name) != data]
    for folder in {os.path.dirname(name) for name in named} - {""}:
        inside = {name for name in run.expected if os.path.dirname(name) == folder}
        faults += [folder] if inside - set(named) else []
    return faults


def clear(folder: Path) -> None:
    """Remove all that is in it."""
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def attack(run: Run, count: int, rng: random.Random) -> tuple[int, int]:
    """So many kills of a running process: how many runs they took, how many left something aside. Raises AssertionError."""
    hit, runs, aside = 0, 0, 0
    clear(run.output)
    while hit < count:
        killed = kill_once(run, rng.uniform(0, LATEST * run.seconds), rng.random() < 0.5)
        assert not find_faults(run), f"half outputs of {run.arguments}: {find_faults(run)}"
        aside += any(name.startswith(".posecodec-") for name in list_outputs(run.output))
        hit, runs = hit + killed, runs + 1
        if killed and hit % REPORTED == 0:
            print(f"{run.arguments[0]}: {hit} of {count}", file=sys.stderr, flush=True)
        if list_outputs(run.output) == run.expected:
            clear(run.output)
    finish(run)
    return runs, aside


def finish(run: Run) -> None:
    """Let it run to its end: all is there, byte by byte, and nothing else. Raises AssertionError."""
    subprocess.run([*COMMAND, *run.arguments], check=True, capture_output=True)
    found = list_outputs(run.output)
    assert found == run.expected, f"{run.arguments}: {sorted(set(found) ^ set(run.expected))} differ"


def main(count: int, files: int = FILES, seed: int = 0) -> str:
    """Kill so often, runs over so many files and as many folders, and say what came of it."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "in").mkdir()
        for number in range(files):
            posecodec.save(walk(20 + number), root / "in" / f"{number:02}.npz")
            posecodec.save(walk(4 + number), root / "in" / f"scene {number:02}", format="panoptic")
        small, back, told = root / "small", root / "back", []
        encode = measure(["encode", f"{root}/in", "-o", str(small), "-j", "2", "--fps", "30"], small)
        decode = measure(["decode", str(small), "-o", str(back), "-j", "2"], back)
        for run in (decode, encode):
            runs, aside = attack(run, count // 2, rng)
            told.append(f"{run.arguments[0]} -j 2: {count // 2} kills in {runs} runs, {aside} left leftovers")
    return "; ".join(told) + "; all outputs whole, all runs ended with the same bytes and nothing left over"


if __name__ == "__main__":
    asked = [int(argument) for argument in sys.argv[1:]]
    print(main(asked[0] if asked else 300, seed=asked[1] if len(asked) > 1 else 0))
