"""How far filled gaps are off: straight lines, bones between their directions, the network of the tokens, covariances.

    python benchmarks/gap_filling.py [--dims 3] [--data ../shared/data] [--split val]

Bursts of 10 to 40 frames, from 5 frames before a take to 5 before its end, for each group of keypoints with probability 0.3.
"In the body" is what lines and models do when the true root and heading are known, as the study behind the targets had it.
Groups are single keypoints, or what is hidden together: elbow and wrist, knee and ankle, the face. All methods get the same
jittered keypoints; errors are against those without jitter, inside gaps alone. Bursts that would leave nothing of a keypoint
are left out. Means over keypoints of all takes; over seeds their mean, and the least and the most. Prints tables and writes
gap_filling.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from views import load_takes

import posecodec
from posecodec import zoo
from posecodec.bench.record import collect_facts
from posecodec.coders.gap_filling import BodyModel, fill_by, fill_sequence
from posecodec.coders.registry import build_body_model
from posecodec.kinematics.body_track import Bones, split_track
from posecodec.kinematics.bones import BoneTree
from posecodec.kinematics.gap_filling import interpolate_bones, interpolate_gaps
from posecodec.networks.path import place_array, take_out
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO19
from posecodec.pose.skeletons.whole import find_places
from posecodec.train.whole_bodies import load_as

IN_BODY = "lines in the body"  # With the true root and heading taken out
MODELS = {"network": "body", "covariances": "motion"}
"""What fills, and how its weights' names begin."""
CHANCE = 0.3  # Of a burst, for each group and take
SHORTEST, LONGEST = 10, 40  # Frames of a burst
EARLIEST, LATEST = -5, 5  # Frames: its start, and before the end of the take
SEEDS = (0, 1, 2)
TOGETHER = (
    ("left_elbow", "left_wrist"),
    ("right_elbow", "right_wrist"),
    ("left_knee", "left_ankle"),
    ("right_knee", "right_ankle"),
    ("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
)
"""Keypoints that one thing hides."""
JITTERS = {3: {"single": (0.0, 20.0, 40.0), "together": (0.0, 20.0)}, 2: {"single": (0.0, 3.0), "together": (0.0, 3.0)}}
"""mm or px, standard deviation of each coordinate: by dimensions and grouping."""
BODIES = ("smpl22", "smpl24", "h36m17", "body25", "halpe26", "mediapipe33", "mpii16", "kinect25", "kinect32")
UNITS = {3: "mm", 2: "px"}
Fill = Callable[[posecodec.PoseSequence], np.ndarray]
"""A sequence with gaps to positions (T, 19, D)."""
BodyFill = Callable[[np.ndarray], np.ndarray]
"""A body (T, 19, D) with gaps to one without."""


def list_groups(grouping: str) -> list[list[int]]:
    """Indices of the keypoints that go missing at once."""
    if grouping == "single":
        return [[k] for k in range(len(COCO19))]
    return [[COCO19.keypoints.index(name) for name in names] for names in TOGETHER]


def draw_gaps(frames: int, groups: list[list[int]], rng: np.random.Generator) -> np.ndarray:
    """(T, K) whether a keypoint is missing."""
    gone = np.zeros((frames, 1 + max(max(group) for group in groups)), bool)
    for group in groups:
        if rng.random() < CHANCE:
            length = int(rng.integers(SHORTEST, LONGEST + 1))
            start = int(rng.integers(EARLIEST, max(frames - LATEST, 1)))
            if start > 0 or start + length < frames:
                gone[max(start, 0) : start + length, group] = True
    return gone


def load_models(dims: int) -> dict[str, BodyModel]:
    """What fills by weights, by its name in the tables."""
    return {name: build_body_model(zoo.read_weights(f"{kind}{dims}d"), dims) for name, kind in MODELS.items()}


def list_fills(models: dict[str, BodyModel], dims: int) -> dict[str, Fill]:
    """Ways to fill gaps, straight lines first."""
    tree = BoneTree.from_skeleton(COCO19)
    fills: dict[str, Fill] = {"lines": lambda s: interpolate_gaps(s.positions[:, 0].astype(np.float64))}
    if dims == 3:
        fills["bones"] = lambda s: interpolate_bones(s.positions[:, 0].astype(np.float64), tree)
    for name, model in models.items():
        fills[name] = lambda s, model=model: fill_sequence(s, model).positions[:, 0]  # type: ignore[misc]
    return fills


def list_body_fills(models: dict[str, BodyModel]) -> dict[str, tuple[BodyFill, Bones]]:
    """Ways to fill a body whose root and heading are known, and the bones that tell how large it is."""
    fills: dict[str, tuple[BodyFill, Bones]] = {IN_BODY: (interpolate_gaps, models["network"].bones)}
    for name, model in models.items():
        ours = np.isin(np.arange(len(model.skeleton)), list(find_places(COCO19, model.skeleton).values()))
        narrow, _ = model.narrow(ours)
        fills[f"{name} in the body"] = partial(fill_body, narrow), narrow.bones
    return fills


def fill_body(model: BodyModel, body: np.ndarray) -> np.ndarray:
    """A body (T, K, D) with gaps, filled by a model."""
    gone = np.isnan(body[..., 0])
    return fill_by(body, lambda filled, number: model.restore_body(filled, gone, number), model.rounds)


def measure(
    takes: list[Any],
    fills: dict[str, Fill],
    known: dict[str, tuple[BodyFill, Bones]],
    grouping: str,
    jitter: float,
    seed: int,
) -> dict[str, float]:
    """Mean error inside gaps of each way; gaps of a seed are the same at all jitters. known: ways that know the path."""
    gaps, noise = (np.random.default_rng([seed, part]) for part in range(2))
    groups, errors = list_groups(grouping), {name: [np.zeros(0)] for name in (*fills, *known)}
    for take in takes:
        gone = draw_gaps(len(take.points), groups, gaps)
        seen = take.points + noise.normal(scale=jitter, size=take.points.shape)
        if not gone.any():
            continue
        plain = take.to_sequence()
        seen = np.where(gone[..., None], np.nan, seen).astype(np.float32)[:, None]
        sequence = plain.with_positions(seen, (~gone[:, None]).astype(np.float32))
        for name, fill in fills.items():
            errors[name].append(np.linalg.norm(fill(sequence) - take.points, axis=-1)[gone])
        for name, (body_fill, bones) in known.items():
            made = fill_in_body(seen[:, 0], take.points, body_fill, bones)
            errors[name].append(np.linalg.norm(made - take.points, axis=-1)[gone])
    return {name: float(np.concatenate(found).mean()) for name, found in errors.items()}


def fill_in_body(seen: np.ndarray, truth: np.ndarray, fill: BodyFill, bones: Bones) -> np.ndarray:
    """A way to fill a body as seen from its true root, heading and (2D) size: what only who has the truth knows."""
    track = split_track(truth.astype(np.float64), COCO19, bones)
    body = take_out(torch.from_numpy(seen / track.size).double(), torch.from_numpy(track.path)).numpy()
    return place_array(fill(body), track.path) * track.size


def summarize(grouping: str, jitter: float, seeds: list[dict[str, float]]) -> dict[str, Any]:
    """One row: of every way mean, least and most of the errors, and of their ratios to straight lines'."""
    row: dict[str, Any] = {"grouping": grouping, "jitter": jitter, "seeds": seeds}
    for name in seeds[0]:
        for what, values in (
            ("error", [found[name] for found in seeds]),
            ("ratio", [found[name] / found["lines"] for found in seeds]),
            ("ratio_in_body", [found[name] / found[IN_BODY] for found in seeds]),
        ):
            row.setdefault(name, {})[what] = {"mean": float(np.mean(values)), "range": [min(values), max(values)]}
    return row


def run(takes: list[Any], models: dict[str, BodyModel], dims: int) -> list[dict[str, Any]]:
    """A row for every grouping and jitter."""
    ways = list_fills(models, dims), list_body_fills(models)
    return [
        summarize(grouping, jitter, [measure(takes, *ways, grouping, jitter, seed) for seed in SEEDS])
        for grouping, jitters in JITTERS[dims].items()
        for jitter in jitters
    ]


def measure_bodies(data: Path, split: str) -> list[dict[str, Any]]:
    """The same of other skeletons, single keypoints in the world: straight lines and covariances, one seed."""
    rows, model = [], build_body_model(zoo.read_weights("motion3d"), 3)
    for name in BODIES:
        skeleton, rng = BUILT_IN[name], np.random.default_rng(0)
        errors: dict[str, list[np.ndarray]] = {"lines": [], "covariances": []}
        takes = load_as((data / split,), skeleton, LONGEST)
        for points in takes:
            gone = draw_gaps(len(points), [[k] for k in range(len(skeleton))], rng)
            seen = np.where(gone[..., None], np.nan, points)[:, None].astype(np.float32)
            sequence = posecodec.PoseSequence.from_arrays(seen, fps=30.0, skeleton=skeleton, unit="mm", up="y")
            filled = {
                "lines": interpolate_gaps(seen[:, 0]),
                "covariances": fill_sequence(sequence, model).positions[:, 0],
            }
            for way, made in filled.items():
                errors[way].append(np.linalg.norm(made - points, axis=-1)[gone])
        found = {way: float(np.concatenate(each).mean()) for way, each in errors.items()}
        rows.append({"skeleton": name, "takes": len(takes), **found})
        click.echo(f"{name}: {found['lines']:.1f} mm by lines, {found['covariances']:.1f} by covariances")
    return rows


def show(rows: list[dict[str, Any]], unit: str) -> str:
    """A table in Markdown."""
    names = [name for name in rows[0] if name not in ("grouping", "jitter", "seeds")]
    head = [f"{name} {unit}" for name in names] + [f"{name}, ratio in the body" for name in MODELS]
    lines = [f"| keypoints | jitter {unit} | {' | '.join(head)} |", "|---" * (2 + len(head)) + "|"]
    for row in rows:
        cells = [show_range(row[name]["error"], 1) for name in names]
        cells += [show_range(row[f"{name} in the body"]["ratio_in_body"], 2) for name in MODELS]
        lines.append(f"| {row['grouping']} | {row['jitter']:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def show_range(found: dict[str, Any], digits: int) -> str:
    """Mean, and in brackets least and most."""
    least, most = found["range"]
    return f"{found['mean']:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


@click.command()
@click.option("--dims", type=click.Choice(["2", "3"]), multiple=True, default=("3", "2"), show_default=True)
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--split", default="val", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/gap_filling.json"), show_default=True
)
def main(dims: tuple[str, ...], data: Path, split: str, out: Path) -> None:
    """Measure how far filled gaps are off."""
    torch.set_num_threads(1)
    record: dict[str, Any] = {}
    for count in map(int, dims):
        models, takes, unit = load_models(count), load_takes(data, split, count), UNITS[count]
        rows = run(takes, models, count)
        hashes = {f"{kind}{count}d": zoo.read_weights(f"{kind}{count}d").sha256 for kind in MODELS.values()}
        record[f"{count}d"] = {**collect_facts(takes, data, split), "weights": hashes, "unit": unit, "rows": rows}
        click.echo(show(rows, unit) + "\n")
        if count == 3:
            record["bodies"] = measure_bodies(data, split)
    burst = {"chance": CHANCE, "frames": [SHORTEST, LONGEST], "start": [EARLIEST, -LATEST]}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"settings": {**burst, "seeds": SEEDS}, **record}, indent=1) + "\n")


if __name__ == "__main__":
    main()
