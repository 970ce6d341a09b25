"""Rate and distortion of the shipped token weights on the validation motion, whole files with headers.

    python benchmarks/validation.py [--data ../shared/data] [--out benchmarks/results]

Every sequence is written as an .npz, loaded, encoded to bytes, decoded from those bytes and compared. body3d takes the
motion as it is (mm); body2d takes it through each camera of the calibration (pixels). Prints one table per model and
writes validation_MODEL.json with settings, commit and machine.
"""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

import posecodec
from posecodec.metrics import error_per_keypoint
from posecodec.skeleton import COCO19
from posecodec.train.cameras import load_cameras, project
from posecodec.train.data import load_clips

ROOT = COCO19.root


def files_3d(data: Path, out: Path) -> list[Path]:
    """One .npz for each validation sequence, in mm."""
    return [
        _written(out / f"{i:03}.npz", clip.points, unit="mm", up="y")
        for i, clip in enumerate(load_clips((str(data / "val"),), COCO19))
    ]


def files_2d(data: Path, out: Path) -> list[Path]:
    """One .npz for each validation sequence and camera, in pixels: the person stands at the middle, on the floor."""
    cameras = load_cameras(data / "cameras" / "panoptic_hd5.json")
    count = len(cameras.offset)
    files = []
    for i, clip in enumerate(load_clips((str(data / "val"),), COCO19)):
        middle = clip.points[:, ROOT].mean(axis=0) * np.array([1, 0, 1], np.float32)
        world = torch.from_numpy(clip.points - middle).expand(count, -1, -1, -1)
        views = project(world, cameras).numpy()
        files += [_written(out / f"{i:03}_{c}.npz", views[c], unit="px", up="-y") for c in range(count)]
    return files


def _written(path: Path, points: np.ndarray, **labels: str) -> Path:
    posecodec.save(posecodec.PoseSequence.of(points, fps=30.0, skeleton=COCO19, **labels), path)
    return path


def measure(codec: posecodec.PoseCodec, files: list[Path], levels: int) -> dict[str, Any]:
    """Mean bits per frame and errors over all frames of all files."""
    size = frames = tokens = 0
    errors, rooted, heights = [], [], []
    for file in files:
        original = posecodec.load(file)
        encoded = codec.encode(original, levels)
        decoded = codec.decode(encoded.to_bytes())
        size += len(encoded.data)
        tokens += sum(grid.indices.size for grid in encoded.tokens)
        frames += original.frames
        errors.append(error_per_keypoint(original, decoded).ravel())
        a, b = (s.positions - s.positions[:, :, ROOT : ROOT + 1] for s in (original, decoded))
        rooted.append(np.linalg.norm(a - b, axis=-1).ravel())
        heights.append(np.full(rooted[-1].size, np.median(np.ptp(original.positions[..., 1], axis=-1))))
    everywhere, relative, height = (np.concatenate(x) for x in (errors, rooted, heights))
    return {
        "levels": levels,
        "bits_per_frame": 8 * size / frames,
        "raw_token_bits_per_frame": tokens * np.log2(codec.tokenizer.config.codes) / frames,
        "mpjpe_root_relative": relative.mean(),
        "mpjpe_global": everywhere.mean(),
        "p95_global": np.quantile(everywhere, 0.95),
        "max_global": everywhere.max(),
        "percent_of_height_root_relative": 100 * (relative / height).mean(),
        "percent_of_height_global": 100 * (everywhere / height).mean(),
    }


def show(name: str, unit: str, rows: list[dict[str, Any]]) -> None:
    """The table as text."""
    print(f"\n{name}: whole files, errors in {unit}")
    print("levels  bits/frame  root-relative  global    p95    max  root-relative % of height")
    for row in rows:
        print(
            f"{row['levels']:6}  {row['bits_per_frame']:10.2f}  {row['mpjpe_root_relative']:13.1f}"
            f"  {row['mpjpe_global']:6.1f}  {row['p95_global']:5.1f}  {row['max_global']:5.0f}"
            f"  {row['percent_of_height_root_relative']:12.2f}"
        )


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
@click.option("--model", "models", multiple=True, default=("body3d", "body2d"), help="Weights by name or path.")
@click.option("--levels", "chosen", multiple=True, type=int, help="Instead of 1, 2, 4, 6, 8, the default and all.")
def main(data: Path, out: Path, models: tuple[str, ...], chosen: tuple[int, ...]) -> None:
    """Measure weights on the validation motion."""
    torch.set_num_threads(1)
    for model in models:
        codec = posecodec.PoseCodec.from_pretrained(model)
        flat = codec.tokenizer.config.dims == 2
        with tempfile.TemporaryDirectory() as folder:
            files = (files_2d if flat else files_3d)(data, Path(folder))
            steps = chosen or sorted({1, 2, 4, 6, 8, codec.tokenizer.default_levels, codec.tokenizer.config.levels})
            rows = [measure(codec, files, levels) for levels in steps]
        name, unit = codec.tokenizer.weights.name, "px" if flat else "mm"
        show(name, unit, rows)
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
        record = {
            "model": name,
            "sha256": codec.tokenizer.weights.sha256,
            "unit": unit,
            "data": "val",
            "files": len(files),
            "commit": commit.stdout.strip(),
            "machine": platform.processor() or platform.machine(),
            "rows": rows,
        }
        out.mkdir(parents=True, exist_ok=True)
        (out / f"validation_{name}.json").write_text(json.dumps(record, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
