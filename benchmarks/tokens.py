"""What tokens cost and how their levels nest, on the validation motion: perplexity, packed bits, order 0, the integer prior.

    python benchmarks/tokens.py [--data ../shared/data] [--split val] [--model body3d] [--out benchmarks/results]

Writes tokens_MODEL.json and prints it as tables. "packed" is ceil(log2 N) bits a digit; "order 0" an adaptive model of each
level's digits, learned along all files; "prior" what the file's chunks really take. Nesting: files of the most levels,
decoded from their first levels alone. A 2D model sees each take through five calibrated cameras, 1920 x 1080.
"""

from __future__ import annotations

import json
import math
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

import posecodec
from posecodec.analysis import motion_quality
from posecodec.bench.data import load_split
from posecodec.bitstream import container
from posecodec.coders.chunk import ChunkContext
from posecodec.coders.windows.bitplanes import qp_of_levels
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.signal.segmentation import list_spans
from posecodec.train.cameras import load_cameras, project
from posecodec.train.data import load_clips
from posecodec.train.git_commit import find_commit


@dataclass(frozen=True, eq=False)
class Flat:
    """A take as a camera sees it. points: (T, 19, 2) px."""

    points: np.ndarray

    def to_sequence(self) -> posecodec.PoseSequence:
        """As the codec gets it."""
        return posecodec.PoseSequence.from_arrays(self.points, fps=30.0, skeleton=COCO19, unit="px", up="-y")


def project_all(data: Path, split: str) -> list[Flat]:
    """Every take through every camera of the calibration, the person at the middle, on the floor."""
    cameras = load_cameras(data / "cameras" / "panoptic_hd5.json")
    count, found = len(cameras.offset), []
    for clip in load_clips((str(data / split),), COCO19):
        middle = clip.points[:, 2].mean(axis=0) * np.array([1, 0, 1], np.float32)
        views = project(torch.from_numpy(clip.points - middle).expand(count, -1, -1, -1), cameras).numpy()
        found += [Flat(view) for view in views]
    return found


def count_order_0_bits(planes: list[np.ndarray], codes: int) -> float:
    """Bits of an adaptive model with one count for each code, that starts at 1 each."""
    counts, bits = np.ones(codes), 0.0
    for digits in planes:
        for code, number in enumerate(np.bincount(digits.ravel(), minlength=codes)):
            bits += math.lgamma(counts[code]) - math.lgamma(counts[code] + number)
        total = counts.sum()
        bits += math.lgamma(total + digits.size) - math.lgamma(total)
        counts += np.bincount(digits.ravel(), minlength=codes)
    return bits / math.log(2)


def measure(codec: posecodec.PoseCodec, takes: list[Any], levels: int) -> dict[str, Any]:
    """One row: whole files, what their digits cost in other ways, and how natural they move."""
    grids, size, payload, frames, pairs, joins = [], 0, 0, 0, [], []
    for take in takes:
        encoded = codec.encode(take.to_sequence(), levels)
        decoded = codec.decode(encoded.data)
        grids += encoded.tokens
        size += len(encoded.data)
        payload += sum(len(chunk.base) for chunk in container.read(encoded.data)[1])
        frames += len(take.points)
        pairs.append((take.points, decoded.positions[:, 0]))
        joins.append([start for start, _ in list_spans(encoded.tokens[0].lengths)[1:]])
    digits = [[grid.indices[..., q] for grid in grids] for q in range(levels)]
    count = sum(plane.size for level in digits for plane in level)
    packed = count * math.ceil(math.log2(grids[0].codes))
    plain = sum(count_order_0_bits(level, grids[0].codes) for level in digits)
    root = [(a - a[:, 2:3], b - b[:, 2:3]) for a, b in pairs]
    solid = takes[0].points.shape[2] == 3
    found = vars(motion_quality.measure(pairs, 30.0, joins)) if solid else {}
    height = np.concatenate([np.full(len(p), np.median(np.ptp(p[..., 1], axis=1))) for p, _ in pairs])
    error = np.concatenate([np.linalg.norm(a - b, axis=-1).mean(axis=1) for a, b in pairs])
    return {
        "levels": levels,
        "bits_per_frame": 8 * size / frames,
        "mpjpe": error.mean(),
        "percent_of_height": 100 * (error / height).mean(),
        "mpjpe_root": np.concatenate([np.linalg.norm(a - b, axis=-1).ravel() for a, b in root]).mean(),
        "packed_bits_per_frame": packed / frames,
        "order_0_bits_per_frame": plain / frames,
        "prior_bits_per_frame": 8 * payload / frames,
        "nonzero_digits_per_second": 30 * sum(int((p > 0).sum()) for level in digits for p in level) / frames,
        **{name: value for name, value in found.items() if name != "mpjpe"},
    }


