"""3D from three views: a system "m2d-3d" with a channel for each keypoint, against triangulation with the same cameras.

    python benchmarks/three_views.py weights/paper/m2d-3d-keypoints.safetensors [--data ../shared/data] [--windows 60]

Windows of the validation split, seen by the cameras around their box; clean, and with noise of 5 px of an image in which the
box is 540 px wide and 10 % of the points missing in each view. Triangulation is linear least squares over the views that see
a keypoint, in time a straight line where fewer than two do; it hands over numbers, the network tokens.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from posecodec.bench.paper import SEED, System, Window, cut
from posecodec.networks import grid_io
from posecodec.train.data import build_generator

IMAGE = 540.0  # Pixels of the box's side in the image that noise is told in
CONDITIONS = {"clean": (0.0, 0.0), "5 px and 10 % missing": (5.0, 0.1)}


def damage(window: Window, noise: float, missing: float, grid: float, rng: torch.Generator) -> Tensor:
    """What the cameras see, with noise in pixels of the image, NaN where missing."""
    seen = window.cut.source
    moved = seen + torch.randn(seen.shape, generator=rng) * noise * grid / IMAGE
    lost = torch.rand(seen.shape[:-1], generator=rng) < missing
    return torch.where(lost.unsqueeze(-1), torch.nan, moved)


def triangulate(centers: Tensor, system: System) -> Tensor:
    """(T, K, 3) pixels from the middle of the box, of centers (T, V, K, 2): by those that are not NaN."""
    found = np.full((len(centers), centers.shape[2], 3), np.nan)
    middle, half = (system.config.grid - 1) / 2, system.config.grid / 2
    there = ~centers.isnan().any(-1)
    enough = (there.sum(1) >= 2).numpy()
    solved = grid_io.triangulate(centers - middle, half, there) / grid_io.CIRCLE_ROOM
    found[enough] = solved.numpy()[enough]
    time = np.arange(len(found))
    for k in range(found.shape[1]):
        known = np.isfinite(found[:, k, 0])
        for axis in range(3):
            found[~known, k, axis] = np.interp(time[~known], time[known], found[known, k, axis]) if known.any() else 0.0
    return torch.from_numpy(found)


@click.command()
@click.argument("weights", type=click.Path(path_type=Path, exists=True))
@click.option("--data", type=click.Path(path_type=Path), default=Path("../shared/data"), show_default=True)
@click.option("--windows", default=60, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Also write the result there, as JSON.")
def main(weights: Path, data: Path, windows: int, out: Path | None) -> None:
    """MPJPE in mm of both, and the bits a frame of the network's tokens."""
    system = System.load(weights)
    config, rows = system.config, []
    shown = list(cut(system, data, windows, flicker=False))
    for name, (noise, missing) in CONDITIONS.items():
        rng, errors, bits = build_generator(SEED, 1), [], 0.0
        for window in shown:
            seen = damage(window, noise, missing, config.grid * (1 - config.margin), rng)
            real = grid_io.locate(window.cut.target, config, config.target)[0]
            scale = float(window.cut.target_box[0, 0, 0])
            volume = grid_io.draw_volume(seen, config, config.source)
            with torch.inference_mode():
                tokens = system.network.tokenize(volume)
                made = grid_io.detokenize(system.network, tokens)[0]
            bits += float(system.prior.measure(tokens[0].numpy().astype(np.int32)).sum())
            guesses = (triangulate(seen[0].double(), system), made)
            errors.append([float((guess - real).norm(dim=-1).mean()) / scale for guess in guesses])
        plain, network = np.mean(errors, axis=0)
        rows.append({
            "condition": name, "triangulation_mm": plain, "network_mm": network,
            "bits_per_frame": bits / (windows * config.window),
        })  # fmt: skip
        print(
            f"{name:24} triangulation {plain:6.1f} mm, network {network:6.1f} mm at {rows[-1]['bits_per_frame']:.1f} b/frame"
        )
    if out:
        out.write_text(json.dumps({"weights": system.card, "windows": windows, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
