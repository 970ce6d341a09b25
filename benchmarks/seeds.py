"""Whether trainings agree: short ones with different seeds, and the bits each needs on val at 70, 52 and 37 mm.

python benchmarks/seeds.py [--config benchmarks/train/windows3d.json] [--seeds 0,1] [--windows 1024] [--steps 500]
    python benchmarks/seeds.py --model windows3d [--longest 16]
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import click
import numpy as np
import torch

import posecodec
from posecodec import zoo
from posecodec.bench.data import Take, load_split
from posecodec.coders.windows.lengths import LONGEST
from posecodec.coders.windows.weights import pack_tables
from posecodec.train.window_tables import fit
from posecodec.train.windows import WindowSource, WindowTraining, build_settings

ERRORS = (70.0, 52.0, 37.0)
"""mm at which trainings are compared: coarse, middling and fine windows."""
QPS = (124, 132, 140, 148, 156, 164)
"""Steps that span these errors."""


def measure_curve(
    codec: posecodec.PoseCodec, takes: list[Take], longest: int = LONGEST
) -> tuple[list[float], list[float]]:
    """Bits per frame of whole files and mm, from coarse to fine."""
    bits, errors = [], []
    for qp in reversed(QPS):
        size, off, frames = 0, 0.0, 0
        for take in takes:
            encoded = codec.encode_windows(take.to_sequence(), qp, longest)
            made = codec.decode(encoded.data).positions[:, 0]
            size += len(encoded.data)
            off += float(np.linalg.norm(made - take.points, axis=-1).mean(axis=1).sum())
            frames += len(take.points)
        bits.append(8 * size / frames)
        errors.append(off / frames)
    return bits, errors


def measure_bits(codec: posecodec.PoseCodec, takes: list[Take], longest: int = LONGEST) -> list[float]:
    """Bits per frame at ERRORS, by interpolation of the logarithm of the error."""
    bits, errors = measure_curve(codec, takes, longest)
    return [float(np.interp(-np.log(error), -np.log(errors), bits)) for error in ERRORS]


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), default=Path("benchmarks/train/windows3d.json"), show_default=True
)
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--seeds", default="0,1", show_default=True)
@click.option("--windows", default=1024, show_default=True)
@click.option("--steps", default=500, show_default=True)
@click.option("--model", multiple=True, help="Measure these weights instead of training.")
@click.option("--longest", default=LONGEST, show_default=True, help="Frames of a window at most, for less delay.")
def main(config: Path, data: Path, seeds: str, windows: int, steps: int, model: tuple[str, ...], longest: int) -> None:
    """Train with every seed, the tables alone, and compare."""
    torch.set_num_threads(1)
    takes, rows = load_split(data), []
    for name in model:
        rows.append(measure_bits(posecodec.PoseCodec.from_pretrained(name), takes, longest))
        click.echo(f"{name}: " + ", ".join(f"{e:.0f} mm at {b:.2f}" for e, b in zip(ERRORS, rows[-1], strict=True)))
    for seed in () if model else map(int, seeds.split(",")):
        chosen = dataclasses.replace(WindowTraining.load(config), seed=seed)
        source = WindowSource(chosen)
        tables = fit(
            source, source.skeleton, chosen.dims, seed, windows, steps, lambda text: click.echo(text, err=True)
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"seed{seed}"
            zoo.write_weights(path, pack_tables(tables), build_settings(chosen, source.skeleton), {})
            rows.append(measure_bits(posecodec.PoseCodec.from_pretrained(path.with_suffix(".safetensors")), takes))
        click.echo(
            f"seed {seed}: " + ", ".join(f"{e:.0f} mm at {b:.2f}" for e, b in zip(ERRORS, rows[-1], strict=True))
        )
    spread = (np.max(rows, axis=0) / np.min(rows, axis=0) - 1) * 100
    click.echo("spread: " + ", ".join(f"{e:.0f} mm {s:.1f} %" for e, s in zip(ERRORS, spread, strict=True)))


if __name__ == "__main__":
    main()