def measure_usage(grids: list[Any], levels: int) -> list[dict[str, float]]:
    """Of every level: perplexity of its digits, and the share of codes that occur."""
    rows = []
    for q in range(levels):
        counts = np.bincount(np.concatenate([g.indices[..., q].ravel() for g in grids]), minlength=grids[0].codes)
        share = counts[counts > 0] / counts.sum()
        rows.append(
            {
                "level": q + 1,
                "perplexity": float(np.exp(-(share * np.log(share)).sum())),
                "codes_used": float((counts > 0).mean()),
            }
        )
    return rows


def measure_nesting(codec: posecodec.PoseCodec, takes: list[Any], levels: int) -> list[dict[str, float]]:
    """Error of the first levels of files of so many, in the body's own place: side information is the file's."""
    rows = []
    sums, count = np.zeros(levels), 0
    for take in takes:
        sequence = take.to_sequence()
        header, parts = container.read(codec.encode(sequence, levels).data)
        for (start, length), part in zip([c for t in header.tracks for c in t.chunks], parts, strict=True):
            latents = codec.coders.windows.read_integers(part, ChunkContext.from_header(header, length))[1]
            truth = take.points[start : start + length]
            for kept in range(1, levels + 1):
                coarse = codec.tokenizer.keep_levels(latents, kept)
                made = codec.tokenizer.decode(coarse, header.coded_up)
                sums[kept - 1] += np.linalg.norm(made - truth, axis=-1).sum()
            count += truth.shape[0] * truth.shape[1]
    for kept in range(1, levels + 1):
        rows.append({"levels": kept, "index": qp_of_levels(kept), "mpjpe": sums[kept - 1] / count})
    return rows


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--split", default="val", show_default=True)
@click.option("--model", default="body3d", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
@click.option("--most", default=11, show_default=True, help="Levels of the finest files.")
def main(data: Path, split: str, model: str, out: Path, most: int) -> None:
    """Measure tokens on a split of the motion data."""
    torch.set_num_threads(1)
    codec = posecodec.PoseCodec.from_pretrained(model)
    takes = load_split(data, split) if codec.tokenizer.dims == 3 else project_all(data, split)
    rows = [measure(codec, takes, levels) for levels in range(4, most + 1)]
    grids = [grid for take in takes for grid in codec.tokenize(take.to_sequence(), most)]
    record = {
        "model": codec.tokenizer.weights.name, "sha256": codec.tokenizer.weights.sha256, "split": split, "files": len(takes),
        "commit": find_commit(),
        "machine": platform.processor() or platform.machine(), "rows": rows, "usage": measure_usage(grids, most),
        "nested": measure_nesting(codec, takes, most),
    }  # fmt: skip
    for row in rows:
        prior = row["prior_bits_per_frame"]
        saved = [100 * (1 - prior / row[f"{k}_bits_per_frame"]) for k in ("packed", "order_0")]
        click.echo(
            f"levels {row['levels']:2}  {row['bits_per_frame']:6.2f} bits/frame  {row['mpjpe']:6.1f}, root-relative "
            f"{row['mpjpe_root']:6.1f}, {row['percent_of_height']:4.1f} % of height  prior {prior:.2f}, -{saved[0]:.0f} % "
            f"of packed, -{saved[1]:.0f} % of order 0  seam {row.get('seam_ratio', np.nan):.2f}"
        )
    click.echo("nested " + " ".join(f"{r['levels']}: {r['mpjpe']:.0f}" for r in record["nested"]))
    click.echo("perplexity " + " ".join(f"{r['level']}: {r['perplexity']:.3f}" for r in record["usage"]))
    out.mkdir(parents=True, exist_ok=True)
    suffix = "" if split == "val" else f"_{split.split('/')[0]}"
    (out / f"tokens_{codec.tokenizer.weights.name}{suffix}.json").write_text(
        json.dumps(record, indent=1, default=float) + "\n"
    )


if __name__ == "__main__":
    main()
