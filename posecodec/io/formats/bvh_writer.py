"""A `.bvh` file of positions: a rig of the skeleton's own edges, and the rotations that bring it nearest to them.

Joints are the keypoints. Offsets are median bone lengths in the directions of one frame, and where several bones leave a
joint their mean shape as it sees them. A bone points from where the rig has its start to where the keypoint was seen, so that
errors do not add up along a limb; what is left is reported. Reads nothing, and knows no retargeting: a rig of yours can be
driven by this one in any program that takes BVH.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

import numpy as np

from posecodec.errors import UsageError, report_change
from posecodec.io.filesystem import AnyPath, write_atomic
from posecodec.io.formats.bvh_parser import END
from posecodec.io.parsing.one_person import find_person, hold_gaps
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats

ROOTS = ("mid_hip", "pelvis", "hip", "hips", "root")  # Keypoints that a rig begins at where the skeleton names no root
CHANNELS = "Zrotation Xrotation Yrotation"  # In the order in which they turn, each in the frame of the one before
TWIST_WEIGHT = 1e-7  # Of the parent's rotation beside what bones say: it decides what they leave open, and no more
SHAPE_ROUNDS = 3  # Of fitting rotations to a joint's offsets and offsets to rotations
TIP_SHARE = 0.25  # Of its bone that the End Site of a last joint is away: programs draw no bone of length 0
GIMBAL = 1e-9  # Cosine of the middle angle below which the other two are one


@dataclass(frozen=True, eq=False)
class Rig:
    """A tree over keypoints. order: of joints, parents first, depth first. parents: by keypoint, -1 of the root.

    offsets: (K, 3) from the parent, where nothing is turned.
    """

    order: tuple[int, ...]
    parents: tuple[int, ...]
    offsets: Floats

    def children(self, joint: int) -> list[int]:
        """Those that hang on a joint."""
        return [k for k in self.order if self.parents[k] == joint]


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """One person in 3D at a constant rate; gaps are filled by straight lines. Says how far joints are off.

    Raises UsageError where there are several people, two dimensions or timestamps.
    """
    person = find_person(sequence, path, "BVH")
    if sequence.dims != 3 or sequence.fps is None or not sequence.frames:
        what = (
            f"{sequence.dims} dimensions"
            if sequence.dims != 3
            else "no constant rate"
            if sequence.frames
            else "no frame"
        )
        raise UsageError(f"{path}: BVH holds 3D at a constant rate, and here is {what}; save as .npz or .csv")
    seen = np.asarray(sequence.positions[:, person], np.float64)
    points = hold_gaps(seen, sequence.skeleton, "BVH")
    rig = build_rig(points, sequence.skeleton)
    turns, placed = solve_rotations(points, rig)
    off = np.linalg.norm(placed - seen, axis=2)
    off = off[np.isfinite(off)]
    report_change(
        f"BVH holds rotations of bones of one length: joints are off by {off.mean():.3g} {sequence.unit} in the mean and "
        f"{off.max():.3g} at most; confidences and the unit have no room in it"
    )
    moved = [joint for joint in rig.order if not _is_end_site(sequence.skeleton, rig, joint)]
    text = _write_hierarchy(sequence.skeleton, rig) + _write_motion(points[:, moved[0]], turns[:, moved], sequence.fps)
    write_atomic(path, text.encode(), force)


def build_rig(points: Floats, skeleton: Skeleton) -> Rig:
    """The rig of a skeleton, breadth first from its root, for points (T, K, 3); what no edge reaches hangs on the root."""
    names = skeleton.keypoints
    root = skeleton.root if skeleton.root is not None else next((names.index(n) for n in ROOTS if n in names), 0)
    beside: list[list[int]] = [[] for _ in names]
    for a, b in skeleton.edges:
        beside[a].append(b)
        beside[b].append(a)
    parents, queue = [root] * len(names), deque([root])
    parents[root], reached = -1, {root}
    while queue:
        at = queue.popleft()
        for k in sorted(set(beside[at]) - reached):
            parents[k] = at
            reached.add(k)
            queue.append(k)
    children: list[list[int]] = [[] for _ in names]
    for k, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(k)
    order, stack = list[int](), [root]
    while stack:
        order.append(stack.pop())
        stack += children[order[-1]][::-1]
    return Rig(tuple(order), tuple(parents), _measure_offsets(points, parents, children))


def _measure_offsets(points: Floats, parents: list[int], children: list[list[int]]) -> Floats:
    """(K, 3): bones of median length in the directions of the frame whose bones are nearest to it, or in their mean shape."""
    ends = np.array([k if parent < 0 else parent for k, parent in enumerate(parents)])
    bones = points - points[:, ends]
    lengths = np.linalg.norm(bones, axis=2)
    usual = np.median(lengths, axis=0)
    rest = bones[np.abs(lengths - usual).sum(axis=1).argmin()]
    offsets = _rescale(rest, usual)
    for group in children:
        for _ in range(SHAPE_ROUNDS if len(group) > 1 else 0):
            turns = _fit_rotations(bones[:, group], offsets[group], np.eye(3)[None])
            seen = np.einsum("tji,tkj->tki", turns, bones[:, group])
            offsets[group] = _rescale(seen.mean(axis=0), usual[group])
    return offsets


def _rescale(bones: Floats, lengths: Floats) -> Floats:
    size = np.linalg.norm(bones, axis=1)
    return np.asarray(bones * np.divide(lengths, size, out=np.zeros_like(size), where=size > 0)[:, None])


def _fit_rotations(bones: Floats, offsets: Floats, prior: Floats) -> Floats:
    """(T, 3, 3) that turn offsets (N, 3) nearest to bones (T, N, 3), and are nearest to a prior (T, 3, 3) otherwise."""
    weight = TWIST_WEIGHT * (np.square(offsets).sum() or 1.0)
    u, _, v = np.linalg.svd(np.einsum("tni,nj->tij", bones, offsets) + weight * prior)
    u[..., 2] *= np.sign(np.linalg.det(u @ v))[:, None]
    return np.asarray(u @ v)


def solve_rotations(points: Floats, rig: Rig) -> tuple[Floats, Floats]:
    """Rotations (T, K, 3, 3) of joints against their parents, and where (T, K, 3) they put the joints of points (T, K, 3)."""
    frames, count = points.shape[:2]
    local, world = np.empty((frames, count, 3, 3)), np.empty((frames, count, 3, 3))
    placed = np.empty_like(points)
    for joint in rig.order:
        parent = rig.parents[joint]
        before = np.repeat(np.eye(3)[None], frames, axis=0) if parent < 0 else world[:, parent]
        if parent < 0:
            placed[:, joint] = points[:, joint]
        else:
            placed[:, joint] = placed[:, parent] + before @ rig.offsets[joint]
        group = rig.children(joint)
        world[:, joint] = before
        if group:
            bones = points[:, group] - placed[:, joint, None]
            world[:, joint] = _fit_rotations(bones, rig.offsets[group], before)
        local[:, joint] = before.transpose(0, 2, 1) @ world[:, joint]
    return local, placed


def to_angles(turns: Floats) -> Floats:
    """(..., 3) degrees about z, x and y of rotations (T, ..., 3, 3), without jumps by a turn from frame to frame."""
    sine = np.clip(turns[..., 2, 1], -1, 1)
    is_free = np.sqrt(1 - sine**2) > GIMBAL
    z = np.where(
        is_free, np.arctan2(-turns[..., 0, 1], turns[..., 1, 1]), np.arctan2(turns[..., 1, 0], turns[..., 0, 0])
    )
    y = np.where(is_free, np.arctan2(-turns[..., 2, 0], turns[..., 2, 2]), 0.0)
    return np.asarray(np.degrees(np.unwrap(np.stack([z, np.arcsin(sine), y], axis=-1), axis=0)))


def _write_hierarchy(skeleton: Skeleton, rig: Rig) -> str:
    names, lines, open_joints = _plain_names(skeleton), ["HIERARCHY"], list[int]()
    for joint in rig.order:
        while open_joints and open_joints[-1] != rig.parents[joint]:
            open_joints.pop()
            lines.append("\t" * len(open_joints) + "}")
        tabs = "\t" * len(open_joints)
        if _is_end_site(skeleton, rig, joint):
            lines += [f"{tabs}End Site", tabs + "{", f"{tabs}\tOFFSET {_print(rig.offsets[joint])}", tabs + "}"]
            continue
        kind, channels = (
            ("JOINT", f"3 {CHANNELS}") if open_joints else ("ROOT", f"6 Xposition Yposition Zposition {CHANNELS}")
        )
        offset = rig.offsets[joint] if open_joints else np.zeros(3)
        lines += [
            f"{tabs}{kind} {names[joint]}",
            tabs + "{",
            f"{tabs}\tOFFSET {_print(offset)}",
            f"{tabs}\tCHANNELS {channels}",
        ]
        open_joints.append(joint)
        if not rig.children(joint):
            tip = _print(TIP_SHARE * rig.offsets[joint])
            lines += [f"{tabs}\tEnd Site", tabs + "\t{", f"{tabs}\t\tOFFSET {tip}", tabs + "\t}"]
    lines += ["\t" * depth + "}" for depth in range(len(open_joints) - 1, -1, -1)]
    return "\n".join(lines) + "\n"


def _is_end_site(skeleton: Skeleton, rig: Rig, joint: int) -> bool:
    """Whether a joint is the end of a bone as reading BVH names it, and so no joint of its own in a file."""
    parent = rig.parents[joint]
    only = parent >= 0 and rig.children(parent) == [joint] and not rig.children(joint)
    return only and skeleton.keypoints[joint] == f"{skeleton.keypoints[parent]}{END}"


def _write_motion(roots: Floats, turns: Floats, fps: float) -> str:
    """The root (T, 3) and the rotations (T, J, 3, 3) of joints in the order of the hierarchy."""
    angles = to_angles(turns).reshape(len(roots), -1)
    rows = (f"{_print(root)} {' '.join(f'{angle:.7f}' for angle in row)}" for root, row in zip(
        roots, angles, strict=True
    ))  # fmt: skip
    return "\n".join(["MOTION", f"Frames: {len(roots)}", f"Frame Time: {1 / fps!r}", *rows]) + "\n"


def _print(values: Floats) -> str:
    return " ".join(f"{value:.12g}" for value in values)


def _plain_names(skeleton: Skeleton) -> list[str]:
    """Names without what would end them in a file, no two alike."""
    names = list[str]()
    for k, name in enumerate(skeleton.keypoints):
        plain = re.sub(r"[^\w.:+#-]+", "_", name) or f"joint_{k}"
        names.append(plain if plain not in names else f"{plain}#{k}")
    return names
