"""Whether coarse tokens move as the originals do: with a discriminator in training, without it, and the transform beside.

    python benchmarks/liveliness.py --weights runs/with.safetensors runs/without.safetensors [--levels 1,2,3]

For so many levels every take is encoded and decoded; the transform is run at one step for all takes, the one whose whole
files together are nearest to the bits of the first weights' at that level, or its coarsest where all are larger. Joins are
where steps of tokens meet; the transform is measured at the same frames, which are no joins of its own. FID_k and FID_g:
Frechet distance of kinetic and geometric features of stretches of 64 frames every 32, decoded against original; takes under
64 frames have none. "Original" is measured against itself: what 0 is not to be reached in. Prints a table and writes
liveliness.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from equal_bits import follow_transform

import posecodec
from posecodec.analysis import motion_features, motion_quality
from posecodec.bench.data import Take, load_split
from posecodec.bench.record import collect_facts
from posecodec.codec import Encoded

FPS = 30.0
COLUMNS = {
    "bits_per_frame": "bits/frame",
    "mpjpe": "MPJPE mm",
    "jerk_ratio": "jerk ratio",
    "spectrum_distance": "spectrum, decades",
    "foot_skating": "skating mm/s",
    "bone_variation": "bones %",
    "seam_ratio": "seam",
    "seam_excess": "seam / original's",
    "fid_k": "FID_k",
    "fid_g": "FID_g",
}


def list_joins(encoded: Encoded, step: int) -> list[int]:
    """First frames of all steps but the first, at the tokens' own frame rate."""
    spans = encoded.header.spans
    return [at for span in spans for at in range(span.start, span.start + span.length, step) if at]


def collect_features(motions: list[np.ndarray]) -> list[np.ndarray]:
    """Kinetic (N, 57) and geometric (N, 33) features of all stretches."""
    stretches = [x for points in motions for x in motion_features.list_stretches(points)]
    measures = (motion_features.measure_kinetics, motion_features.measure_geometry)
    return [np.array([measure(x, FPS) for x in stretches]) for measure in measures]


def measure(takes: list[Take], decoded: list[np.ndarray], joins: list[list[int]]) -> dict[str, float]:
    """All columns but bits."""
    originals = [take.points for take in takes]
    pairs = list(zip(originals, decoded, strict=True))
    found = vars(motion_quality.measure(pairs, FPS, joins))
    features = zip(collect_features(originals), collect_features(decoded), strict=True)
    distances = [motion_features.frechet_distance(a, b) for a, b in features]
    return {**found, "fid_k": distances[0], "fid_g": distances[1]}


def run(takes: list[Take], weights: tuple[Path, ...], levels: list[int]) -> list[dict[str, Any]]:
    """Rows: the originals, then for each number of levels all weights and the transform."""
    transform, codecs = follow_transform(takes), [posecodec.PoseCodec.from_pretrained(path) for path in weights]
    rows: list[dict[str, Any]] = []
    for level in levels:
        first = 0.0
        for codec in codecs:
            files = [codec.encode(take.to_sequence(), levels=level) for take in takes]
            joins = [list_joins(encoded, codec.tokenizer.config.step) for encoded in files]
            bits = 8 * sum(len(encoded.data) for encoded in files) / transform.frames
            first = first or bits
            if not rows:
                rows.append({"name": "original", **measure(takes, [take.points for take in takes], joins)})
            decoded = [codec.decode(encoded.data).positions[:, 0] for encoded in files]
            name = {"name": codec.weights.name, "sha256": codec.weights.sha256, "levels": level}
            rows.append({**name, "bits_per_frame": bits, **measure(takes, decoded, joins)})
        qp = transform.find_nearest(first)
        name = {"name": "transform", "levels": level, "qp": qp, "wanted_bits": first}
        found = measure(takes, transform.decode(qp), joins)
        rows.append({**name, "bits_per_frame": transform.measure_bits(qp), **found})
    return rows


def show(rows: list[dict[str, Any]]) -> str:
    """A table in Markdown."""
    lines = [f"| levels | coder | {' | '.join(COLUMNS.values())} |", "|---" * (2 + len(COLUMNS)) + "|"]
    for row in rows:
        values = [f"{row[key]:.4g}" if key in row else "" for key in COLUMNS]
        lines.append(f"| {row.get('levels', '')} | {row['name']} | {' | '.join(values)} |")
    return "\n".join(lines)


@click.command()
@click.option("--weights", multiple=True, type=click.Path(path_type=Path, exists=True), help="The first sets the bits.")
@click.argument("more", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--levels", default="1,2,3", show_default=True)
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--split", default="val", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/liveliness.json"), show_default=True
)
def main(weights: tuple[Path, ...], more: tuple[Path, ...], levels: str, data: Path, split: str, out: Path) -> None:
    """Measure how lively coarse tokens are."""
    if not weights + more:
        raise click.UsageError("no weights; give --weights A.safetensors B.safetensors")
    torch.set_num_threads(1)
    takes = load_split(data, split)
    rows = run(takes, weights + more, [int(level) for level in levels.split(",")])
    matched = "one step of the transform for all takes, whole files together nearest to the first weights' bits"
    record = {
        **collect_facts(takes, data, split),
        "settings": {
            "stretch": motion_features.STRETCH, "stride": motion_features.STRIDE, "matched": matched,
            "stretches": sum(len(motion_features.list_stretches(take.points)) for take in takes),
        },
        "rows": rows,
    }  # fmt: skip
    click.echo(show(rows))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
