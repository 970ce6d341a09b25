"""JSON in parts: the same values and errors as json's own, and little memory for long lists."""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz import damage
from limits import measure_peak

from posecodec.errors import InputError
from posecodec.io.formats import coco
from posecodec.io.parsing.json_parts import TOP, parse_in_parts
from posecodec.io.parsing.per_frame import parse_json

TEXTS = (
    '[]', '[ ]', '{}', ' [1, 2 , "a", {"b": [3]}, null, NaN]\n', '{"a": [1, [2]], "b": {"a": [4]}, "c": 5}', '{"a": 5}', "7",
    '{"a" : [ ] , "b":[{}]}', '"x"', '{"": [1]}',
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_values_are_those_of_json(text):
    assert repr(parse_in_parts(text, {TOP: lambda i, value: value, "a": lambda i, value: value})) == repr(
        json.loads(text)
    )


def test_items_are_replaced_by_what_is_made_of_them():
    assert parse_in_parts("[5, 6]", {TOP: lambda i, value: (i, value)}) == [(0, 5), (1, 6)]
    made = parse_in_parts('{"a": [5], "b": [6]}', {TOP: print, "b": lambda i, value: -value})
    assert made == {"a": [5], "b": [-6]}
    with pytest.raises(InputError, match="list 'a' is there twice"):
        parse_in_parts('{"a": [5], "a": [6]}', {"a": lambda i, value: value})


@pytest.mark.parametrize("text", TEXTS)
def test_damage_is_told_as_json_tells_it(text):
    rng = random.Random(text)
    for data in (*(text[:i].encode() for i in range(len(text))), *(damage(text.encode(), rng) for _ in range(200))):
        said = []
        for takers in ({}, {TOP: lambda i, value: value, "a": lambda i, value: value}):
            try:
                value = repr(parse_in_parts(data.decode("utf-8", "replace"), takers))
            except InputError as error:
                value = str(error)
            said.append(re.sub(r"\(.*? at", "(at", value))
        assert said[0] == said[1] or "is there twice" in said[1] or "no JSON" in said[0] + said[1], data
    with pytest.raises(InputError, match="nested too deeply"):
        parse_json(b"[" * 200_000)
    with pytest.raises(InputError, match="no UTF-8"):
        parse_json(b"\xff")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says how much memory a process holds")
def test_compact_lists_take_ten_times_their_bytes_at_most(tmp_path):
    """53 bytes an entry are the least that a detection takes; here without the 200 MB that any file may ask."""
    rows = (f'{{"image_id":{i},"keypoints":[{i % 640},{i % 480},1]}}'.ljust(52) for i in range(100_000))
    (tmp_path / "a.json").write_text(f"[{','.join(rows)}]")
    size = (tmp_path / "a.json").stat().st_size
    Path("/proc/self/clear_refs").write_text("5")
    before = measure_peak()
    sequence = coco.read(tmp_path / "a.json", fps=30)
    assert measure_peak() - before < 10 * size
    np.testing.assert_array_equal(sequence.positions[[1, 99_999], 0, 0], [[1, 1], [99_999 % 640, 99_999 % 480]])
