"""The lines `# key: JSON` before the header of our tables: what the columns cannot say. Written and read; knows no cells."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from posecodec.errors import InputError, UsageError
from posecodec.io.parsing.format_metadata import read_integer
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import build_skeleton

KEYS = ("fps", "unit", "up", "skeleton", "ids", "metadata")
FORMULA = re.compile(r"[=@]|[+-](?![0-9.]+$)")
"""How a cell begins that a spreadsheet works out; a number is none."""
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')  # A text in JSON
_START = re.compile(r"[=@]|(?<=[^\w.])[+-]")  # What formulas begin with: always, or after what is no word
_NUMBERS = range(1 - (1 << 50), 1 << 50)
"""First frames that are believed: far beyond any recording, and the numbers after them still fit int64."""
_MAX_RATE = 1e300  # frames per second: JSON can state whole numbers that are beyond any float


def encode_comments(sequence: PoseSequence, names: Sequence[str]) -> list[str]:
    """The lines before the header. names: of the keypoints there, which may be numbers in place of the skeleton's."""
    skeleton = sequence.skeleton
    found: dict[str, Any] = {"fps": sequence.fps}
    if sequence.unit != "unknown":
        found["unit"] = sequence.unit
    if sequence.up != "unknown":
        found["up"] = sequence.up
    renamed = tuple(names) != skeleton.keypoints
    if renamed or skeleton != build_skeleton(skeleton.keypoints):
        found["skeleton"] = {"name": skeleton.name} | ({"keypoints": skeleton.keypoints} if renamed else {})
        parts = {"edges": skeleton.edges, "pairs": skeleton.pairs, "root": skeleton.root}
        found["skeleton"] |= {key: value for key, value in parts.items() if value not in ((), None)}
    if sequence.people != 1 or sequence.ids != ("0",):
        found["ids"] = list(sequence.ids)
    if sequence.metadata != {"source_format": "csv"}:
        found["metadata"] = dict(sequence.metadata)
    try:
        return [f"# {key}: {_disarm(json.dumps(value))}" for key, value in found.items()]
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the metadata are not JSON ({error}); take out what is not") from error


def _disarm(text: str) -> str:
    """The same JSON with what a spreadsheet, which cuts lines at separators, could take for formulas as escapes."""
    return _TEXT.sub(lambda found: _START.sub(lambda sign: f"\\u{ord(sign[0]):04x}", found[0]), text)


def decode_comment(key: str, line: int, text: str) -> Any:
    """The value of a key. Raises InputError, with the line, where it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {line}: {key} is {text!r:.40}, JSON was expected ({error}); correct it") from error


def is_rate(value: Any) -> bool:
    """Whether a value of `fps` can be one."""
    return type(value) in (int, float) and 0 < value < _MAX_RATE


def read_text(comments: Mapping[str, Any], key: str) -> str:
    """The unit or the up axis."""
    value = comments.get(key, "unknown")
    if not isinstance(value, str):
        raise InputError(f"the comment {key} is {value!r:.40}, a text was expected; correct it")
    return value


def read_skeleton(comments: Mapping[str, Any], names: Sequence[str] | None) -> Skeleton | None:
    """The skeleton of the comment, with the names of the header unless it has its own."""
    value = comments.get("skeleton")
    if value is None:
        return None
    try:
        keypoints = tuple(str(name) for name in value.get("keypoints", names))
        edges, pairs = (tuple((int(a), int(b)) for a, b in value.get(key, ())) for key in ("edges", "pairs"))
        root = value.get("root")
        return Skeleton(str(value["name"]), keypoints, edges, pairs, None if root is None else int(root))
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(f"the comment skeleton is not name, edges, pairs, root ({error}); correct it") from error


def read_metadata(comments: Mapping[str, Any], first: int) -> dict[str, Any]:
    """The metadata of the comment, and in them the number of the first frame."""
    metadata = comments.get("metadata", {"source_format": "csv"})
    if not isinstance(metadata, dict):
        raise InputError(f"the comment metadata is {type(metadata).__name__}, an object was expected; correct it")
    if read_first_frame(metadata) != first:
        facts = metadata.get("csv")
        metadata = metadata | {"csv": (facts if isinstance(facts, dict) else {}) | {"first_frame": first}}
    return metadata


def read_first_frame(metadata: Mapping[str, Any]) -> int:
    """The number of the first frame that metadata state, 0 where they do not."""
    return read_integer(metadata.get("csv"), "first_frame", 0, _NUMBERS)
