"""What motion tokens cost and how far they are off, by levels, beside the transform and windows at the same bits.

    python benchmarks/motion_tokens.py [--model body3d] [--data ../shared/data] [--split val] [--codes]

Bits a frame: whole files with their headers; of the chunks, what is tokens ("raw" at log2 N each, "prior" as they are
coded) and what is side information (start, size, remainders of the path). Tokens a second: those in the files, the
padding of last steps included, and nominally rows x levels x rate / step. Errors between levels are interpolated, their
logarithm linear in tokens or bits; so are the others' between two of their steps. Cut files: whether those of the most
levels, cut, are byte for byte those of fewer. --codes adds the share of codes that the training motion uses. Prints
tables and writes motion_tokens_NAME.json.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from equal_bits import Curve, follow_transform, follow_windows
from views import load_takes

import posecodec
from posecodec.bench.record import collect_facts
from posecodec.bitstream import container
from posecodec.codec import Encoded
from posecodec.coders.chunk import ChunkContext

TOKENS_AT = (62.0, 40.0)
"""mm at which tokens a second are told."""
BITS_AT = (70.0, 100.0)
"""mm at which bits a frame are told."""
FPS = 30.0
ROOT = 2  # Index of the mid-hip


def measure_errors(takes: list[Any], decoded: list[np.ndarray]) -> list[float]:
    """Mean error over frames and keypoints, the same relative to the root, and the first in percent of a body's height."""
    pairs = [
        (take.points.astype(np.float64), made.astype(np.float64)) for take, made in zip(takes, decoded, strict=True)
    ]
    everywhere = [np.linalg.norm(a - b, axis=-1).mean(axis=1) for a, b in pairs]
    relative = [np.linalg.norm(a - a[:, [ROOT]] - b + b[:, [ROOT]], axis=-1).ravel() for a, b in pairs]
    percent = [100 * e / np.median(np.ptp(a[..., 1], axis=1)) for e, (a, _) in zip(everywhere, pairs, strict=True)]
    return [float(np.concatenate(found).mean()) for found in (everywhere, relative, percent)]


def list_tokens(encoded: Encoded) -> list[np.ndarray]:
    """(t, h, Q) int32 of each chunk."""
    return [np.ascontiguousarray(grid.indices[:, :, 0]) for grid in encoded.tokens]


def measure_rates(codec: posecodec.PoseCodec, files: list[Encoded], levels: int, frames: int) -> dict[str, float]:
    """What files cost a frame, and their tokens a second."""
    config, prior = codec.tokenizer.config, codec.coders.tokens.tokenizer.tables.prior
    tokens = [grid for encoded in files for grid in list_tokens(encoded)]
    count, coded = sum(grid.size for grid in tokens), sum(float(prior.measure(grid).sum()) for grid in tokens)
    payload = 8 * sum(len(chunk.base) for encoded in files for chunk in container.read(encoded.data)[1])
    return {
        "tokens_per_second": FPS * count / frames,
        "nominal_tokens_per_second": config.rows * levels * config.rate / config.step,
        "bits_per_frame": 8 * sum(len(encoded.data) for encoded in files) / frames,
        "raw_bits_per_frame": count * math.log2(config.codes) / frames,
        "prior_bits_per_frame": coded / frames,
        "side_bits_per_frame": (payload - coded) / frames,
    }


def name_errors(errors: list[float] | None) -> dict[str, float | None]:
    """Those of `measure_errors` by name; None where there are none."""
    return dict(zip(("mpjpe", "mpjpe_root", "percent_of_height"), errors or [None] * 3, strict=True))


def measure_level(
    codec: posecodec.PoseCodec, takes: list[Any], files: list[Encoded], levels: int, others: dict[str, Curve]
) -> dict[str, Any]:
    """One row of the table."""
    frames = sum(len(take.points) for take in takes)
    rates = measure_rates(codec, files, levels, frames)
    row = {"levels": levels, **rates}
    row |= name_errors(measure_errors(takes, [codec.decode(encoded.data).positions[:, 0] for encoded in files]))
    for name, curve in others.items():
        row[name] = name_errors(curve.interpolate(rates["bits_per_frame"], lambda made: measure_errors(takes, made)))
    return row


def cut(codec: posecodec.PoseCodec, data: bytes, levels: int) -> bytes:
    """A file with its first levels only."""
    (header, chunks), coder = container.read(data), codec.coders.tokens
    contexts = [ChunkContext.from_header(header, span.length) for span in header.spans]
    pairs = zip(chunks, contexts, strict=True)
    return container.write(header, [coder.cut(chunk, context, levels) for chunk, context in pairs])


def check_cut(
    codec: posecodec.PoseCodec, takes: list[Any], most: list[Encoded], files: list[Encoded], levels: int
) -> dict[str, Any]:
    """How many of the finest files, cut, are those of so many levels, and both errors where not all are."""
    short, whole = [cut(codec, encoded.data, levels) for encoded in most], [encoded.data for encoded in files]
    equal = sum(a == b for a, b in zip(short, whole, strict=True))
    row: dict[str, Any] = {"levels": levels, "equal_files": equal, "files": len(whole)}
    for name, group in (("cut_mpjpe", short), ("mpjpe", whole)) if equal < len(whole) else ():
        row[name] = measure_errors(takes, [codec.decode(data).positions[:, 0] for data in group])[0]
    return row


