"""A folder run whose work goes wrong where a source's name says so: `python tasks.py OUTPUT JOBS SOURCE ...`."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from posecodec.cli import batch
from posecodec.errors import PosecodecError
from posecodec.io.filesystem import write_atomic


@dataclass(frozen=True)
class Settings:
    """Of a run."""

    force: bool = False
    device: str = ""
    ours: Path | None = None


def work(source: Path, target: Path, settings: Settings) -> dict[str, object]:
    """Copy the source."""
    name = source.name
    if "murderer" in name or ("unlucky" in name and not (source.parent / "struck").exists()):
        (source.parent / "struck").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if "large" in name:
        raise MemoryError
    if "odd" in name:
        raise KeyError("\x1b[2J")
    if "slow" in name:
        time.sleep(600)
    if "warned" in name:
        warnings.warn("the kernels' cache\nis gone", stacklevel=2)
    write_atomic(target, source.read_bytes(), settings.force)
    return {"input": str(source), "output": str(target), "line": f"{source} -> {target}"}


if __name__ == "__main__":
    try:
        batch.run(
            batch.plan(tuple(sys.argv[3:]), sys.argv[1], None, ""), work, Settings(), int(sys.argv[2]), False, None
        )
    except PosecodecError as error:
        sys.exit(str(error))
