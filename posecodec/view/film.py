"""Films of a scene at the recording's own speed: MP4 (H.264) and WebM (VP9), frames as in the GIF but all of them.

Needs pillow and imageio-ffmpeg, which brings ffmpeg along (the extra `film`).
"""

from __future__ import annotations

import tempfile
import warnings
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import DataWarning, UsageError, name_install
from posecodec.view.draw import PAPER
from posecodec.view.scene import Scene
from posecodec.view.still import draw_moving_frame, draw_notice, require_pillow

HIGHEST_RATE = 60.0  # Frames a second of a film, which screens can show; recordings of more leave some out
LONGEST_FILM = 600.0  # Seconds; longer recordings are cut there, as a gap of hours would make a film of nothing
CODECS = {".mp4": "libx264", ".webm": "libvpx-vp9"}


def render_mp4(scene: Scene) -> bytes:
    """H.264 in MP4, which plays everywhere. Raises UsageError without pillow or imageio-ffmpeg."""
    return _render(scene, ".mp4")


def render_webm(scene: Scene) -> bytes:
    """VP9 in WebM. Raises UsageError without pillow or imageio-ffmpeg."""
    return _render(scene, ".webm")


def _render(scene: Scene, suffix: str) -> bytes:
    require_pillow()
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise UsageError(f"films need imageio-ffmpeg; {name_install('film')}") from error
    rate = min(scene.rate, HIGHEST_RATE)
    shown = choose_frames(scene, rate)
    first = _pad_to_even(draw_moving_frame(scene, int(shown[0])) if len(shown) else draw_notice(scene))
    with tempfile.TemporaryDirectory(prefix="posecodec-") as folder:
        path = Path(folder) / f"film{suffix}"
        film = imageio_ffmpeg.write_frames(
            str(path), first.size, fps=rate, codec=CODECS[suffix], macro_block_size=2, ffmpeg_log_level="error"
        )
        with closing(film):
            film.send(None)
            drawn = first.tobytes()
            film.send(drawn)
            for before, frame in pairwise(shown):
                drawn = drawn if frame == before else _pad_to_even(draw_moving_frame(scene, int(frame))).tobytes()
                film.send(drawn)
        return path.read_bytes()


def choose_frames(scene: Scene, rate: float) -> NDArray[np.intp]:
    """Which recorded frame is seen in each frame of a film at a rate: the last one that has begun.

    Warns with a DataWarning where the film ends before the recording.
    """
    if not len(scene.times) or not scene.ids:
        return np.arange(0)
    times = scene.times - scene.times[0]
    seconds = min(float(times[-1]), LONGEST_FILM)
    if seconds < times[-1]:
        left = f"the film shows the first {seconds / 60:.0f} minutes of {times[-1] / 60:.0f}; cut the recording to see others"
        warnings.warn(left, DataWarning, stacklevel=2)
    ticks = np.arange(int(np.floor(seconds * rate + 1e-6)) + 1) / rate
    return np.asarray(np.searchsorted(times, ticks + 1e-6, side="right") - 1)


def _pad_to_even(image: Any) -> Any:
    """An image with even sides, as films need, of one that may lack a row or a column."""
    from PIL import Image

    whole = Image.new("RGB", (image.width + image.width % 2, image.height + image.height % 2), PAPER)
    whole.paste(image, (0, 0))
    return whole
