"""Whether a body inside a larger skeleton pays to be coded apart: files in parts against the whole skeleton's graph.

    python benchmarks/parts.py [--data ../shared/data] [--windows]

2D: real detections with hands (train2d). 3D: the validation motion with feet and hands by rule, on ankles and wrists,
their noise 0.2 mm: rigid feet follow the shin, hands the forearm, so that what hangs on a body is likelier here than in
life; and SMPL-H, the sources' own joints as SMPL has them with fingers by the same rule. For each goal the bytes of all
files, of the whole skeleton alone and as the encoder chooses; exits with 1 where a file is larger than the whole
skeleton's or misses its goal.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

import posecodec
from posecodec.bench.data import Take, load_split
from posecodec.bench.detections import FINGERS, find_hand, load_detections
from posecodec.bench.untrained_skeletons import make_hand_pose, make_smooth_noise
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind, needs_body_weights
from posecodec.coders.body_parts import BodyPartsCoder
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO19, SMPL22
from posecodec.train.whole_bodies import load_as

GOALS = {
    3: tuple({"max_error": v} for v in (1.0, 5.0, 20.0)) + tuple({"mean_error": v} for v in (10.0, 25.0, 50.0)),
    2: tuple({"max_error": v} for v in (1.0, 2.0, 4.0)) + tuple({"mean_error": v} for v in (1.0, 2.0, 8.0)),
}
ARM = ("shoulder", "elbow", "wrist")
SHORTEST = 60
"""Frames; shorter takes are left out."""
LONGEST = 256
"""Frames that are coded of a take."""
EVERY = 4
"""One in so many takes is coded, to save time."""


def read_hands(file: Path) -> list[PoseSequence]:
    """The sequences of an archive of detections; none where there are no two hands on a body."""
    with np.load(file, allow_pickle=False) as archive:
        names = [str(name) for name in archive["keypoints"]]
    has_both = all(find_hand(names, side) is not None for side in ("left", "right"))
    return load_detections(file) if has_both else []


def _build_frames(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(T, 3, 3) axes as rows: the third along, the first nearest to across."""
    z = along / np.linalg.norm(along, axis=1, keepdims=True)
    x = across - (across * z).sum(axis=1, keepdims=True) * z
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    return np.stack([x, np.cross(z, x), z], axis=1)


def add_limbs(take: Take, hands: bool, seed: int) -> PoseSequence:
    """A take with three keypoints a foot and, if asked for, 21 a hand."""
    rng, points = np.random.default_rng(seed), take.points[:LONGEST].astype(np.float64)
    frames, at = len(points), COCO19.keypoints.index
    parts, names, edges = [points], list(COCO19.keypoints), list(COCO19.edges)
    ahead = np.cross(points[:, at("left_hip")] - points[:, at("right_hip")], [0.0, 1.0, 0.0])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        knee, ankle, first = points[:, at(f"{side}_knee")], points[:, at(f"{side}_ankle")], len(names)
        bend = 0.15 * make_smooth_noise(rng, frames, 1, take.fps, 1.0)
        foot = np.array([[150, sign * 20, 60], [130, sign * 60, 60], [-50, 0, 60]])
        turned = np.stack(
            [
                foot[:, 0] * np.cos(bend) + foot[:, 2] * np.sin(bend),
                np.broadcast_to(foot[:, 1], (frames, 3)),
                foot[:, 2] * np.cos(bend) - foot[:, 0] * np.sin(bend),
            ],
            axis=2,
        )
        parts.append(ankle[:, None] + turned @ _build_frames(ankle - knee, ahead))
        names += [f"{side}_{part}" for part in ("big_toe", "small_toe", "heel")]
        edges += [(at(f"{side}_ankle"), first), (first, first + 1), (at(f"{side}_ankle"), first + 2)]
    for side in ("left", "right") if hands else ():
        first = len(names)
        parts.append(_make_hand(rng, take.fps, *(points[:, at(f"{side}_{part}")] for part in ARM)))
        names += [f"{side}_hand_{i}" for i in range(21)]
        edges += [(at(f"{side}_wrist"), first)] + [(first + a, first + b) for a, b in FINGERS]
    whole = np.concatenate(parts, axis=1)
    whole[:, 19:] += rng.normal(scale=0.2, size=whole[:, 19:].shape)
    skeleton = Skeleton("grown", tuple(names), tuple(edges))
    return PoseSequence.from_arrays(whole, fps=take.fps, skeleton=skeleton, unit="mm", up=take.up)


