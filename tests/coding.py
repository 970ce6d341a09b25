"""What tests of the whole codec share: recordings as given, what must come back, goals."""

import dataclasses

import numpy as np
import pytest

import posecodec
from posecodec import PoseSequence
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.coders.chunk import ChunkContext, split_sequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO17, COCO19, SMPL22


def as_given(sequence, **fields):
    return dataclasses.replace(sequence, **fields)


def hidden(sequence, gone):
    """The sequence without the keypoints that `gone` (T, P, K) names."""
    positions = np.where(gone[..., None], np.nan, sequence.positions).astype(np.float32)
    confidence = np.where(gone, 0, sequence.confidence).astype(np.float32)
    return sequence.with_positions(positions, confidence)


def assert_kept(sequence, back):
    """All that must come back exactly, and confidences to half a step."""
    for name in ("ids", "fps", "unit", "up", "skeleton", "frames", "people", "dims", "metadata"):
        assert getattr(back, name) == getattr(sequence, name), name
    assert (back.timestamps is None) == (sequence.timestamps is None)
    if sequence.timestamps is not None:
        assert back.timestamps.tobytes() == sequence.timestamps.tobytes()
    assert back.valid.shape == sequence.valid.shape and (back.valid == sequence.valid).all()
    scale = max(1.0, float(np.abs(sequence.confidence).max(initial=0)))
    np.testing.assert_allclose(back.confidence, sequence.confidence, rtol=0, atol=scale / 510 * 1.0001)
    if scale == 1.0:
        assert (back.confidence[sequence.confidence == 1] == 1).all()


def assert_golden(data, golden):
    """That a file is a golden one as headers are written today: those of version 2 say the same at more length."""
    header, (known, others) = container.read(data)[0], container.read(golden)
    if header.guarantee is not None and header.guarantee.kind != "lossless":
        assert header.guarantee.kind == known.guarantee.kind and header.guarantee.reached == known.guarantee.reached
        assert np.float32(header.guarantee.value) == np.float32(known.guarantee.value)
        known = dataclasses.replace(known, guarantee=header.guarantee)
    assert container.write(known, others) == data


WINDOWS = {"qp": 144}
GOALS = [WINDOWS, {}, {"max_error": 8.0}, {"mean_error": 12.0}, {"bitrate": 24.0}, {"lossless": True}]
both_ways = pytest.mark.parametrize("goal", [WINDOWS, {}], ids=["windows", "quality"])
any_goal = pytest.mark.parametrize("goal", GOALS, ids=lambda goal: next(iter(goal), "quality"))


def encode(codec, sequence, goal=WINDOWS):
    """The file that a goal asks for; one with a QP, windows alone."""
    return codec.encode_windows(sequence, **goal) if "qp" in goal else codec.encode(sequence, **goal)


def coded(codec, sequence, goal=WINDOWS):
    """What comes back."""
    return codec.decode(encode(codec, sequence, goal))


def kinds_of(data):
    """The kinds of a file's chunks."""
    return {chunk.kind for chunk in container.read(data)[1]}


def through_files(codec, sequence, folder, goal=WINDOWS):
    """.npz -> .posec -> .npz, with all checks; what comes back."""
    posecodec.save(sequence, folder / "in.npz")
    loaded = posecodec.load(folder / "in.npz")
    encoded = encode(codec, loaded, goal)
    encoded.save(folder / "coded.posec")
    assert (folder / "coded.posec").read_bytes() == encoded.to_bytes()
    posecodec.save(codec.decode(folder / "coded.posec"), folder / "out.npz")
    back = posecodec.load(folder / "out.npz")
    assert_kept(sequence, back)
    if goal.keys() & {"qp", "lossless", "max_error"}:  # others may be coded either way
        assert (ChunkKind.WINDOWS in kinds_of(encoded.data)) == ("qp" in goal and encoded.header.chunk_count > 0)
    return back


def write_streams(codec, folder, made):
    """Streams of the transform anew. made: by name what makes a recording, and a goal."""
    for name, (make, goal) in made.items():
        codec.encode(make(), **goal).save(folder / f"{name}.posec", force=True)


def read_integers(codec, header, chunk, frames=None):
    """Presence and quantized motion of a chunk of windows, by default the file's only one."""
    return codec.coders.windows.read_integers(chunk, ChunkContext.from_header(header, frames or header.frames))


