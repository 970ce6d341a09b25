"""Drawing one frame of a scene, and the error over time, with pillow: the page's camera and strokes, light colors only.

Images are drawn OVERSAMPLING times too large and reduced, which smooths lines. Texts are put on the reduced image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from posecodec.typing import Floats
from posecodec.view.scene import Errors, Scene

OVERSAMPLING = 3  # pixels drawn for each one shown, a side: lines get nine shades
YAW = 0.6  # radians: from aside, as HOME in page_data.js
PITCH = 0.22  # radians: from a little above
ROOM_WIDTH = 0.46  # share of an image's width that a region's half width gets: a margin of 4 % on both sides
ROOM_HEIGHT = 0.44  # share of an image's height that a region's half height gets
EYE_DISTANCE = 4.5  # of a region's larger half, from the center: the perspective of a short telephoto lens
NEAREST = 0.02  # share of the eye's distance that nothing drawn is nearer than
FLOOR_REACH = 0.9  # distances of the eye from the center to where the floor has faded out
CELLS_TO_EYE = 6  # cells of the floor between the center and the eye, before their size is rounded
FADING_BANDS = 6  # steps in which the floor fades
FLOOR_OPACITY = 0.75  # of the floor's lines at the center
FADING_POWER = 1.5  # how fast that falls to 0
STROKE_SHARE = 0.0065  # width of a stroke in diagonals of a body
THINNEST = 1.0  # pixels of a stroke
THICKEST = 5.0  # pixels of a stroke
SHADOW_WIDTH = 1.6  # of a stroke
DENSE = 60  # keypoints above which hands and faces would run together
DENSE_WIDTH = 0.55  # of a usual stroke
BARE_DOT = 1.7  # of a usual radius: without edges dots are all there is
FAINTEST = 0.12  # opacity of a keypoint of confidence 0
FARTHEST = 1e5  # pixels; lines to points beyond would take pillow for ever
PLAYHEAD_RADIUS = 3.5  # pixels
PAPER = (250, 250, 248)  # the light colors of page.css
INK = (25, 27, 31)
MUTED = (106, 112, 121)
LINE = (226, 227, 225)
GRID = (169, 173, 179)
ACCENT = (31, 99, 196)
SOFT = (169, 196, 234)
SHADOW = (228, 228, 227)  # what is half transparent there, over PAPER

Color = tuple[int, int, int]
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True, eq=False, repr=False)
class Camera:
    """How a scene is seen. project: points (N, D) to pixels (N, 2), NaN behind the eye. fit: pixels a unit at the center.
    distance: of the eye from the center."""

    project: Callable[[Floats], Floats]
    fit: float
    center: Floats
    distance: float


def draw_frame(scene: Scene, frame: int, width: int, height: int, follow: bool) -> Any:
    """An image (width, height) of one frame: floor, shadow, people. follow: look where they are, not at all there is."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING), PAPER)
    pen = ImageDraw.Draw(image)
    camera = place_camera(scene, frame if follow else None, *image.size)
    if scene.dims == 3:
        _draw_floor(pen, scene, camera)
    limits = THINNEST * OVERSAMPLING, THICKEST * OVERSAMPLING
    stroke = float(np.clip(scene.body * camera.fit * STROKE_SHARE, *limits))
    _draw_shadow(pen, scene, frame, camera, stroke)
    for layer in range(len(scene.layers)):
        for person in range(len(scene.ids)):
            _draw_figure(pen, scene, layer, frame, person, camera, stroke)
    return image.reduce(OVERSAMPLING)


def place_camera(scene: Scene, frame: int | None, width: int, height: int) -> Camera:
    """The camera for an image. frame: whose people are looked at; None for all there is."""
    region, center = (scene.far, scene.far.centers[0]) if frame is None else (scene.near, scene.near.centers[frame])
    fit = min(ROOM_WIDTH * width / region.half_width, ROOM_HEIGHT * height / region.half_height)
    middle = np.array([width, height]) / 2
    if scene.dims == 2:
        return Camera(lambda points: middle + (points - center) * fit, fit, center, math.inf)
    distance = EYE_DISTANCE * max(region.half_width, region.half_height)
    cy, sy, cp, sp = math.cos(YAW), math.sin(YAW), math.cos(PITCH), math.sin(PITCH)

    def project(points: Floats) -> Floats:
        x, y, z = np.moveaxis(points - center, -1, 0)
        ahead = sy * x + cy * z
        depth = distance - (sp * y + cp * ahead)
        scale = fit * distance / np.where(depth > NEAREST * distance, depth, np.nan)
        pixels: Floats = middle + np.stack([(cy * x - sy * z) * scale, -(cp * y - sp * ahead) * scale], axis=-1)
        return pixels

    return Camera(project, fit, center, distance)


def draw_errors(pen: Any, errors: Errors, box: Box, frame: int | None) -> list[tuple[float, str]]:
    """The error over time of at least one frame in a box, with the playhead at `frame`; returns (y, text) of its lines."""
    left, top, right, bottom = box
    highest = float(np.nanmax(errors.max, initial=0.0)) or 1.0
    at = np.linspace(left, right, len(errors.mean)) if len(errors.mean) > 1 else np.array([(left + right) / 2])
    tick = round_down(highest)
    values = (value for value in (0.0, tick / 2, tick, 2 * tick) if value <= highest)
    ticks = [(bottom - value / highest * (bottom - top), value) for value in values]
    for y, _ in ticks:
        pen.line([(left, y), (right, y)], LINE, OVERSAMPLING)
    for curve, color, width in ((errors.max, SOFT, 1.25), (errors.mean, ACCENT, 1.75)):
        _draw_curve(pen, at, bottom - curve / highest * (bottom - top), color, round(width * OVERSAMPLING))
    if frame is not None:
        pen.line([(at[frame], top - 2 * OVERSAMPLING), (at[frame], bottom)], INK, OVERSAMPLING)
        now = errors.mean[frame]
        if not math.isnan(now):
            _draw_dot(pen, (at[frame], bottom - now / highest * (bottom - top)), PLAYHEAD_RADIUS * OVERSAMPLING, INK)
    return [(y, f"{value:.3g}" if value else f"0 {errors.unit}") for y, value in ticks]


