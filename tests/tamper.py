"""Files that were tampered with, checksums made right again, and what `verify` says: `python tests/tamper.py --count 1000`.

Each verdict is held against an oracle of its own, which uses nothing of analysis.verification. A file that is refused
(damage, other weights) is one that was found out. Files that nobody touched must be kept.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from posecodec.analysis.verification import verify
from posecodec.bitstream import container
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.guarantee import Guarantee
from posecodec.codec import PoseCodec
from posecodec.errors import PosecodecError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.synthetic import walk

GOALS: list[dict[str, Any]] = [
    {}, {"max_error": 5.0}, {"max_error": 0.5}, {"mean_error": 8.0}, {"bitrate": 900.0}, {"lossless": True},
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """A recording, what was asked of its file, the file, and another of the same shape."""

    sequence: PoseSequence
    goal: dict[str, Any]
    data: bytes
    other: PoseSequence
    codec: PoseCodec

    def encode(self, sequence: PoseSequence) -> bytes:
        return self.codec.encode(sequence, **self.goal).data

    def rewrite(self, **fields: Any) -> bytes:
        """The file with another header, its checksums right."""
        header, chunks = container.read(self.data)
        return container.write(replace(header, **fields), chunks)


def make_recording(rng: random.Random, frames: int, people: int) -> PoseSequence:
    """A walk with names, gaps and confidences."""
    numbers = np.random.default_rng(rng.randrange(1 << 30))
    made = walk(frames, people=people)
    shift = numbers.normal(size=(1, people, 1, 3)) * 300
    positions = (made.positions + shift + numbers.normal(size=made.positions.shape) * rng.choice([0.1, 3])).astype(
        np.float32
    )
    gone = numbers.random(positions.shape[:3]) < rng.choice([0, 0.1])
    confidence = np.where(gone, 0, numbers.random(gone.shape) if rng.random() < 0.6 else 1).astype(np.float32)
    positions[gone] = np.nan
    times = np.cumsum(numbers.uniform(0.01, 0.05, frames)) if rng.random() < 0.3 else None
    return PoseSequence(
        positions, confidence, made.skeleton, None if times is not None else rng.choice([25.0, 30.0, 59.94, 250.0]), times,
        "mm", rng.choice(["y", "unknown"]), tuple(f"p{i}" for i in range(people)), {"camera": rng.randrange(9), "note": "a"},
    )  # fmt: skip


def make_case(rng: random.Random, goal: dict[str, Any]) -> Case:
    frames, people, codec = rng.randrange(6, 40), rng.randrange(1, 4), PoseCodec()
    sequence, other = (make_recording(rng, frames, people) for _ in range(2))
    return Case(sequence, goal, codec.encode(sequence, **goal).data, other, codec)


def hide(case: Case, rng: random.Random, share: float) -> bytes:
    """Keypoints lost before encoding."""
    gone = np.random.default_rng(rng.randrange(1 << 30)).random(case.sequence.valid.shape) < share
    return case.encode(with_hidden(case.sequence, gone))


def with_hidden(sequence: PoseSequence, gone: Any) -> PoseSequence:
    positions, confidence = sequence.positions.copy(), sequence.confidence.copy()
    positions[gone], confidence[gone] = np.nan, 0
    return sequence.with_positions(positions, confidence)


def invent(case: Case, rng: random.Random) -> bytes:
    """A keypoint where there was none, or one lost."""
    positions, confidence = case.sequence.positions.copy(), case.sequence.confidence.copy()
    at = tuple(rng.randrange(n) for n in positions.shape[:3])
    known = not np.isnan(positions[at][0])
    positions[at], confidence[at] = (np.nan, 0) if known else (0, 1)
    return case.encode(case.sequence.with_positions(positions, confidence))


def shift(case: Case, rng: random.Random) -> bytes:
    """One or all keypoints farther off than any bound of GOALS."""
    positions = case.sequence.positions.copy()
    there = np.argwhere(case.sequence.valid)
    if len(there) and rng.random() < 0.5:
        positions[tuple(there[rng.randrange(len(there))])] += 4000.0
    else:
        positions += np.float32(rng.choice([30.0, -200.0]))
    return case.encode(case.sequence.with_positions(positions, case.sequence.confidence))


def other_confidences(case: Case, rng: random.Random) -> bytes:
    changed = case.sequence.confidence * np.float32(rng.choice([0.5, 0.97, 2.0]))
    return case.encode(case.sequence.with_positions(case.sequence.positions, changed))


def one_confidence(case: Case, rng: random.Random) -> bytes:
    changed, there = case.sequence.confidence.copy(), np.argwhere(case.sequence.valid)
    at = tuple(there[rng.randrange(len(there))])
    changed[at] = changed[at] - 0.1 if changed[at] > 0.5 else changed[at] + 0.1
    return case.encode(case.sequence.with_positions(case.sequence.positions, changed))


def other_times(case: Case, rng: random.Random) -> bytes:
    if case.sequence.timestamps is None:
        return case.rewrite(fps=rng.choice([1.0, 24.0, round(case.sequence.fps + 0.01, 2)]))
    times = case.sequence.timestamps.copy()
    times[rng.randrange(len(times))] += 1e-6
    return case.rewrite(timestamps=times)


def rate_for_times(case: Case, rng: random.Random) -> bytes:
    if case.sequence.timestamps is None:
        return case.rewrite(fps=None, timestamps=np.arange(case.sequence.frames) / case.sequence.fps)
    return case.rewrite(fps=30.0, timestamps=None)


def other_ids(case: Case, rng: random.Random) -> bytes:
    ids = list(case.sequence.ids)
    return case.rewrite(ids=tuple(ids[::-1] if len(ids) > 1 and rng.random() < 0.5 else [f"{i} " for i in ids]))


def half_the_people(case: Case, rng: random.Random) -> bytes:
    s = case.sequence
    keep = slice(0, s.people // 2)
    return case.encode(replace(s, positions=s.positions[:, keep], confidence=s.confidence[:, keep], ids=s.ids[keep]))


def half_the_frames(case: Case, rng: random.Random) -> bytes:
    s, keep = case.sequence, slice(0, case.sequence.frames // 2)
    times = None if s.timestamps is None else s.timestamps[keep]
    return case.encode(replace(s, positions=s.positions[keep], confidence=s.confidence[keep], timestamps=times))


def nothing_in_it(case: Case, rng: random.Random) -> bytes:
    """No track, but the promise: all used up 0."""
    header, _ = container.read(case.data)
    promise = None if header.guarantee is None else replace(header.guarantee, reached=0.0)
    return container.write(replace(header, tracks=(), guarantee=promise), [])


def other_skeleton(case: Case, rng: random.Random) -> bytes:
    old = case.sequence.skeleton
    names = ("a", *old.keypoints[1:]) if rng.random() < 0.3 else old.keypoints
    made = Skeleton(old.name, names, old.edges[1:], old.pairs, old.root if rng.random() < 0.5 else 3)
    return case.encode(replace(case.sequence, skeleton=made))


def other_labels(case: Case, rng: random.Random) -> bytes:
    changes: dict[str, Any] = rng.choice([{"unit": "cm"}, {"up": "z"}, {"unit": "unknown"}])
    return case.rewrite(**changes)


def other_metadata(case: Case, rng: random.Random) -> bytes:
    return case.rewrite(
        metadata=rng.choice([{}, {"camera": -1, "note": "a"}, {**case.sequence.metadata, "more": None}])
    )


def flip(case: Case, rng: random.Random) -> bytes:
    """One bit of a chunk, its checksum right again."""
    header, chunks = container.read(case.data)
    number = rng.randrange(len(chunks))
    base = bytearray(chunks[number].base)
    base[rng.randrange(len(base))] ^= 1 << rng.randrange(8)
    chunks[number] = Chunk(bytes(base), chunks[number].refinement)
    return container.write(header, chunks)


def damage(case: Case, rng: random.Random) -> bytes:
    """One bit of the file."""
    data = bytearray(case.data)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def other_recording(case: Case, rng: random.Random) -> bytes:
    return case.encode(case.other)


def other_chunks(case: Case, rng: random.Random) -> bytes:
    """The header of this, the chunks of another, if that has as many."""
    header, chunks = container.read(case.data)
    other = container.read(case.encode(case.other))[1]
    return container.write(header, other if len(other) == len(chunks) else chunks[::-1])


def other_weights(case: Case, rng: random.Random) -> bytes:
    return case.rewrite(transform=b"\1\2\3\4", weights=rng.choice([b"", b"\5\6\7\1"]))


def other_promise(case: Case, rng: random.Random) -> bytes:
    """A bound that was not kept, or another checksum."""
    header, _ = container.read(case.data)
    kind = "lossless" if header.guarantee is None else header.guarantee.kind
    return case.rewrite(guarantee=Guarantee(kind, 1.0 if kind == "lossless" else 1e-3, 0.5))


def leave(case: Case, rng: random.Random) -> bytes:
    return case.data


TAMPERINGS: list[Callable[[Case, random.Random], bytes]] = [
    lambda case, rng: hide(case, rng, 1), lambda case, rng: hide(case, rng, 0.5), invent, shift, other_confidences,
    one_confidence, other_times, rate_for_times, other_ids, half_the_people, half_the_frames, nothing_in_it, other_skeleton,
    other_labels, other_metadata, flip, flip, flip, damage, other_recording, other_chunks, other_weights, other_promise,
]  # fmt: skip


def is_true(case: Case, data: bytes, back: PoseSequence) -> bool | None:
    """Whether a file gives back all that it should; None where a promise was not made and nobody can say."""
    s, header = case.sequence, container.read_header(data)
    for name in ("ids", "fps", "unit", "up", "skeleton", "metadata", "frames", "dims"):
        if getattr(s, name) != getattr(back, name):
            return False
    if (s.timestamps is None) != (back.timestamps is None) or (
        s.timestamps is not None and (s.timestamps != back.timestamps).any()
    ):
        return False
    if s.positions.shape != back.positions.shape or (np.isnan(s.positions) != np.isnan(back.positions)).any():
        return False
    promise = header.guarantee
    if promise is not None and promise.kind == "lossless":
        same = np.array_equal(s.positions, back.positions, equal_nan=True) and np.array_equal(
            s.confidence, back.confidence
        )
        return same and zlib_of(s) == promise.value
    for person in range(
        s.people
    ):  # one chunk a person: below 1024 frames, and nobody is away for longer than the gaps here
        c = s.confidence[:, person].astype(float)
        ones = (c[s.valid[:, person]] == 1).all()
        if (
            np.abs(c - back.confidence[:, person]) > (0 if ones else max(1, c.max()) / 510 + 1e-6 * max(1, c.max()))
        ).any():
            return False
    off = [
        np.linalg.norm(np.float64(a) - np.float64(b))
        for a, b in zip(s.positions[s.valid], back.positions[s.valid], strict=True)
    ]
    if promise is None:
        return None if np.mean(off) > 100 else True
    if promise.kind == "bitrate":
        within = len(data) * 8e-3 * s.rate / s.frames <= promise.value * (1 + 1e-6)
        return within and (None if np.mean(off) > 100 else True)
    return bool((max(off) if promise.kind == "max-error" else np.mean(off)) <= promise.value * (1 + 1e-6))


def zlib_of(sequence: PoseSequence) -> int:
    import zlib

    return zlib.crc32(sequence.positions.tobytes() + sequence.confidence.tobytes())


def judge(case: Case, data: bytes) -> tuple[bool | None, bool | None, str]:
    """What is true, what verify says, and its words."""
    try:
        back = case.codec.decode(data)
    except PosecodecError as error:
        return False, False, str(error)
    header = container.read_header(data)
    verdict = verify(header, back, len(data), case.sequence)
    return is_true(case, data, back), verdict.kept, verdict.describe()


def run(count: int, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """Counts of verdicts, and what was wrong."""
    rng, found, wrong = random.Random(seed), Counter[str](), []
    case = make_case(rng, GOALS[0])
    for number in range(count):
        if number % 8 == 0:
            case = make_case(rng, GOALS[number // 8 % len(GOALS)])
        tamper = rng.choice(TAMPERINGS) if number % 8 else leave
        try:
            data = tamper(case, rng)
        except PosecodecError:  # not even the encoder takes it
            data = damage(case, rng)
        true, said, words = judge(case, data)
        found[f"{'untouched' if data == case.data else 'tampered'}: {'kept' if said else 'found out'}"] += 1
        if said is None or (true is not None and true != said) or (data == case.data and not said):
            wrong.append(f"{number} {tamper.__name__} {case.goal}: is {true}, said {said}: {words}")
    return found, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found, wrong = run(options.count, options.seed)
    print(*(f"{count:6} {what}" for what, count in sorted(found.items())), *wrong, sep="\n")
    print(f"{len(wrong)} of {options.count} verdicts are wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
