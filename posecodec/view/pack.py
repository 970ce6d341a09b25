"""A scene as JSON values small enough for a page: numbers as differences over time, deflated, in base64.

Positions become integers of a step below 0.05 % of the body: 2 bytes each where the region is small enough, else 4. The
lowest integer stands for a missing keypoint. `page_data.js` undoes it.
"""

from __future__ import annotations

import base64
import math
import zlib
from typing import Any

import numpy as np

from posecodec.typing import Floats, Ints
from posecodec.view.scene import Errors, Layer, Region, Scene

STEPS_PER_BODY = 2500  # in a body's diagonal: 0.8 mm of a person, less than a pixel shows
OPAQUE = 127  # the integer of opacity 1, the largest of a byte; page_data.js has it too


def pack(scene: Scene) -> dict[str, Any]:
    """JSON values: what the page is given."""
    return {
        "title": scene.title, "facts": scene.facts, "notes": scene.notes, "ids": scene.ids, "hues": scene.hues,
        "names": scene.names, "sides": scene.sides,
        "edges": scene.edges, "frames": scene.frames, "stride": scene.stride, "rate": scene.rate, "unit": scene.unit,
        "shape": scene.layers[0].positions.shape, "times": pack_floats(scene.times, "<f8") if _is_uneven(scene) else None,
        "body": scene.body, "floor": scene.floor, "follows": scene.follows, "empty": scene.is_empty,
        "near": _pack_region(scene.near, scene.body), "far": _pack_region(scene.far, scene.body),
        "layers": [_pack_layer(layer, scene.body) for layer in scene.layers],
        "errors": None if scene.errors is None else _pack_errors(scene.errors),
        "size": scene.size, "bits": scene.bits_per_frame,
    }  # fmt: skip


def pack_integers(values: Ints, width: int) -> str:
    """(..., T) integers of `width` bytes: differences over time, wrapped, all low bytes first, deflated, in base64."""
    wrapped = np.diff(values, axis=-1, prepend=0).ravel().astype(f"<u{width}")
    return _compress(wrapped.view(np.uint8).reshape(-1, width).T.tobytes())


def pack_floats(values: Floats, dtype: str = "<f4") -> str:
    """Floats as they stand in memory, deflated, in base64."""
    return _compress(values.astype(dtype).tobytes())


def pack_positions(points: Floats, body: float) -> dict[str, Any]:
    """(T, ..., D) positions as {"step", "offset" (D), "width", "data"}: offset + step x integer."""
    known = ~np.isnan(points)
    axes = tuple(range(points.ndim - 1))
    low = np.where(known, points, np.inf).min(axis=axes, initial=np.inf)
    high = np.where(known, points, -np.inf).max(axis=axes, initial=-np.inf)
    low, high = (np.where(np.isfinite(edge), edge, 0.0) for edge in (low, high))
    offset, half = (low + high) / 2, float((high - low).max()) / 2
    step = max(body / STEPS_PER_BODY, half / (2**31 - 2)) or 1.0
    width = 2 if half / step < 2**15 - 1 else 4
    whole = np.where(known, np.rint(np.where(known, points - offset, 0.0) / step), -(2.0 ** (8 * width - 1)))
    return {
        "step": step, "offset": offset.tolist(), "width": width,
        "data": pack_integers(np.moveaxis(whole.astype(np.int64), 0, -1), width),
    }  # fmt: skip


def _pack_layer(layer: Layer, body: float) -> dict[str, Any]:
    opacity = None
    if layer.opacity is not None:
        opacity = pack_integers(np.moveaxis(np.rint(layer.opacity * OPAQUE).astype(np.int64), 0, -1), 1)
    return {"name": layer.name, "opacity": opacity, **pack_positions(layer.positions, body)}


def _pack_region(region: Region, body: float) -> dict[str, Any]:
    sizes = {"half_width": region.half_width, "half_height": region.half_height}
    return {**sizes, **pack_positions(region.centers, body)}


def _pack_errors(errors: Errors) -> dict[str, Any]:
    total = {name: getattr(errors.total, name) for name in ("mpjpe", "p95", "max")}
    return {
        "mean": pack_floats(errors.mean), "max": pack_floats(errors.max), "unit": errors.total.unit,
        "keypoint_mean": pack_floats(errors.keypoint_mean), "keypoint_max": pack_floats(errors.keypoint_max),
        "total": {name: value if math.isfinite(value) else None for name, value in total.items()},
    }  # fmt: skip


def _is_uneven(scene: Scene) -> bool:
    """Whether the times are not simply a rate's."""
    return not np.allclose(scene.times, np.arange(len(scene.times)) / scene.rate, rtol=1e-12, atol=1e-9)


def _compress(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()
