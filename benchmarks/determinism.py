"""What is the same everywhere: files, the integers in them and decoded positions, over interpreters, libraries and threads.

    python benchmarks/determinism.py [PYTHON ...] [--threads 1,2,8]

A fixed set of recordings is made once; every PYTHON (this one is always the first) then encodes and decodes it in a process
for each number of threads (BLAS's, PyTorch's and the codec's jobs), once with the code of other processors (OpenBLAS's
kernels for Haswell and SSE3), and once without the compiler (NUMBA_DISABLE_JIT=1). Each also decodes the files that the first
one wrote. Prints a row for each process that says of what how many kinds are as the first has them, and of the others which.
Tokens take PyTorch, and are left out where there is none. Exits with 1 where integers of the first one's files differ.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from posecodec import codec as codecs
from posecodec import io
from posecodec.bench.untrained_skeletons import make_hand, make_signer
from posecodec.codec import Encoded, PoseCodec
from posecodec.coders.chunk import split_sequence
from posecodec.coders.transform.block_coder import BlockCoder
from posecodec.coders.windows.prior import PriorCoder
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk
from posecodec.ratecontrol.coder_choice import Choice

DIGITS = 8  # Of a hash that are kept and compared
FRAMES = 40  # Of most recordings: without the compiler a second of motion takes seconds
LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMBA")
Job = tuple[str, dict[str, str]]  # What a row is called, and its environment


def make_recordings(folder: Path) -> None:
    """The walking sample, three of it, one with a hand, a hand alone and a drawn signer, as files."""
    body, hand = walk(FRAMES), make_hand(FRAMES)
    wrist = COCO19.keypoints.index("left_wrist")
    names = tuple(f"left_hand/{name}" for name in hand.skeleton.keypoints)
    edges = (*COCO19.edges, (wrist, 19), *((a + 19, b + 19) for a, b in hand.skeleton.edges))
    held = body.positions[:, :, [wrist]] + hand.positions - hand.positions[:, :, :1]
    gloved = PoseSequence.from_arrays(
        np.concatenate([body.positions, held], axis=2), fps=30, unit="mm", up="y",
        skeleton=Skeleton("gloved", (*COCO19.keypoints, *names), edges),
    )  # fmt: skip
    made = {"walk": body, "three": walk(FRAMES, people=3), "gloved": gloved, "hand": hand, "signer": make_signer(24)}
    for name, sequence in made.items():
        io.save(sequence, folder / f"{name}.npz")


def list_kinds(folder: Path, jobs: int) -> dict[str, tuple[PoseCodec, Callable[[], Encoded]]]:
    """Of each kind its codec and what encodes it."""
    plain, windows = PoseCodec(jobs=jobs), PoseCodec.from_pretrained("windows3d", jobs=jobs)
    one = {path.stem: io.load(path) for path in folder.glob("*.npz")}

    def encode_in_parts() -> Encoded:
        (chunk,) = split_sequence(one["gloved"])
        return plain._pack(one["gloved"], [chunk], Choice([plain.coders.body_parts.encode(chunk, 100).chunk]))

    kinds = {
        "windows": (windows, lambda: windows.encode_windows(one["walk"], 160)),
        "transform": (plain, lambda: plain.encode(one["three"])),
        "bounded": (plain, lambda: plain.encode(one["walk"], max_error=20)),
        "lossless": (plain, lambda: plain.encode(one["walk"], lossless=True)),
        "parts": (plain, encode_in_parts),
        "hand": (plain, lambda: plain.encode_at_qp(one["hand"], 100)),
        "signer": (plain, lambda: plain.encode_at_qp(one["signer"], 60)),
    }
    try:
        import torch
    except ImportError:
        return kinds
    torch.set_num_threads(jobs)
    tokens = PoseCodec.from_pretrained("body3d")
    return {**kinds, "tokens": (tokens, lambda: tokens.encode(one["walk"], levels=4))}


def collect_integers() -> list[bytes]:
    """A list that gets the integers of whatever is decoded from now on, as threads come to it; masks and side
    information aside."""
    found = list[bytes]()

    def watch(owner: Any, name: str) -> None:
        method = getattr(owner, name)

        def call(*arguments: Any) -> Any:
            result = method(*arguments)
            found.append(np.asarray(result[0], "<i4").tobytes())
            return result

        setattr(owner, name, call)

    watch(BlockCoder, "run")
    watch(PriorCoder, "decode")
    return found


def measure(folder: Path, jobs: int) -> dict[str, Any]:
    """What this process is, and by kind the hashes of its file, and of integers and positions in the first one's."""
    integers, rows = collect_integers(), {}
    for kind, (codec, encode) in list_kinds(folder, jobs).items():
        data, first = encode().data, folder / f"{kind}.posec"
        if not first.exists():
            first.write_bytes(data)
        integers.clear()
        decoded = codec.decode(first)
        if kind == "tokens":
            integers.extend(grid.indices.astype("<i4").tobytes() for grid in codec.tokens(first))
        positions = decoded.positions.astype("<f4").tobytes()
        rows[kind] = [
            hashlib.sha256(part).hexdigest()[:DIGITS] for part in (data, b"".join(sorted(integers)), positions)
        ] + [float(np.nanmax(np.abs(decoded.positions - _load_first(folder, kind, decoded.positions))))]
    libraries = {name: getattr(__import__(name), "__version__", "") for name in ("numpy", "numba")}
    torch = sys.modules.get("torch")
    return {
        "python": platform.python_version(),
        **libraries,
        "torch": getattr(torch, "__version__", "-"),
        "kinds": rows,
    }


