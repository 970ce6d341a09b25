"""Pictures of a scene: a GIF that moves, a PNG sheet of a dozen frames; with the error over time where there are two.

They show what the page shows at first sight, in light colors; the sheet goes along with people who travel. Needs pillow
(the extra `view`).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import UsageError, name_install
from posecodec.view import draw
from posecodec.view.scene import Scene

GIF_FRAMES = 150  # most of a GIF: about a megabyte
GIF_COLORS = 24  # shades of the few strokes; more cost bytes and are not seen
GIF_SIZE = (420, 330)  # pixels of a frame, without texts
PALETTE_FRAMES = 6  # frames, evenly over time, that the common palette is made from
SHEET_FRAMES = 12
SHEET_COLUMNS = 6
SHEET_SIZE = (170, 220)  # pixels of a frame of the sheet: upright, as people are
TRACE_HEIGHT = 84  # pixels of the error over time, as in page.css
MARGIN = 16  # pixels at the left and right
LABEL_WIDTH = 44  # pixels for numbers left of the error
LABEL_HEIGHT = 24  # pixels for the time under a frame of the sheet
SHORTEST_DELAY = 0.02  # seconds; browsers show shorter ones as a tenth of a second
LONGEST_DELAY = 60.0  # seconds; a gap in the recording stops nobody for longer


def render_gif(scene: Scene) -> bytes:
    """A GIF that loops at the recording's own speed.

    It shows every n-th frame so that there are at most 150, and no delay is below 20 ms, which browsers would slow down.
    GIF delays are multiples of 10 ms: they are rounded so that no frame is more than 5 ms off its time.
    Raises UsageError without pillow.
    """
    require_pillow()
    shown = _choose_gif_frames(scene)
    images = [draw_moving_frame(scene, frame) for frame in shown] or [draw_notice(scene)]
    palette = _stack(images[:: max(1, len(images) // PALETTE_FRAMES)]).quantize(GIF_COLORS)
    images = [image.quantize(palette=palette, dither=0) for image in images]
    delays = _compute_delays(scene, shown) if len(shown) > 1 else [1000]
    out = io.BytesIO()
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=delays, loop=0, optimize=True)
    return out.getvalue()


def render_png(scene: Scene) -> bytes:
    """A PNG of up to 12 frames, evenly over time, the error over time, and what it cost. Raises UsageError without pillow."""
    require_pillow()
    out = io.BytesIO()
    (_draw_sheet(scene) if len(scene.times) and scene.ids else draw_notice(scene)).save(out, "PNG", optimize=True)
    return out.getvalue()


def compose_caption(scene: Scene) -> list[str]:
    """What stands under a picture: the recording, and what its encoding cost and lost."""
    lines = [", ".join(scene.facts[:4])]
    if scene.errors is not None:
        total = scene.errors.total
        if scene.size is not None:
            rate, each = scene.bits_per_frame, " and person" if len(scene.ids) > 1 else ""
            lines.append(f"{scene.size:,} bytes{'' if rate is None else f', {rate:.2f} bits a frame{each}'}")
        lines.append(f"error {total.mpjpe:.3g} mean / {total.p95:.3g} p95 / {total.max:.3g} max {scene.errors.unit}")
    return lines


def _choose_gif_frames(scene: Scene) -> NDArray[np.intp]:
    if not len(scene.times) or not scene.ids:
        return np.arange(0)
    every = max(1, -(-len(scene.times) // GIF_FRAMES))
    while every / scene.rate < SHORTEST_DELAY and len(scene.times) > every:
        every += 1
    return np.arange(0, len(scene.times), every)


def _compute_delays(scene: Scene, shown: NDArray[np.intp]) -> list[int]:
    """Milliseconds of each frame, in whole hundredths of a second."""
    times = scene.times[shown]
    last = times[-1] + (times[-1] - times[0]) / (len(times) - 1)
    ticks = np.rint(np.append(times, last) * 100)
    return [int(d) * 10 for d in np.clip(np.diff(ticks), round(SHORTEST_DELAY * 100), round(LONGEST_DELAY * 100))]


def draw_moving_frame(scene: Scene, frame: int) -> Any:
    """An image of a GIF or a film: people, the time, the error so far where there are two."""
    from PIL import ImageDraw

    width, height = GIF_SIZE
    top = _measure_header(scene)
    image = _make_blank(width, top + height + _measure_footer(scene))
    image.paste(draw.draw_frame(scene, frame, width, height, scene.follows), (0, top))
    pen = ImageDraw.Draw(image)
    _draw_heading(pen, scene, width)
    pen.text((width - MARGIN, 14), f"{scene.times[frame]:.2f} s", draw.MUTED, _load_font(13), anchor="ra")
    _draw_footer(image, scene, frame, top + height)
    return image


def _draw_sheet(scene: Scene) -> Any:
    from PIL import ImageDraw

    shown = np.unique(np.linspace(0, len(scene.times) - 1, SHEET_FRAMES).round().astype(int))
    width, height = SHEET_SIZE
    columns, rows = min(SHEET_COLUMNS, len(shown)), -(-len(shown) // SHEET_COLUMNS)
    top = _measure_header(scene)
    image = _make_blank(max(columns * width, 2 * width), top + rows * (height + LABEL_HEIGHT) + _measure_footer(scene))
    for i, frame in enumerate(shown):
        x, y = i % SHEET_COLUMNS * width, top + i // SHEET_COLUMNS * (height + LABEL_HEIGHT)
        image.paste(draw.draw_frame(scene, frame, width, height, scene.travels), (x, y))
        label = f"{frame * scene.stride} · {scene.times[frame]:.2f} s"
        ImageDraw.Draw(image).text((x + width / 2, y + height + 4), label, draw.MUTED, _load_font(13), anchor="ma")
    _draw_heading(ImageDraw.Draw(image), scene, image.width)
    _draw_footer(image, scene, None, top + rows * (height + LABEL_HEIGHT))
    return image


def _draw_heading(pen: Any, scene: Scene, width: int) -> None:
    pen.text((MARGIN, 12), _fit_text(pen, scene.title, width - 110, 18), draw.INK, _load_font(18))
    x = MARGIN
    if len(scene.layers) == 1 or not scene.ids:
        return
    for name, index, thick in (("original", 0, 7), ("decoded", 1, 2)):
        color = draw.choose_color(scene, index, 0)
        pen.rounded_rectangle([x, 46 - thick / 2, x + 20, 46 + thick / 2], 3, color)
        pen.text((x + 26, 46), name, draw.MUTED, _load_font(13), anchor="lm")
        x += 96


def _draw_footer(image: Any, scene: Scene, frame: int | None, top: int) -> None:
    """The error over time and the caption, from `top` on."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    if scene.errors is not None:
        scale, left = draw.OVERSAMPLING, MARGIN + LABEL_WIDTH
        box = (left * scale, 8 * scale, (image.width - MARGIN) * scale, (TRACE_HEIGHT - 8) * scale)
        large = _make_blank(image.width * scale, TRACE_HEIGHT * scale)
        ticks = draw.draw_errors(ImageDraw.Draw(large), scene.errors, box, frame)
        image.paste(large.reduce(scale), (0, top))
        for y, text in ticks:
            pen.text((left - 7, top + y / scale), text, draw.MUTED, _load_font(12), anchor="rm")
        top += TRACE_HEIGHT
    for i, line in enumerate(compose_caption(scene)):
        text = _fit_text(pen, line, image.width - 2 * MARGIN, 14)
        pen.text((MARGIN, top + 8 + 20 * i), text, draw.MUTED if i == 0 else draw.INK, _load_font(14))


