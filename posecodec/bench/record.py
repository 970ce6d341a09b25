"""Results on disk: the three files of a run, and what anybody needs to know to get the same figures again."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posecodec import __version__
from posecodec.bench.data import Take
from posecodec.bench.rate_distortion import RANGES_MM, Result
from posecodec.bench.table import format_page

NAME = "rate_distortion"  # Of the three files
_PACKAGES = ("numpy", "numba", "zstandard", "blosc2", "pcodec", "zfpy", "pysz", "bodycompress", "matplotlib")


def collect_facts(takes: list[Take], data: Path, split: str) -> dict[str, Any]:
    """Commit, machine, versions and data, ready for JSON."""
    return {
        "commit": _find_commit(),
        "machine": _find_machine(),
        "versions": {"posecodec": __version__, "python": platform.python_version(), **_find_versions()},
        "data": data.name,
        "split": split,
        "takes": len(takes),
        "frames": sum(len(take.points) for take in takes),
    }


def write(result: Result, known: dict[str, Any], out: Path) -> list[Path]:
    """rate_distortion.json, .md and .png in a folder, made if need be; the picture only where matplotlib is installed."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{NAME}.{suffix}" for suffix in ("json", "md", "png")]
    paths[0].write_text(json.dumps(_record(result, known), indent=1, allow_nan=False) + "\n")
    paths[1].write_text(format_page(result, known))
    try:
        from posecodec.bench.figure import draw

        draw(result, paths[2])
    except ImportError:
        return paths[:2]
    return paths


def _record(result: Result, known: dict[str, Any]) -> dict[str, Any]:
    labels = [f"{low:g}-{high:g} mm" for low, high in RANGES_MM]
    deltas = {
        name: {label: delta and asdict(delta) for label, delta in zip(labels, found, strict=True)}
        for name, found in result.deltas.items()
    }
    rows = [asdict(row) for row in result.rows]
    return {**known, "rows": rows, "left_out": result.left_out, "bd_rate_percent_against_b0": deltas}


def _find_commit() -> str:
    """Of this checkout, marked where files differ from it; "unknown" outside one."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _find_machine() -> str:
    """The processor's name, where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _find_versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