def _load_first(folder: Path, kind: str, positions: Any) -> Any:
    """Positions as the first process had them: these, where it is this one."""
    path = folder / f"{kind}.npy"
    if not path.exists():
        np.save(path, positions)
    return np.load(path)


def run_job(python: str, folder: Path, jobs: int, environment: dict[str, str]) -> dict[str, Any]:
    """What a process finds."""
    counts = {f"{name}_NUM_THREADS": str(jobs) for name in LIBRARIES}
    root = str(Path(codecs.__file__).parents[1])
    found = subprocess.run(
        [python, __file__, "--child", str(folder), "--threads", str(jobs)], check=True, stdout=subprocess.PIPE,
        env={**os.environ, **counts, "PYTHONPATH": root, **environment},
    )  # fmt: skip
    return dict(json.loads(found.stdout))


def compare_rows(first: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """Cells for files, integers and positions: how many kinds are as the first has them, and which are not."""
    cells = []
    for part in range(3):
        other = [kind for kind, hashes in row["kinds"].items() if hashes[part] != first["kinds"][kind][part]]
        far = max((row["kinds"][kind][3] for kind in other), default=0.0) if part == 2 else 0.0
        same = f"{len(row['kinds']) - len(other)} of {len(row['kinds'])}"
        cells.append(same + (f", not {', '.join(other)}" if other else "") + (f" (by {far:.1g})" if far else ""))
    return cells


@click.command()
@click.argument("pythons", nargs=-1)
@click.option("--threads", default="1,2,8", show_default=True)
@click.option("--child", type=click.Path(path_type=Path), hidden=True)
def main(pythons: tuple[str, ...], threads: str, child: Path | None) -> None:
    """Print the table."""
    if child is not None:
        click.echo(json.dumps(measure(child, int(threads))))
        return
    first, wrong = None, False
    click.echo(
        "| Python | NumPy | numba | PyTorch | | files | integers | positions |\n|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_recordings(folder)
        for python in (sys.executable, *pythons):
            jobs = [(f"{n} thread{'s' * (n > 1)}", n, {}) for n in map(int, threads.split(","))]
            jobs += [(f"{core} kernels", 1, {"OPENBLAS_CORETYPE": core}) for core in ("Haswell", "Prescott")]
            jobs += [("no compiler", 1, {"NUMBA_DISABLE_JIT": "1"})]
            for title, count, environment in jobs:
                row = run_job(python, folder, count, environment)
                first = first or row
                cells = compare_rows(first, row)
                wrong |= not cells[1].startswith(f"{len(row['kinds'])} of")
                click.echo(
                    "| " + " | ".join([*(row[k] for k in ("python", "numpy", "numba", "torch")), title, *cells]) + " |"
                )
    click.echo(
        "\n" + "; ".join(f"{kind} {' '.join(row[:3])}" for kind, row in (first or {"kinds": {}})["kinds"].items())
    )
    raise SystemExit(wrong)


if __name__ == "__main__":
    main()
