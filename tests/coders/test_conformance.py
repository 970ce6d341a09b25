"""Streams of every kind, and what a decoder must find in them: tests/conformance/README.md says how to use them.

`PYTHONPATH=tests python tests/coders/test_conformance.py` writes what is expected of the streams that lie there without,
and with `--draw` other drawn ones before; what is there only another version or other weights may ask for.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CONFORMANCE
from valid_files import ValidFile, draw_file, spell
from voices import make_stages

from posecodec import PoseCodec, PoseSequence
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk, PosecFile
from posecodec.bitstream.header import NAMING, VERSION, Header
from posecodec.bitstream.presence import read_presence
from posecodec.coders.chunk import ChunkContext
from posecodec.coders.transform import block_coder, corrections, plain_corrections
from posecodec.entropy.range_coder import RangeDecoder
from posecodec.pose.sequence import UNIT_MM
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.zoo import find_named

STREAMS = sorted(str(path.relative_to(CONFORMANCE).with_suffix("")) for path in CONFORMANCE.rglob("*.posec"))
DRAWN, LARGEST = 4000, 4000  # How many files are drawn to choose streams from, and the bytes of one at most


def describe_header(header: Header) -> dict[str, Any]:
    """A header as JSON has it; a skeleton that is built in by its name alone."""
    facts = asdict(header)
    if not header.names_bodies:
        del facts["names_bodies"]
    built_in = BUILT_IN.get(header.skeleton.name) == header.skeleton
    facts |= {"weights": header.weights.hex(), "transform": header.transform.hex()}
    facts["skeleton"] = header.skeleton.name if built_in else spell(header.skeleton)
    facts["timestamps"] = None if header.timestamps is None else header.timestamps.tolist()
    found: dict[str, Any] = json.loads(json.dumps(facts))
    return found


def read_integers(codec: PoseCodec, header: Header, frames: int, chunk: Chunk) -> dict[str, Any]:
    """What a chunk says before arithmetic with fractions begins, by name."""
    if chunk.kind == ChunkKind.LOSSLESS:
        return {}
    context, found = ChunkContext.from_header(header, frames), dict[str, Any]()
    presence = read_presence(RangeDecoder(chunk.base), frames, len(header.skeleton))
    found["mask"] = presence.mask
    if presence.confidence is not None:
        found |= {"confidence": presence.confidence, "scale": np.float32(presence.scale)}
    if chunk.kind == ChunkKind.TOKENS:
        tokens = codec.coders.tokens.read_integers(chunk, context)[1]
        start = [tokens.start.size, tokens.start.heading, *tokens.start.place]
        return found | {"start": np.array(start), "tokens": tokens.tokens, "remainders": tokens.remainders}
    if chunk.kind == ChunkKind.WINDOWS:
        motion = codec.coders.windows.read_integers(chunk, context)[1]
        start = [motion.side_info.scale, motion.side_info.heading, *motion.side_info.origin, motion.qp]
        found |= {"start": np.array(start), "windows": np.array(motion.lengths), "values": motion.values}
    if chunk.kind == ChunkKind.PREDICTIVE:
        return found | {"steps": codec.coders.predictive.read_integers(chunk, context)[1]}
    blocks, moves = list[Any](), list[Any]()
    dequantize = block_coder.dequantize
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_coder, "dequantize", lambda q, *rest: (blocks.append(q.copy()), dequantize(q, *rest))[1])
        for way in (corrections, plain_corrections):
            keep = partial(lambda read, *given: (moves.append(read(*given)), moves[-1])[1], way.read_corrections)
            patch.setattr(way, "read_corrections", keep)
        codec.coders.suit(header).by_kind[chunk.kind].decode(chunk, context)
    found |= {f"block {i}": block for i, block in enumerate(blocks)}
    return found | dict(zip(["corrections"], moves, strict=False))


def examine(data: bytes) -> tuple[dict[str, Any], dict[str, Any], PoseSequence]:
    """What a stream says: header and chunks, integers by chunk and name, and the recording."""
    with PosecFile(data) as file:
        header, chunks, spans = file.header, file.read_all(), file.spans
    codec = PoseCodec.from_pretrained(find_named(header.weights))
    listed, integers = [], {}
    for number, (span, chunk) in enumerate(zip(spans, chunks, strict=True)):
        sizes = [len(chunk.base), len(chunk.refinement)]
        listed.append({**asdict(span), "kind": chunk.kind.label, "sizes": sizes})
        read = read_integers(codec, header, span.length, chunk)
        integers |= {f"{number} {name}": np.asarray(value) for name, value in read.items()}
    tolerance = 0.01 / UNIT_MM.get(header.unit, 1.0)
    facts = {"header": describe_header(header), "chunks": listed, "tolerance": tolerance}
    return facts, integers, codec.decode(data)


@pytest.mark.parametrize("name", STREAMS)
def test_golden_files_decode_to_the_same_integers_and_poses(name):
    path = CONFORMANCE / name
    facts, integers, found = examine(path.with_suffix(".posec").read_bytes())
    assert facts == json.loads(path.with_suffix(".json").read_text())
    known = dict(np.load(path.with_suffix(".npz")))
    positions, confidence = known.pop("positions"), known.pop("confidence")
    assert known.keys() == integers.keys()
    for key, value in known.items():
        np.testing.assert_array_equal(integers[key], value, err_msg=key)
    assert found.positions.dtype == positions.dtype and (found.valid == ~np.isnan(positions[..., 0])).all()
    np.testing.assert_allclose(found.confidence, confidence, rtol=1e-6, atol=0)
    exact = {chunk["kind"] for chunk in facts["chunks"]} == {"lossless"}
    step = np.spacing(np.abs(positions).astype(np.float32)) if positions.dtype == np.float32 else 0.0
    off = np.abs(found.positions.astype(np.float64) - positions)
    assert not (off > (0 if exact else np.maximum(facts["tolerance"], step))).any()


def test_streams_have_everything():
    facts = [json.loads((CONFORMANCE / f"{name}.json").read_text()) for name in STREAMS]
    kinds = {(chunk["kind"], each["header"]["dims"]) for each in facts for chunk in each["chunks"]}
    assert kinds == {(kind.label, dims) for kind in ChunkKind for dims in (2, 3)}
    promises = {(each["header"]["guarantee"] or {"kind": None})["kind"] for each in facts}
    assert promises == {None, "max-error", "mean-error", "bitrate", "lossless"}


def list_features(file: ValidFile) -> set[Any]:
    """What a stream would show."""
    head, seen = file.header, file.draft.fields
    version, flags = seen["version"][0], seen["flags"][0]
    found: set[Any] = {("layout", version & 15, bit) for bit in range(4) if version >> 4 + bit & 1}
    found |= {("lengths", version & 15, name, len(seen[name])) for name in ("weights", "transform", "promise")}
    found |= {("flag", bit) for bit in range(8) if flags >> bit & 1}
    found |= {(voice.chunk.kind, head.dims, bool(voice.chunk.refinement)) for _, voice in file.held}
    found |= {("unit", head.unit), ("up", head.up), ("coded", head.coded_up), ("people", min(len(head.ids), 2))}
    found |= {("promise", head.guarantee and head.guarantee.kind), ("rate", seen["rate"][:2].count(b"\0"))}
    return found | {
        ("frames", min(head.frames, 2)),
        ("chunks", min(len(file.held), 2)),
        ("channels", "channels" in head.metadata),
    }


def draw_streams(folder: Path) -> None:
    """Files of today's versions that show something of the grammar that those before them do not."""
    rng, stages, shown = random.Random(5), make_stages(), set[Any]()
    folder.mkdir(exist_ok=True)
    for _ in range(DRAWN):
        file = draw_file(rng, rng.choice(stages))
        if file.draft.fields["version"][0] & 15 not in (VERSION, NAMING):
            continue
        data, features = file.draft.seal(), list_features(file)
        if len(features - shown) > (0 if len(shown) > 40 else 2) and len(data) < LARGEST:
            shown |= features
            (folder / f"{len([*folder.glob('*.posec')]):02}.posec").write_bytes(data)


if __name__ == "__main__":
    if "--draw" in sys.argv:
        draw_streams(CONFORMANCE / "short")
    for path in (p for p in sorted(CONFORMANCE.rglob("*.posec")) if not p.with_suffix(".json").exists()):
        facts, integers, recording = examine(path.read_bytes())
        path.with_suffix(".json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        held = {"positions": recording.positions, "confidence": recording.confidence}
        np.savez_compressed(path.with_suffix(".npz"), **held, **integers)
