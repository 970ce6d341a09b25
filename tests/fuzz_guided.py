"""Fuzz readers, guided by what their code does: `python tests/fuzz_guided.py --seconds 60 [FORMAT ...]`; not run by pytest.

As `fuzz` does, but what is damaged next is chosen by atheris (`pip install atheris`, in no extra: Linux only), which keeps
whatever reaches new lines. It begins with the good files, and nothing that it keeps outlasts the run. A process a format.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

LONGEST = 1 << 16  # bytes of a file
STOP = 120  # seconds after which a read is ended from outside; what takes too long is told before


def fuzz(name: str, seconds: float, kept: Path) -> None:
    """One format; ends the process, with 1 if something failed."""
    import atheris  # here, since doctests are looked for in every file

    with atheris.instrument_imports(include=["posecodec.io"]):
        from fuzz import Trials

        from posecodec.io import FORMATS

        FORMATS[name]
    folder, corpus = (Path(tempfile.mkdtemp(dir=kept.parent)) for _ in range(2))
    trials = Trials(name, folder, kept)
    for number, seed in enumerate(trials.seeds):
        (corpus / str(number)).write_bytes(bytes([number]) + seed)
    end = time.monotonic() + seconds

    def try_bytes(data: bytes) -> None:
        """The first byte says whether there is a rate, and which of the good files it is called as."""
        first = data[0] if data else 0
        trials.try_file(trials.seeds[first // 2 % len(trials.seeds)], data[1:], False, 30.0 if first % 2 else None)
        if time.monotonic() > end:
            print(f"{name:12} {trials.reads:8} reads, {trials.fine:8} good, {trials.failures} failures", flush=True)
            os._exit(bool(trials.failures))

    atheris.Setup([sys.argv[0], str(corpus), f"-max_len={LONGEST}", f"-timeout={STOP}", "-verbosity=0"], try_bytes)
    atheris.Fuzz()


def main() -> None:
    from good_files import FUZZED

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formats", nargs="*", default=list(FUZZED))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--into", type=Path, help="Where failing files go; one format, in this process.")
    options = parser.parse_args()
    if options.into is not None:
        warnings.simplefilter("ignore")
        fuzz(options.formats[0], options.seconds, options.into)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(tempfile.mkdtemp(prefix="posecodec-fuzz-"))
        (Path(folder) / "kept").symlink_to(kept)
        command = [sys.executable, __file__, "--seconds", str(options.seconds), "--into", f"{folder}/kept"]
        codes = [subprocess.run([*command, name], check=False).returncode for name in options.formats]
    print(f"failing files are in {kept}" if any(codes) else "no failures")
    sys.exit(any(codes))


if __name__ == "__main__":
    main()
