"""Drawing one frame of a scene, and the error over time, with pillow: the page's camera and strokes, light colors only.

Images are drawn SCALE times too large and reduced, which smooths lines. Texts are put on the reduced image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.view.scene import Floats, Scene

SCALE = 3
YAW, PITCH = 0.6, 0.22
PAPER, INK, MUTED, LINE, GRID = (250, 250, 248), (25, 27, 31), (106, 112, 121), (226, 227, 225), (169, 173, 179)
ACCENT, SOFT, SHADOW = (31, 99, 196), (169, 196, 234), (228, 228, 227)
BANDS = 6
Color = tuple[int, int, int]
Mapped = Callable[[Floats], Floats]
Box = tuple[float, float, float, float]


def stage(scene: Scene, frame: int, width: int, height: int, follow: bool) -> Any:
    """An image (width, height) of one frame: floor, shadow, people. follow: look where they are, not at the whole place."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
    pen = ImageDraw.Draw(image)
    mapped, fit, center, away = camera(scene, frame if follow else None, width * SCALE, height * SCALE)
    if scene.dims == 3:
        _floor(pen, scene, mapped, center, away)
    stroke = min(5.0 * SCALE, max(1.0 * SCALE, scene.body * fit * 0.0065))
    _shadow(pen, scene, frame, mapped, stroke)
    for index in range(len(scene.layers)):
        for person in range(len(scene.ids)):
            _figure(pen, scene, index, frame, person, mapped, stroke)
    return image.reduce(SCALE)


def camera(scene: Scene, frame: int | None, width: int, height: int) -> tuple[Mapped, float, Floats, float]:
    """How points (N, D) map to (N, 2) on the canvas, NaN behind the eye; pixels a unit at the center, the center, its
    distance. frame: whose people are looked at; None for the whole place."""
    place, center = (scene.far, scene.far.centers[0]) if frame is None else (scene.near, scene.near.centers[frame])
    fit = min(0.46 * width / place.across, 0.44 * height / place.along)
    middle = np.array([width, height]) / 2
    if scene.dims == 2:
        return lambda points: middle + (points - center) * fit, fit, center, math.inf
    away = 4.5 * max(place.across, place.along)
    cy, sy, cp, sp = math.cos(YAW), math.sin(YAW), math.cos(PITCH), math.sin(PITCH)

    def mapped(points: Floats) -> Floats:
        x, y, z = np.moveaxis(points - center, -1, 0)
        ahead = sy * x + cy * z
        depth = away - (sp * y + cp * ahead)
        scale = fit * away / np.where(depth > 0.02 * away, depth, np.nan)
        return middle + np.stack([(cy * x - sy * z) * scale, -(cp * y - sp * ahead) * scale], axis=-1)

    return mapped, fit, center, away


def trace(pen: Any, scene: Scene, box: Box, frame: int | None) -> None:
    """The error over time in a box (left, top, right, bottom), with the playhead at `frame`."""
    errors = scene.errors
    if errors is None or not len(errors.mean):
        return
    left, top, right, bottom = box
    highest = float(np.nanmax(errors.max, initial=0.0)) or 1.0
    at = np.linspace(left, right, len(errors.mean)) if len(errors.mean) > 1 else np.array([(left + right) / 2])
    for value in _ticks(highest):
        y = bottom - value / highest * (bottom - top)
        pen.line([(left, y), (right, y)], LINE, SCALE)
    for values, color, width in ((errors.max, SOFT, 1.25), (errors.mean, ACCENT, 1.75)):
        _polyline(pen, at, bottom - values / highest * (bottom - top), color, round(width * SCALE))
    if frame is None:
        return
    pen.line([(at[frame], top - 2 * SCALE), (at[frame], bottom)], INK, SCALE)
    now = errors.mean[frame]
    if not math.isnan(now):
        _dot(pen, (at[frame], bottom - now / highest * (bottom - top)), 3.5 * SCALE, INK)


def tick_labels(scene: Scene, box: Box) -> list[tuple[float, str]]:
    """(y, text) of the trace's lines in the same box."""
    if scene.errors is None:
        return []
    _, top, _, bottom = box
    highest = float(np.nanmax(scene.errors.max, initial=0.0)) or 1.0
    unit = "units" if scene.errors.total.unit == "unknown" else scene.errors.total.unit
    return [(bottom - v / highest * (bottom - top), f"{v:.3g}" if v else f"0 {unit}") for v in _ticks(highest)]


