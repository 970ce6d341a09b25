"""Recordings to look at: a page for the browser, a moving picture, or a sheet of stills, chosen by the suffix.

`scene` is what there is to see; `page` (with `pack`) makes HTML of it, `still` (with `draw`) pictures, `film` films. Nothing
here reads files, and nothing is shown that is not in the recordings.
"""

from __future__ import annotations

from pathlib import Path

from posecodec.errors import UsageError
from posecodec.io.filesystem import AnyPath, write_atomic
from posecodec.pose.sequence import PoseSequence
from posecodec.view import film, page, still
from posecodec.view.scene import build

MAKERS = {
    ".html": page.render_html, ".gif": still.render_gif, ".png": still.render_png, ".mp4": film.render_mp4,
    ".webm": film.render_webm,
}  # fmt: skip


def write(
    sequence: PoseSequence, path: AnyPath, other: PoseSequence | None = None, *,
    title: str | None = None, size: int | None = None, force: bool = False,
) -> None:  # fmt: skip
    """Write a picture of `sequence`, and of `other` (such as its decoded form) laid over it with the error.

    path: ends in .html (plays and turns in a browser, needs no network), .gif (at most 150 frames), .png (12 frames
    and the error over time), .mp4 or .webm (films). title: stands above it, the file's name if None. size: bytes of the
    encoded recording, to be shown with the error. force: replace a file that exists.
    Raises UsageError for another suffix, a file that exists, a picture without pillow, or a film without imageio-ffmpeg;
    InputError where the two cannot be compared.

    >>> from posecodec.pose.synthetic import walk
    >>> write(walk(), "/tmp/walk.html", force=True)
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in MAKERS:
        raise UsageError(f"{path}: no picture has the suffix {suffix!r}; use .html, .gif, .png, .mp4 or .webm")
    scene = build(sequence, other, path.stem if title is None else title, size)
    write_atomic(path, MAKERS[suffix](scene), force)