def round_down(length: float) -> float:
    """The largest of 1, 2, 5, 10, ... that is not above it."""
    power = float(10.0 ** math.floor(math.log10(length)))
    part = length / power
    return power * (5 if part >= 5 else 2 if part >= 2 else 1)


def _draw_curve(pen: Any, x: Floats, y: Floats, color: Color, width: int) -> None:
    known = np.flatnonzero(~np.isnan(y))
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        points = [(float(x[i]), float(y[i])) for i in run]
        if len(points) == 1:
            _draw_dot(pen, points[0], width / 2, color)
        elif points:
            pen.line(points, color, width, joint="curve")


def _draw_floor(pen: Any, scene: Scene, camera: Camera) -> None:
    """A grid around the center that fades out."""
    center, reach = camera.center, camera.distance * FLOOR_REACH
    spacing = round_down(camera.distance / CELLS_TO_EYE)
    cells = math.ceil(reach / spacing)
    steps = np.arange(-cells, cells + 0.25, 0.5)
    for axis in (0, 2):
        origin = np.round(center / spacing)
        for i in range(-cells, cells + 1):
            points = np.full((len(steps), 3), scene.floor)
            points[:, axis] = (origin[axis] + i) * spacing
            points[:, 2 - axis] = (origin[2 - axis] + steps) * spacing
            _draw_fading(pen, camera.project(points), np.hypot(*(points - center)[:, [0, 2]].T) / reach)


def _draw_fading(pen: Any, points: Floats, distances: Floats) -> None:
    """A line through points that is fainter at larger distances, (N,), and ends at 1."""
    for a, b, d, e in zip(points[:-1], points[1:], distances[:-1], distances[1:], strict=True):
        share = (d + e) / 2
        if share < 1 and _is_drawable(a) and _is_drawable(b):
            band = (math.floor(share * FADING_BANDS) + 0.5) / FADING_BANDS
            color = _mix_with_paper(GRID, FLOOR_OPACITY * (1 - band) ** FADING_POWER)
            pen.line([tuple(a), tuple(b)], color, OVERSAMPLING)


def _draw_shadow(pen: Any, scene: Scene, frame: int, camera: Camera, stroke: float) -> None:
    if scene.dims == 2:
        return
    for person in range(len(scene.ids)):
        flat = scene.layers[0].positions[frame, person].copy()
        flat[~np.isnan(flat[:, 1]), 1] = scene.floor
        _draw_limbs(pen, scene, camera.project(flat), SHADOW, stroke * SHADOW_WIDTH, None)


def _draw_figure(pen: Any, scene: Scene, index: int, frame: int, person: int, camera: Camera, stroke: float) -> None:
    layer = scene.layers[index]
    points = camera.project(layer.positions[frame, person])
    opacity = None if layer.opacity is None else FAINTEST + (1 - FAINTEST) * layer.opacity[frame, person]
    dense, bare = DENSE_WIDTH if len(points) > DENSE else 1.0, 1.0 if scene.edges else BARE_DOT
    lone, first = len(scene.layers) == 1, index == 0
    color = choose_color(scene, index, person)
    width, dot = (1.25, 1.2) if lone else (3.2, 2.0) if first else (0.75, 0.85)
    _draw_limbs(pen, scene, points, color, stroke * width * dense, opacity)
    for k, point in enumerate(points):
        if _is_drawable(point):
            shade = color if opacity is None else _mix_with_paper(color, opacity[k])
            _draw_dot(pen, tuple(point), stroke * dot * dense * bare, shade)


def choose_color(scene: Scene, index: int, person: int) -> Color:
    """Of a person's lines in a layer: paler where another layer lies over it."""
    pale = index == 0 and len(scene.layers) > 1
    return _convert_hsl(scene.hues[person], 62, 82) if pale else _convert_hsl(scene.hues[person], 75, 38)


def _draw_limbs(pen: Any, scene: Scene, points: Floats, color: Color, width: float, opacity: Floats | None) -> None:
    for a, b in scene.edges:
        if _is_drawable(points[a]) and _is_drawable(points[b]):
            shade = color if opacity is None else _mix_with_paper(color, min(opacity[a], opacity[b]))
            pen.line([tuple(points[a]), tuple(points[b])], shade, max(1, round(width)))


def _is_drawable(point: Floats) -> bool:
    """There, and not so far outside that drawing it would take for ever."""
    return bool((np.abs(point) < FARTHEST).all())


def _draw_dot(pen: Any, center: tuple[float, float], radius: float, color: Color) -> None:
    x, y = center
    pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)


def _mix_with_paper(color: Color, share: float) -> Color:
    red, green, blue = (round(p + (c - p) * float(share)) for c, p in zip(color, PAPER, strict=True))
    return red, green, blue


def _convert_hsl(hue: float, saturation: int, lightness: int) -> Color:
    from PIL import ImageColor

    return ImageColor.getrgb(f"hsl({hue:.0f},{saturation}%,{lightness}%)")[:3]
