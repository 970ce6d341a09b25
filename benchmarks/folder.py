"""How encoding a folder of small files scales with processes: `python benchmarks/folder.py [--files 1000]`.

Makes the files (walks of 60 frames), encodes them with -j 1 and -j 2 by the command line, and prints seconds and their ratio.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import posecodec
from posecodec.pose.synthetic import walk

COMMAND = [sys.executable, "-c", "from posecodec.cli import main; main()", "encode"]


def time_encoding(source: Path, target: Path, jobs: int) -> float:
    """Seconds of a run of the command line."""
    began = time.perf_counter()
    subprocess.run([*COMMAND, str(source), "-o", str(target), "-j", str(jobs)], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="Also write the result there, as JSON.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for number in range(options.files):
            sequence = walk(60, fps=30 + number % 7)
            posecodec.save(sequence, folder / "in" / f"{number:04}.npz")
        took = {jobs: time_encoding(folder / "in", folder / f"out{jobs}", jobs) for jobs in (1, 2)}
        same = all(p.read_bytes() == (folder / "out2" / p.name).read_bytes() for p in (folder / "out1").glob("*.posec"))
    facts = {"files": options.files, "seconds": took, "ratio": took[1] / took[2], "same files": same}
    print(
        f"{options.files} files: -j 1 {took[1]:.1f} s, -j 2 {took[2]:.1f} s, ratio {facts['ratio']:.2f}, same: {same}"
    )
    if options.out:
        options.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
