"""Damaged files: what is whole comes back as it was, what is not is missing and told, and a header is whole or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from cli.commands import call
from numpy.testing import assert_array_equal

from posecodec import PoseCodec, PoseSequence
from posecodec.analysis.verification import verify
from posecodec.bitstream import container
from posecodec.bitstream.container import Chunk, Loss, PosecFile
from posecodec.errors import CorruptError
from posecodec.pose.synthetic import walk

CODEC = PoseCodec()
FIVE = CODEC.encode_at_qp(walk(20, people=5), 150)
WHOLE = CODEC.decode(FIVE)
STARTS = PosecFile(FIVE.data)._starts  # of the five chunks, and where the file ends


def recover(data: bytes) -> tuple[PoseSequence, list[Loss]]:
    lost = list[Loss]()
    return CODEC.decode(data, lost=lost), lost


def assert_all_but(found: PoseSequence, gone: list[int]) -> None:
    """That it is the recording without some people."""
    there = [person for person in range(5) if person not in gone]
    assert found.positions[:, there].tobytes() == WHOLE.positions[:, there].tobytes()
    assert found.confidence[:, there].tobytes() == WHOLE.confidence[:, there].tobytes()
    assert not found.valid[:, gone].any() and not found.confidence[:, gone].any()
    assert (found.ids, found.fps, found.unit) == (WHOLE.ids, WHOLE.fps, WHOLE.unit)


def flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The data with a bit of each byte turned over, and the byte's place."""
    for place in range(len(data)):
        wrong = bytearray(data)
        wrong[place] ^= 1 << place % 8
        yield place, bytes(wrong)


def test_a_wrong_bit_in_any_byte_costs_one_chunk_of_five():
    for place, data in flips(FIVE.data):
        with pytest.raises(CorruptError):
            CODEC.decode(data)
        if place < STARTS[0]:
            with pytest.raises(CorruptError):
                recover(data)
            continue
        found, lost = recover(data)
        person = sum(start <= place for start in STARTS) - 1
        assert_all_but(found, [person])
        assert [(each.person, each.start, each.stop) for each in lost] == [(str(person), 0, 20)]
        assert "fails its checksum" in lost[0].why


def test_a_file_cut_anywhere_gives_all_whole_chunks():
    for length in range(len(FIVE.data)):
        data = FIVE.data[:length]
        with pytest.raises(CorruptError):
            CODEC.decode(data)
        if length < STARTS[0]:
            with pytest.raises(CorruptError):
                recover(data)
            continue
        found, lost = recover(data)
        gone = [person for person in range(5) if STARTS[person + 1] > length]
        assert_all_but(found, gone)
        assert [each.person for each in lost] == list(map(str, gone)) and "the file is cut short" in lost[0].why


def test_a_file_that_is_too_long_loses_nothing():
    with pytest.raises(CorruptError, match="longer than it should be"):
        CODEC.decode(FIVE.data + b"more")
    found, lost = recover(FIVE.data + b"more")
    assert_all_but(found, [])
    assert lost == []


def test_a_wrong_bit_loses_the_thousand_frames_that_it_is_in():
    data = CODEC.encode_at_qp(walk(5000), 200).data
    whole, starts = CODEC.decode(data), PosecFile(data)._starts
    for number in range(5):
        wrong = bytearray(data)
        wrong[starts[number] + 3] ^= 4
        found, (loss,) = recover(bytes(wrong))
        assert (loss.start, loss.stop) == (1024 * number, min(1024 * (number + 1), 5000))
        assert not found.valid[loss.start : loss.stop].any()
        expected = whole.positions.copy()
        expected[loss.start : loss.stop] = np.nan
        assert_array_equal(found.positions, expected)


def test_a_file_of_one_chunk_has_nothing_to_recover():
    data = CODEC.encode_at_qp(walk(30), 150).data
    for place, wrong in flips(data):
        with pytest.raises(CorruptError):
            recover(wrong)
        with pytest.raises(CorruptError):
            recover(data[:place])


def test_a_chunk_without_its_refinement_is_coarser(tiny_codec):
    header, (chunk,) = container.read(tiny_codec.encode_windows(walk(100), 160).data)
    layered = container.write(header, [Chunk(chunk.base, b"refinement")])
    lost = list[Loss]()
    found = tiny_codec.decode(layered[:-1], lost=lost)
    assert lost[0].coarse and "coarser" in str(lost[0])
    assert_array_equal(found.positions, tiny_codec.decode(container.write(header, [chunk])).positions)


def test_what_has_a_right_checksum_and_does_not_decode_is_lost_too():
    header, chunks = container.read(FIVE.data)
    forged = container.write(header, [chunks[0], Chunk(b"\x80"), *chunks[2:]])
    found, (loss,) = recover(forged)
    assert_all_but(found, [1])
    assert "cut short" in loss.why


def test_a_verdict_on_the_rest_is_no_praise():
    data = FIVE.data[:-1]
    found, lost = recover(data)
    damage = PosecFile(data).describe_damage(lost)
    assert len(damage) == 2 and "cut short" in damage[0]
    for original in (None, walk(20, people=5)):
        verdict = verify(FIVE.header, found, len(data), original, damage)
        assert verdict.kept is False and verdict.describe().startswith("damaged; ") and damage[1] in verdict.describe()
    bounded = CODEC.encode(walk(20, people=5), max_error=5)
    lost = list[Loss]()
    found = CODEC.decode(bounded.data[:-1], lost=lost)
    assert verify(bounded.header, found, 1, None, list(map(str, lost))).kept is False


@pytest.fixture
def damaged(tmp_path):
    wrong = bytearray(FIVE.data)
    wrong[STARTS[2] + 1] ^= 1
    (tmp_path / "bad.posec").write_bytes(wrong)
    return tmp_path / "bad.posec"


LOST = "frames 0 to 19 of '2' are lost: part 2 of 5"


def test_commands_use_what_is_there_and_say_what_is_not(damaged, capsys):
    code, out, _ = call(capsys, "info", damaged, "--json")
    facts = json.loads(out)
    assert code == 1 and facts["people"] == 5 and facts["damage"][0].startswith(LOST)
    code, out, err = call(capsys, "verify", damaged)
    assert code == 4 and LOST in out and "is damaged" in err
    code, _, err = call(capsys, "view", damaged, "-o", damaged.with_suffix(".html"))
    assert code == 1 and LOST in err and damaged.with_suffix(".html").exists()


def test_decode_recovers_when_asked_to(damaged, capsys):
    out = damaged.with_name("out.npz")
    code, _, err = call(capsys, "decode", damaged, "-o", out)
    assert code == 4 and "--recover" in err and not out.exists()
    code, said, err = call(capsys, "decode", damaged, "--recover", "-o", out)
    assert code == 1 and LOST in err and "-> " in said
    with np.load(out) as arrays:
        assert np.isnan(arrays["positions"][:, 2]).all() and not np.isnan(arrays["positions"][:, 3]).any()


def test_a_folder_is_recovered_file_by_file(damaged, capsys):
    (damaged.parent / "good.posec").write_bytes(FIVE.data)
    out = damaged.parent / "out"
    code, said, _ = call(capsys, "decode", damaged.parent, "--recover", "-o", out)
    assert code == 1 and LOST in said and "1 done" in said and "1 failed" in said
    assert sorted(path.name for path in out.glob("*.npz")) == ["bad.npz", "good.npz"]