def layered(codec, sequence, qp=0, max_error=None):
    """A file of windows, each chunk refined by the transform at a step, or to a bound."""
    header, parts = container.read(encode(codec, sequence).data)
    transform, made = codec.coders.transform, []
    for chunk, part in zip(split_sequence(sequence), parts, strict=True):
        guide = codec.coders.windows._reconstruct(
            read_integers(codec, header, part, len(chunk.points))[1], header.coded_up
        )
        made.append(transform.encode_refinement(chunk, qp, guide, part.base, max_error).chunk)
    return container.write(dataclasses.replace(header, transform=transform.weights.id), made)


MIXED = {
    "pelvis": "mid_hip", "spine1": "mid_hip 3 neck", "spine2": "mid_hip neck", "spine3": "mid_hip neck 3",
    "left_foot": "left_ankle", "right_foot": "right_ankle", "head": "left_ear right_ear",
    "left_collar": "neck 3 left_shoulder", "right_collar": "neck 3 right_shoulder",
}  # fmt: skip
"""Keypoints of smpl22 as weighted means of coco19's; a number is the weight of the name before it."""


def as_smpl22(sequence: PoseSequence) -> PoseSequence:
    """The same people with SMPL's keypoints."""
    points = []
    for name in SMPL22.keypoints:
        words, weights = MIXED.get(name, name).split(), dict[str, int]()
        for word in words:
            weights |= {list(weights)[-1]: int(word)} if word.isdigit() else {word: 1}
        at = [COCO19.keypoints.index(word) for word in weights]
        mean = np.average(sequence.positions[:, :, at], axis=2, weights=list(weights.values()))
        points.append(mean + [0, -60 * name.endswith("foot"), 110 * name.endswith("foot")])
    moved = np.stack(points, axis=2).astype(np.float32)
    return PoseSequence.from_arrays(moved, fps=sequence.rate, skeleton=SMPL22, unit="mm", up="y")


def as_pixels(sequence: PoseSequence, skeleton: Skeleton = COCO17) -> PoseSequence:
    """How a camera from the side sees coco19's keypoints."""
    kept = [COCO19.keypoints.index(name) for name in skeleton.keypoints]
    pixels = sequence.positions[:, :, kept][..., [2, 1]] * [0.3, -0.3] + [400, 800]
    return PoseSequence.from_arrays(pixels, fps=sequence.rate, skeleton=skeleton, unit="px", up="-y")


def add_fingers(sequence):
    """The sequence with two points of a finger beyond each wrist, which the skeleton has edges to."""
    names = sequence.skeleton.keypoints
    wrists = [names.index(f"{side}_wrist") for side in ("left", "right")]
    elbows = [names.index(f"{side}_elbow") for side in ("left", "right")]
    points = sequence.positions
    along = points[:, :, wrists] - points[:, :, elbows]
    added = [points[:, :, wrists] + share * along for share in (0.3, 0.5)]
    more = tuple(f"{side}_index{i}" for i in (1, 2) for side in ("left", "right"))
    edges = (
        *((wrist, len(names) + i) for i, wrist in enumerate(wrists)),
        *((len(names) + i, len(names) + i + 2) for i in (0, 1)),
    )
    skeleton = Skeleton("fingered", (*names, *more), (*sequence.skeleton.edges, *edges))
    return PoseSequence.from_arrays(
        np.concatenate([points, *added], axis=2),
        fps=sequence.fps,
        skeleton=skeleton,
        unit=sequence.unit,
        up=sequence.up,
    )


def rename(sequence: PoseSequence, order: tuple[int, ...] | None = None, spell: bool = False) -> PoseSequence:
    """The same under names that say nothing, or that are spelled in another way, in another order."""
    order = order or tuple(range(len(sequence.skeleton)))
    own = {k: i for i, k in enumerate(order)}
    kept = tuple((own[a], own[b]) for a, b in sequence.skeleton.edges)
    known = (sequence.skeleton.keypoints[k].replace("left_", "L").replace("right_", "R").title() for k in order)
    skeleton = Skeleton("mine", tuple(known) if spell else tuple(f"p{k}" for k in range(len(order))), kept)
    return dataclasses.replace(
        sequence, positions=sequence.positions[:, :, list(order)], confidence=sequence.confidence[:, :, list(order)],
        skeleton=skeleton,
    )  # fmt: skip