def draw_notice(scene: Scene) -> Any:
    """An image that says that there is nothing to see."""
    from PIL import ImageDraw

    image = _make_blank(*GIF_SIZE)
    pen, middle = ImageDraw.Draw(image), (GIF_SIZE[0] / 2, GIF_SIZE[1] / 2)
    pen.text(middle, "Nothing to see: no frames or no people.", draw.MUTED, _load_font(14), anchor="mm")
    _draw_heading(pen, scene, GIF_SIZE[0])
    return image


def _measure_header(scene: Scene) -> int:
    """Height of what stands above the people."""
    return 44 if scene.errors is None else 62


def _measure_footer(scene: Scene) -> int:
    """Height of what stands below the people."""
    return 16 + 20 * len(compose_caption(scene)) + (TRACE_HEIGHT if scene.errors is not None else 0)


def _make_blank(width: int, height: int) -> Any:
    from PIL import Image

    return Image.new("RGB", (width, height), draw.PAPER)


def _stack(images: list[Any]) -> Any:
    """One above the other: what a common palette is made from."""
    whole = _make_blank(images[0].width, sum(image.height for image in images))
    for i, image in enumerate(images):
        whole.paste(image, (0, i * image.height))
    return whole


def _fit_text(pen: Any, text: str, width: float, size: int) -> str:
    """One line of printable text, cut short so that it fits."""
    text = "".join(c if c.isprintable() else " " for c in text)[:500]
    if pen.textlength(text, _load_font(size)) <= width:
        return text
    while text and pen.textlength(text + "...", _load_font(size)) > width:
        text = text[:-1]
    return text + "..."


def _load_font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def require_pillow() -> None:
    """Raises UsageError without pillow."""
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise UsageError(f"pictures need pillow; {name_install('view')}") from error