def _make_hand(rng: np.random.Generator, fps: float, shoulder: np.ndarray, elbow: np.ndarray, wrist: np.ndarray) -> Any:
    """(T, 21, 3) of a hand that follows its forearm."""
    fingers = make_hand_pose(rng, len(wrist), fps)
    fingers = (fingers - fingers[:, :1])[..., [0, 2, 1]]
    return wrist[:, None] + fingers @ _build_frames(wrist - elbow, wrist - shoulder + 1e-3)


def add_fingers(body: np.ndarray, seed: int) -> PoseSequence:
    """A body (T, 22, 3) of SMPL with SMPL-H's fingers: three joints each, thumbs last."""
    rng, points = np.random.default_rng(seed), body[:LONGEST].astype(np.float64)
    parts, at = [points], SMPL22.keypoints.index
    for side in ("left", "right"):
        hand = _make_hand(rng, 30.0, *(points[:, at(f"{side}_{part}")] for part in ARM))
        parts.append(hand[:, [1 + 4 * finger + joint for finger in (1, 2, 4, 3, 0) for joint in range(3)]])
    whole = np.concatenate(parts, axis=1)
    whole[:, 22:] += rng.normal(scale=0.2, size=whole[:, 22:].shape)
    return PoseSequence.from_arrays(whole, fps=30, skeleton=BUILT_IN["smplh52"], unit="mm", up="y")


def encode_whole(codec: posecodec.PoseCodec, sequence: PoseSequence, goal: dict[str, float]) -> bytes:
    """The file without chunks in parts."""
    original = BodyPartsCoder.supports
    BodyPartsCoder.supports = lambda coder, chunk: False  # type: ignore[method-assign]
    try:
        return codec.encode(sequence, **goal).data
    finally:
        BodyPartsCoder.supports = original  # type: ignore[method-assign]


def is_kept(codec: posecodec.PoseCodec, sequence: PoseSequence, data: bytes, goal: dict[str, float]) -> bool:
    """Whether a file keeps its goal."""
    apart = np.linalg.norm(codec.decode(data).positions.astype(np.float64) - sequence.positions, axis=-1)[
        sequence.valid
    ]
    ((kind, value),) = goal.items()
    return bool((apart.max() if kind == "max_error" else apart.mean()) <= value * (1 + 1e-6))


def measure(codec: posecodec.PoseCodec, name: str, sequences: list[PoseSequence]) -> int:
    """A line of the table for every goal; how many files are larger or miss the goal."""
    wrong, dims = 0, sequences[0].dims
    for goal in GOALS[dims]:
        alone, ours, parts, by_windows = 0, 0, 0, 0
        for sequence in sequences:
            whole, data = encode_whole(codec, sequence, goal), codec.encode(sequence, **goal).data
            bases = [chunk.base for chunk in container.read(data)[1]]
            parts += any(ChunkKind.read_from(base) == ChunkKind.PARTS for base in bases)
            by_windows += any(needs_body_weights(base) for base in bases)
            alone, ours = alone + len(whole), ours + len(data)
            wrong += len(data) > len(whole) or not is_kept(codec, sequence, data, goal)
        told = " ".join(f"{kind.replace('_', '-')} {value:g}" for kind, value in goal.items())
        click.echo(
            f"| {name} | {told} | {alone:,} | {ours:,} | {100 * (ours / alone - 1):+.1f} % | "
            f"{parts} of {len(sequences)} | {by_windows} |"
        )
    return wrong


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--windows", is_flag=True, help="With windows3d and windows2d.")
def main(data: Path, windows: bool) -> None:
    """Print the table."""
    takes = [take for take in load_split(data, "val") if len(take.points) >= SHORTEST][::EVERY]
    click.echo("| recordings | goal | whole | chosen | | in parts | with windows |\n|---|---|---|---|---|---|---|")
    codec, wrong = posecodec.PoseCodec.from_pretrained("windows3d" if windows else None), 0
    for name, hands in (("3D, feet", False), ("3D, feet and hands", True)):
        wrong += measure(codec, name, [add_limbs(take, hands, seed) for seed, take in enumerate(takes)])
    bodies = load_as((data / "val",), SMPL22, SHORTEST)[::EVERY]
    wrong += measure(codec, "3D, SMPL-H", [add_fingers(body, seed) for seed, body in enumerate(bodies)])
    codec = posecodec.PoseCodec.from_pretrained("windows2d" if windows else None)
    for file in sorted((data / "train2d").glob("*.npz")):
        if sequences := read_hands(file):
            wrong += measure(codec, f"2D, {file.stem}", sequences)
    click.echo(f"{wrong} files larger than the whole skeleton's, or off their goal")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
