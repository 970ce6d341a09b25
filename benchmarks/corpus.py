"""What corpora cost: planning a million rows, encoding in one and two processes, by Dask and by Ray, kills, and what
loaders give.

    python benchmarks/corpus.py [--files 10000] [--rows 1000000] [--kills 20] [--out benchmarks/results]

The recordings are made: walks of 40 to 80 frames. Writes corpus.json. Run it on an idle machine: the ratio of two processes
to one is what it is about. Kills hit `posecodec corpus encode -j 2` at random moments, of a tenth of the files; the result in
the end has to be the same bytes. Dask and Ray, where they are installed, have two local workers each; their seconds include
starting and ending these. --engines measures nothing but them, and puts what it finds into the corpus.json that is there.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np

from posecodec import io
from posecodec.corpus import manifest, shards
from posecodec.corpus.reading import Corpus
from posecodec.pose.synthetic import walk

COMMAND = [sys.executable, "-m", "posecodec", "corpus"]
WINDOW = 40  # Frames of windows that loaders give


def make_recordings(folder: Path, count: int) -> None:
    """So many different walks, a thousand to a folder."""
    rng, whole = np.random.default_rng(0), walk(400)
    for number in range(count):
        start, frames = rng.integers(0, 320), rng.integers(40, 81)
        part = whole[int(start) : int(start + frames)]
        moved = part.positions * np.float32(rng.uniform(0.9, 1.1)) + rng.normal(scale=500, size=3).astype(np.float32)
        path = folder / f"{number // 1000:03}" / f"{number:06}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        io.save(part.with_positions(moved, part.confidence), path)


def time_planning(source: Path, rows: int) -> dict[str, float]:
    """Seconds to list the real files, and to write, read and split a manifest of so many rows."""
    began = time.perf_counter()
    real = manifest.plan(source)
    listed = time.perf_counter()
    more = [
        {"id": f"x/{i:07}.pose", "source": f"/data/x/{i:07}.pose", "bytes": 1000, "format": "pose"}
        for i in range(rows - len(real))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.parquet"
        manifest.write_manifest(path, real + more)
        del more
        split = shards.split_rows(manifest.iterate_rows(path), 100, range(100))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "list_s": listed - began,
        "write_read_split_s": time.perf_counter() - listed,
        "peak_mib": peak,
        "rows": sum(map(len, split.values())),
    }


def encode(plan: Path, root: Path, jobs: int, count: int) -> float:
    """Seconds of an encode."""
    began = time.perf_counter()
    subprocess.run(
        [*COMMAND, "encode", plan, "-o", root, "--shards", str(count), "-j", str(jobs)], check=True, capture_output=True
    )
    return time.perf_counter() - began


def encode_by_dask(plan: Path, root: Path, count: int) -> None:
    """The same by two local workers of Dask."""
    from distributed import Client, LocalCluster

    from posecodec.interop import dask

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        dask.encode_corpus(str(plan), str(root), count, client)


def encode_by_ray(plan: Path, root: Path, count: int) -> None:
    """The same by two local workers of Ray."""
    import ray

    from posecodec.interop import ray as engine

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        engine.encode_corpus(str(plan), str(root), count)
    finally:
        ray.shutdown()


ENGINES = {"dask": ("distributed", encode_by_dask), "ray": ("ray", encode_by_ray)}
"""The package that each engine needs, and what encodes by it."""


def time_engines(plan: Path, folder: Path, count: int) -> dict[str, Any]:
    """Seconds of `-j 2` and of each engine that is installed, one after another, and whether the shards are the same."""
    seconds = {"jobs_2": encode(plan, folder / "engine_jobs", 2, count)}
    whole, same = read_tree(folder / "engine_jobs"), {}
    for name, (package, run) in ENGINES.items():
        if find_spec(package) is None:
            print(f"{name}: {package} is not installed", flush=True)
            continue
        began = time.perf_counter()
        run(plan, folder / f"engine_{name}", count)
        seconds[name] = time.perf_counter() - began
        same[name] = read_tree(folder / f"engine_{name}") == whole
    ratios = {name: seconds[name] / seconds["jobs_2"] for name in same}
    return {"seconds": seconds, "ratio_to_two_processes": ratios, "same_bytes": same, "shards": count}


def read_tree(root: Path) -> dict[str, bytes]:
    """All files of a corpus."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def kill_often(plan: Path, root: Path, kills: int, count: int, whole: dict[str, bytes]) -> int:
    """Kill encodes at random moments so often, each going on where the one before was ended; a finished corpus is begun anew.

    Returns how many finished ones, the last among them, were not the same bytes as the whole.
    """
    chance, hit, wrong = random.Random(0), 0, 0
    while hit < kills:
        running = subprocess.Popen(
            [*COMMAND, "encode", plan, "-o", root, "--shards", str(count), "-j", "2"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            running.wait(chance.uniform(1, 6))
            wrong += read_tree(root) != whole
            shutil.rmtree(root)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            hit += 1
    encode(plan, root, 2, count)
    return wrong + (read_tree(root) != whole)


def time_loaders(root: Path, source: Path) -> dict[str, Any]:
    """Frames a second that windows of a corpus give, without and with two workers, and of the same npz files."""
    from torch.utils.data import DataLoader

    from posecodec.datasets import Windows

    found: dict[str, Any] = {}
    for workers in (0, 2):
        loader = DataLoader(Windows(root, WINDOW, shuffle=1024), batch_size=64, num_workers=workers)
        began = time.perf_counter()
        windows = sum(len(batch["positions"]) for batch in loader)
        found[f"frames_per_s_{workers}_workers"] = windows * WINDOW / (time.perf_counter() - began)
    began, frames = time.perf_counter(), 0
    for path in sorted(source.rglob("*.npz"))[:1000]:
        frames += io.load(path).frames
    found["frames_per_s_npz"] = frames / (time.perf_counter() - began)
    return found


@click.command()
@click.option("--files", default=10_000, show_default=True)
@click.option("--rows", default=1_000_000, show_default=True)
@click.option("--kills", default=20, show_default=True)
@click.option("--engines", is_flag=True, help="Only `-j 2`, Dask and Ray.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(files: int, rows: int, kills: int, engines: bool, out: Path) -> None:
    """Measure, print and write."""
    folder = Path(tempfile.mkdtemp(prefix="corpus-"))
    source, plan = folder / "source", folder / "manifest.parquet"
    make_recordings(source, files)
    if engines:
        manifest.write_manifest(plan, manifest.plan(source))
        known = json.loads((out / "corpus.json").read_text())
        write(out, {**known, "engines": {"files": files, **time_engines(plan, folder, 10)}})
        shutil.rmtree(folder)
        return
    found: dict[str, Any] = {"files": files, "planning": time_planning(source, rows)}
    print(json.dumps(found), flush=True)
    manifest.write_manifest(plan, manifest.plan(source))
    few = folder / "few.parquet"
    manifest.write_manifest(few, manifest.plan(source)[: files // 10])
    encode(few, folder / "warm", 1, 1)
    seconds = {jobs: encode(plan, folder / f"jobs{jobs}", jobs, 10) for jobs in (1, 2)}
    corpus = Corpus(folder / "jobs1")
    size, frames = sum(row["bytes_out"] for row in corpus.rows), sum(row["frames"] for row in corpus.rows)
    found["encoding"] = {
        "seconds": seconds, "ratio_of_two": seconds[1] / seconds[2], "frames": frames, "bytes": size,
        "same_bytes": read_tree(folder / "jobs1") == read_tree(folder / "jobs2"),
        "core_hours_of_a_million_clips_of_300_frames": seconds[1] / frames * 300 * 1e6 / 3600,
    }  # fmt: skip
    print(json.dumps(found["encoding"]), flush=True)
    found["loaders"] = time_loaders(folder / "jobs1", source)
    encode(few, folder / "whole", 2, 10)
    wrong = kill_often(few, folder / "killed", kills, 10, read_tree(folder / "whole"))
    found["kills"] = {"kills": kills, "other_bytes": wrong}
    by_engines = time_engines(plan, folder, 10)
    shutil.rmtree(folder)
    write(out, {**found, "engines": {"files": files, **by_engines}})


def write(out: Path, found: dict[str, Any]) -> None:
    """corpus.json in a folder, and on the screen."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "corpus.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