def nice(length: float) -> float:
    """The largest of 1, 2, 5, 10, ... that is not above it."""
    power = float(10.0 ** math.floor(math.log10(length)))
    part = length / power
    return power * (5 if part >= 5 else 2 if part >= 2 else 1)


def _ticks(highest: float) -> list[float]:
    tick = nice(highest)
    return [v for v in (0.0, tick / 2, tick, 2 * tick) if v <= highest]


def _polyline(pen: Any, x: Floats, y: Floats, color: Color, width: int) -> None:
    known = np.flatnonzero(~np.isnan(y))
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        points = [(float(x[i]), float(y[i])) for i in run]
        if len(points) == 1:
            _dot(pen, points[0], width / 2, color)
        elif points:
            pen.line(points, color, width, joint="curve")


def _floor(pen: Any, scene: Scene, mapped: Mapped, center: Floats, away: float) -> None:
    """A grid around the center that fades out."""
    reach = away * 0.9
    spacing = nice(away / 6)
    cells = math.ceil(reach / spacing)
    steps = np.arange(-cells, cells + 0.25, 0.5)
    for axis in (0, 2):
        origin = np.round(center / spacing)
        for i in range(-cells, cells + 1):
            points = np.full((len(steps), 3), scene.floor)
            points[:, axis] = (origin[axis] + i) * spacing
            points[:, 2 - axis] = (origin[2 - axis] + steps) * spacing
            _faded(pen, mapped(points), np.hypot(*(points - center)[:, [0, 2]].T) / reach)


def _faded(pen: Any, points: Floats, distances: Floats) -> None:
    for a, b, d, e in zip(points[:-1], points[1:], distances[:-1], distances[1:], strict=True):
        share = (d + e) / 2
        if share < 1 and _drawable(a) and _drawable(b):
            band = (math.floor(share * BANDS) + 0.5) / BANDS
            pen.line([tuple(a), tuple(b)], _mixed(GRID, 0.75 * (1 - band) ** 1.5), SCALE)


def _shadow(pen: Any, scene: Scene, frame: int, mapped: Mapped, stroke: float) -> None:
    if scene.dims == 2:
        return
    for person in range(len(scene.ids)):
        flat = scene.layers[0].positions[frame, person].copy()
        flat[~np.isnan(flat[:, 1]), 1] = scene.floor
        _limbs(pen, scene, mapped(flat), SHADOW, stroke * 1.6, None)


def _figure(pen: Any, scene: Scene, index: int, frame: int, person: int, mapped: Mapped, stroke: float) -> None:
    layer = scene.layers[index]
    points = mapped(layer.positions[frame, person])
    opacity = None if layer.opacity is None else 0.12 + 0.88 * layer.opacity[frame, person]
    dense, bare = 0.55 if len(points) > 60 else 1.0, 1.0 if scene.edges else 1.7
    lone, first = len(scene.layers) == 1, index == 0
    color = _hsl(scene.hues[person], 62, 82) if first and not lone else _hsl(scene.hues[person], 75, 38)
    width, dot = (1.25, 1.2) if lone else (3.2, 2.0) if first else (0.75, 0.85)
    _limbs(pen, scene, points, color, stroke * width * dense, opacity)
    for k, point in enumerate(points):
        if _drawable(point):
            shade = color if opacity is None else _mixed(color, opacity[k])
            _dot(pen, tuple(point), stroke * dot * dense * bare, shade)


def _limbs(pen: Any, scene: Scene, points: Floats, color: Color, width: float, opacity: NDArray[Any] | None) -> None:
    for a, b in scene.edges:
        if _drawable(points[a]) and _drawable(points[b]):
            shade = color if opacity is None else _mixed(color, min(opacity[a], opacity[b]))
            pen.line([tuple(points[a]), tuple(points[b])], shade, max(1, round(width)))


def _drawable(point: Floats) -> bool:
    """There, and not so far outside that drawing it would take for ever."""
    return bool((np.abs(point) < 1e5).all())


def _dot(pen: Any, center: tuple[float, float], radius: float, color: Color) -> None:
    x, y = center
    pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)


def _mixed(color: Color, share: float) -> Color:
    """The color over paper."""
    red, green, blue = (round(p + (c - p) * float(share)) for c, p in zip(color, PAPER, strict=True))
    return red, green, blue


def _hsl(hue: float, saturation: int, lightness: int) -> Color:
    from PIL import ImageColor

    return ImageColor.getrgb(f"hsl({hue:.0f},{saturation}%,{lightness}%)")[:3]
