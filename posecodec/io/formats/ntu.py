"""NTU RGB+D skeletons: `.skeleton`, text with the bodies that a Kinect v2 saw in each frame; read only.

Of each body an id and 25 joints in meters, y up, from the camera; the sensor's tracking state (0 not tracked, 1 inferred,
2 tracked) is the confidence, halved. Frames are 30 a second, which the file does not say. Leaves out places in the depth and
color images, orientations, the state of the hands, and leaning. Reference: github.com/shahroudy/NTURGB-D.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from posecodec.errors import InputError, report_change
from posecodec.io import Clue, Format, Source, guard_reader, read_bytes
from posecodec.io.parsing import detections
from posecodec.io.parsing.body_table import BodyTable
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import BUILT_IN

FPS = 30.0  # Frames per second of a Kinect v2
_BODY, _JOINT = 10, 12  # numbers in a line of a body and of a joint
_SKELETON = BUILT_IN["kinect25"]
_START = re.compile(rb"\s*\d+[ \t\r]*\n\s*\d+[ \t\r]*\n(\s*\d+( [-+.\deE]+){9}[ \t\r]*\n\s*25[ \t\r]*\n)?")


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of a recording, under the sensor's ids for them. fps: instead of 30.

    Raises InputError, with the line, if the file is of another form.
    """
    data = read_bytes(path)
    lines = _Lines(data.decode("utf-8", "replace"))
    table = BodyTable()
    frames = lines.read_count("the number of frames")
    for frame in range(frames):
        bodies = lines.read_count(f"the number of bodies in frame {frame}")
        table.add_empty(frame)
        for _ in range(bodies):
            _read_body(lines, table, frame)
    if not len(table):
        raise InputError(f"{frames} frames and nobody in them; this sample of NTU RGB+D holds no skeleton")
    lines.check_end()
    report_change("orientations of joints, places in the images and the state of the hands are not kept")
    return detections.build_from_table(
        table, _SKELETON, 3, fps=FPS if fps is None else fps, size=len(data), source="ntu", facts={}, unit="m", up="y"
    )


class _Lines:
    """The lines that hold something, each taken once, with its number for messages."""

    def __init__(self, text: str) -> None:
        self._found: Iterator[tuple[int, str]] = (
            (number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()
        )
        self.number = 0

    def read_words(self, count: int, what: str) -> list[str]:
        self.number, line = next(self._found, (0, ""))
        if not self.number:
            raise InputError(f"the file ends where {what} was expected; it is cut short, fetch it again")
        words = line.split()
        if len(words) != count:
            raise InputError(f"line {self.number} has {len(words)} numbers; {what} ({count}) was expected")
        return words

    def read_count(self, what: str) -> int:
        """A line with a whole number."""
        word = self.read_words(1, what)[0]
        if not (word.isascii() and word.isdecimal() and len(word) < 10):
            raise InputError(f"line {self.number} holds {word!r:.40}; {what} was expected")
        return int(word)

    def check_end(self) -> None:
        """Raises InputError if there are more lines than the counts say."""
        self.number, line = next(self._found, (0, ""))
        if self.number:
            raise InputError(
                f"line {self.number} holds {line.strip()!r:.40} after the last frame; the counts are wrong"
            )


def _read_body(lines: _Lines, table: BodyTable, frame: int) -> None:
    key = lines.read_words(_BODY, f"a body in frame {frame}")[0]
    joints = lines.read_count("the number of joints")
    if joints != len(_SKELETON):
        raise InputError(f"line {lines.number}: {joints} joints; {len(_SKELETON)} of a Kinect v2 were expected")
    flat: list[float] = []
    for _ in range(joints):
        words = lines.read_words(_JOINT, "a joint")
        try:
            state = float(words[-1])
            flat += [*map(float, words[:3]), state / 2]
        except ValueError as error:
            raise InputError(f"line {lines.number} holds something else than numbers ({error})") from error
    table.add(frame, key, flat)


def _sniff(file: Source) -> Clue | None:
    return Clue("counts of frames, bodies and joints") if _START.match(file.head) and file.suffix != ".csv" else None


FORMAT = Format(
    name="ntu", title="NTU RGB+D skeletons", suffixes=(".skeleton",), own_suffixes=(".skeleton",), read=read, sniff=_sniff,
    read_only="NTU files are only read", priority=55,
)  # fmt: skip
