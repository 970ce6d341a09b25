"""A first config for tokens of one's own: what the motion itself tells, written as TOML to be read and changed.

The rest of a config has the defaults of `token_config`, which are those of the weights that come with posecodec.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posecodec.errors import InputError
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.files import resolve_skeleton
from posecodec.pose.skeletons.naming import spell_name
from posecodec.train import data
from posecodec.train.clips import RATE, Clip, load_clips

LIMBS = {
    "arm": "shoulder elbow wrist hand thumb index middle ring pinky",
    "leg": "hip knee ankle heel toe foot",
}
"""What words of its keypoints' names make a limb of a side, a part of its own."""
INSIDE = 0.9995  # Share of the coordinates that lies within a heatmap
SPARE = 1.25  # Half width of a heatmap, over what those need: training also bends bodies
REMAINDER = {
    3: 0.07,
    2: 0.031,
}  # Steps of the path's corrections over that half width, as in the weights that come along
JITTER = {3: 0.035, 2: 0.015}  # And the largest jitter that is trained against
STEPS = 8000  # Half an hour to an hour of one core
WINDOWS_PER_HOUR = 8192  # That codes are learned from
WINDOWS = (1024, 16384)  # And their fewest and most
TINY_STEPS, TINY_WINDOWS = 100, 256  # Of a trial
TINY = "evaluate_every = 100\nprior_steps = 100\nbatch = 8\ndefault_levels = 2"
TINY_MODEL = "width = 48\ndepth = 1\nfeatures = 4\ncodes = 64\nlevels = 3\nlatent = 12\n"


@dataclass(frozen=True)
class Start:
    """A config as text, and what it was made of."""

    text: str
    clips: int
    hours: float


def draft(folder: Path, skeleton: str, name: str, licence: str, attribution: str, tiny: bool = False) -> Start:
    """The config of a training on FOLDER/train, validated on FOLDER/val: folders of recordings, or corpora.

    skeleton: a built-in name or the path of a skeleton file. tiny: a network for trials, of a minute.
    Raises InputError where there is no motion.
    """
    known = resolve_skeleton(skeleton)
    clips = load_clips((f"{folder}/train",), known)
    load_clips((f"{folder}/val",), known)
    if not known.edges:
        raise InputError(f"skeleton {known.name!r} has no edges; add them to its file")
    dims, hours = clips[0].points.shape[2], sum(len(clip.points) for clip in clips) / RATE / 3600
    extent = measure_extent(clips, known)
    windows = int(np.clip(hours * WINDOWS_PER_HOUR, *WINDOWS)) if not tiny else TINY_WINDOWS
    parts = ",\n  ".join(json.dumps([known.keypoints[k] for k in part]) for part in split_parts(known))
    text = f"""\
# Tokens of motion: `posecodec train --config {name}.toml --export {name}` makes {name}.safetensors.
# {len(clips):,} clips, {hours:.2f} hours. Paths start at the working directory. docs/train_your_own.md explains.
name = {json.dumps(name)}
out = {json.dumps(f"runs/{name}")}  # checkpoints and log; a training that was stopped goes on from here
steps = {TINY_STEPS if tiny else STEPS}
licence = {json.dumps(licence)}  # of the weights, which whoever uses them is told
attribution = {json.dumps(attribution)}
start_windows = {windows}
prior_windows = {windows}
{TINY if tiny else "evaluate_every = 1000"}

[data]
train = [{json.dumps(f"{folder}/train")}]
val = [{json.dumps(f"{folder}/val")}]
skeleton = {json.dumps(skeleton)}

[model]
{TINY_MODEL if tiny else ""}dims = {dims}
extent = {extent:.4g}  # half the width of a heatmap, in sizes of the body
remainder = {REMAINDER[dims] * extent:.4g}
parts = [  # a token each a step and level, and one more for the path
  {parts},
]

[damage]  # that the network learns to mend, and so to fill gaps
jitter = {JITTER[dims] * extent:.4g}
"""
    return Start(text, len(clips), hours)


def measure_extent(clips: list[Clip], skeleton: Skeleton) -> float:
    """Half the width of heatmaps that bodies need, in body sizes."""
    body = data.canonicalize(clips, skeleton, data.measure_bone_shares(clips, skeleton)).body
    return float(SPARE * np.quantile(np.abs(body.numpy()), INSIDE))


def split_parts(skeleton: Skeleton) -> list[list[int]]:
    """Keypoints by part: arms and legs of both sides by their names and the rest; or what hangs on the root; or all."""
    limbs = {(side, limb): [] for limb in LIMBS for side in ("left", "right")}  # type: dict[tuple[str, str], list[int]]
    for k, name in enumerate(skeleton.keypoints):
        spelled = spell_name(name) or name
        for (side, limb), found in limbs.items():
            if spelled.startswith(side) and any(word in spelled for word in LIMBS[limb].split()):
                found.append(k)
    parts = [found for found in limbs.values() if found] or _split_at_root(skeleton)
    rest = sorted({*range(len(skeleton))} - {k for part in parts for k in part})
    return [part for part in (*parts, rest) if part]


def _split_at_root(skeleton: Skeleton) -> list[list[int]]:
    """What hangs together once the root is taken away, of more than one keypoint."""
    left, parts = {*range(len(skeleton))} - {skeleton.root}, list[list[int]]()
    while left:
        found = [left.pop()]
        for at in found:
            near = {b if a == at else a for a, b in skeleton.edges if at in (a, b)} & left
            left -= near
            found += near
        parts.append(sorted(found))
    return sorted(part for part in parts if len(part) > 1)