def measure_codes(codec: posecodec.PoseCodec, takes: list[Any], levels: int) -> list[dict[str, float]]:
    """Of each level, means over the rows of the grid: share of codes that occur, perplexity."""
    tokens = [grid for take in takes for grid in list_tokens(codec.encode(take.to_sequence(), levels=levels))]
    whole, codes = np.concatenate(tokens), codec.tokenizer.config.codes
    rows = []
    for level in range(levels):
        counts = [np.bincount(whole[:, row, level], minlength=codes) for row in range(whole.shape[1])]
        shares = [count[count > 0] / count.sum() for count in counts]
        spread = [float(np.exp(-(share * np.log(share)).sum())) for share in shares]
        used = float(np.mean([(count > 0).mean() for count in counts]))
        rows.append({"level": level + 1, "codes_used": used, "perplexity": float(np.mean(spread))})
    return rows


def interpolate(rows: list[dict[str, Any]], key: str, error: float) -> float | None:
    """Tokens or bits at an error between two levels; None beyond the coarsest and the finest."""
    errors = np.log([row["mpjpe"] for row in rows])
    if not errors.min() <= math.log(error) <= errors.max():
        return None
    return float(np.interp(-math.log(error), -errors, [row[key] for row in rows]))


def run(codec: posecodec.PoseCodec, takes: list[Any], windows: str) -> dict[str, Any]:
    """Rows, what is interpolated between them, and the check of cut files."""
    most = codec.tokenizer.config.levels
    files = [[codec.encode(take.to_sequence(), levels=q) for take in takes] for q in range(1, most + 1)]
    others = {"transform": follow_transform(takes), "windows": follow_windows(takes, windows)}
    rows = [measure_level(codec, takes, files[q - 1], q, others) for q in range(1, most + 1)]
    found: dict[str, Any] = {"rows": rows}
    if takes[0].points.shape[2] == 3:
        found["tokens_per_second_at_mm"] = {f"{mm:g}": interpolate(rows, "tokens_per_second", mm) for mm in TOKENS_AT}
        found["bits_per_frame_at_mm"] = {f"{mm:g}": interpolate(rows, "bits_per_frame", mm) for mm in BITS_AT}
    return {**found, "cut": [check_cut(codec, takes, files[-1], files[q - 1], q) for q in range(1, most)]}


def show(record: dict[str, Any]) -> str:
    """Tables in Markdown and what stands beside them."""
    head = "levels | tokens/s | nominal | bits/frame | raw | prior | side | error | root-relative | % of height"
    lines = [f"| {head} | transform | windows |", "|---" * 12 + "|"]
    keys = [key for key in record["rows"][0] if key not in ("levels", "transform", "windows")]
    for row in record["rows"]:
        values = [*(row[key] for key in keys), row["transform"]["mpjpe"], row["windows"]["mpjpe"]]
        lines.append(f"| {row['levels']} | " + " | ".join("" if v is None else f"{v:.2f}" for v in values) + " |")
    for key in ("tokens_per_second_at_mm", "bits_per_frame_at_mm"):
        lines += [f"{key}: {record[key]}"] if key in record else []
    lines += [
        f"cut to {row['levels']}: {row['equal_files']} of {row['files']} files are equal" for row in record["cut"]
    ]
    for row in record.get("codes", []):
        lines.append(f"level {row['level']}: {row['codes_used']:.1%} of codes, perplexity {row['perplexity']:.0f}")
    return "\n".join(lines)


@click.command()
@click.option("--model", default="body3d", show_default=True, help="Weights by name or path.")
@click.option("--windows", default="", help="Weights of windows; windows3d for body3d if left out.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--split", default="val", show_default=True)
@click.option("--codes", is_flag=True, help="Also code the training split, where there is one.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(model: str, windows: str, data: Path, split: str, codes: bool, out: Path) -> None:
    """Measure motion tokens on a split of the motion data."""
    torch.set_num_threads(1)
    codec = posecodec.PoseCodec.from_pretrained(model)
    name, dims = codec.weights.name, codec.tokenizer.config.dims
    takes = load_takes(data, split, dims)
    record = {**collect_facts(takes, data, split), "model": name, "sha256": codec.weights.sha256}
    record |= run(codec, takes, windows or name.replace("body", "windows"))
    if codes and (data / "train").is_dir():
        record["codes"] = measure_codes(codec, load_takes(data, "train", dims), codec.tokenizer.config.levels)
    click.echo(show(record))
    out.mkdir(parents=True, exist_ok=True)
    suffix = "" if split == "val" else f"_{split.split('/')[0]}"
    (out / f"motion_tokens_{name}{suffix}.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
