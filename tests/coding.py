"""What tests of the whole codec share: recordings as given, what must come back, goals."""

import dataclasses

import numpy as np
import pytest

import posecodec
from posecodec.bitstream import container
from posecodec.coders.chunk import ChunkContext, split_sequence


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


TOKENS = {"levels": 8}
GOALS = [TOKENS, {}, {"max_error": 8.0}, {"mean_error": 12.0}, {"bitrate": 24.0}, {"lossless": True}]
any_goal = pytest.mark.parametrize("goal", GOALS, ids=lambda goal: next(iter(goal), "quality"))


def coded(codec, sequence, goal=TOKENS):
    """What comes back."""
    return codec.decode(codec.encode(sequence, **goal))


def through_files(codec, sequence, folder, goal=TOKENS):
    """.npz -> .posec -> .npz, with all checks; what comes back."""
    posecodec.save(sequence, folder / "in.npz")
    loaded = posecodec.load(folder / "in.npz")
    encoded = codec.encode(loaded, **goal)
    encoded.save(folder / "coded.posec")
    assert (folder / "coded.posec").read_bytes() == encoded.to_bytes()
    posecodec.save(codec.decode(folder / "coded.posec"), folder / "out.npz")
    back = posecodec.load(folder / "out.npz")
    assert_kept(sequence, back)
    if "levels" in goal or goal.keys() & {"lossless", "max_error"}:  # others may be coded either way
        assert len(encoded.tokens) == ("levels" in goal) * encoded.header.chunk_count
    for a, b in zip(codec.tokens(folder / "coded.posec"), encoded.tokens, strict=True):
        assert (a.indices == b.indices).all() and (a.codes, a.frames, a.levels) == (b.codes, b.frames, b.levels)
    return back


def read_integers(codec, header, chunk, frames=None):
    """Presence and quantized motion of a chunk of tokens, by default the file's only one."""
    return codec.coders.windows.read_integers(chunk, ChunkContext.from_header(header, frames or header.frames))


def layered(codec, sequence, qp=0, max_error=None):
    """A file of tokens, each chunk refined by the transform at a step, or to a bound."""
    header, parts = container.read(codec.encode(sequence, **TOKENS).data)
    transform, made = codec.coders.transform, []
    for chunk, part in zip(split_sequence(sequence), parts, strict=True):
        guide = codec.tokenizer.decode(read_integers(codec, header, part, len(chunk.points))[1], header.coded_up)
        made.append(transform.encode_refinement(chunk, qp, guide.astype(float), part.base, max_error).chunk)
    return container.write(dataclasses.replace(header, transform=transform.weights.id), made)
