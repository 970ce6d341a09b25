"""The rate-distortion picture: bits per frame against global MPJPE, both logarithmic, every curve labeled where it runs.

The codec's own curves are bold, B0 is dashed, the rest thin. Lossless methods, which have no error to show, stand below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from posecodec.bench.rd import REFERENCE, Result, Row

_OURS = ("#c4261d", "#0a5fa5", "#b8650a", "#6a3d9a")
_OTHERS = ("#5b8a72", "#8a6fa8", "#a08050", "#5f86a8", "#a06a7c", "#7a7a7a")
_SIZE = (9.0, 6.0)
_LOWEST_MM = 0.5
"""Errors below are cut off unless the codec or B0 goes there."""
_CLEARANCE = 10
"""Pixels that a label keeps from other curves, where it can."""


def draw(result: Result, path: Path) -> None:
    """Write a PNG of 900 x 600 pixels. Raises ImportError without matplotlib (it is in the extra `bench`)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    curves = _curves(result.rows)
    colors = _colors(curves)
    for name, rows in curves.items():
        axes.plot([r.bits_per_frame for r in rows], [r.mpjpe for r in rows], color=colors[name], **_style(rows[0]))
    _dress(axes, curves, result.rows)
    canvas.draw()
    _label(axes, curves, colors, canvas.get_renderer())
    figure.savefig(path)


def _curves(rows: tuple[Row, ...]) -> dict[str, list[Row]]:
    """Rows with an error by method, by rate; the codec's own last, so that they lie on top."""
    lossy = sorted((row for row in rows if row.mpjpe > 0), key=lambda row: (row.ours, row.bits_per_frame))
    return {name: [row for row in lossy if row.method == name] for name in dict.fromkeys(row.method for row in lossy)}


def _colors(curves: dict[str, list[Row]]) -> dict[str, str]:
    ours = [name for name, rows in curves.items() if rows[0].ours]
    others = [name for name in curves if name not in ours and name != REFERENCE]
    colors = {name: palette[i % len(palette)] for group, palette in ((ours, _OURS), (others, _OTHERS))
              for i, name in enumerate(group)}  # fmt: skip
    return {REFERENCE: "#111111", **colors}


def _style(row: Row) -> dict[str, Any]:
    if row.ours:
        return {"linewidth": 2.8, "marker": "o", "markersize": 6}
    return {"linewidth": 1.8, "linestyle": "--"} if row.method == REFERENCE else {
        "linewidth": 1.0, "marker": "o", "markersize": 2.5,
    }  # fmt: skip


def _dress(axes: Any, curves: dict[str, list[Row]], rows: tuple[Row, ...]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set(xscale="log", yscale="log", xlabel=_below(rows), ylabel="global MPJPE (mm)")
    axes.grid(which="major", color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    leading = [row.mpjpe for name, found in curves.items() if found[0].ours or name == REFERENCE for row in found]
    axes.set_ylim(bottom=min([_LOWEST_MM, *leading]) * 0.9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_locator(LogLocator(subs=()))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _below(rows: tuple[Row, ...]) -> str:
    """The label of the rate axis, and the lossless methods."""
    lossless = sorted((row for row in rows if row.mpjpe == 0), key=lambda row: row.bits_per_frame)
    text = "bits per frame of one person, whole files"
    if lossless:
        text += "\nlossless: " + ", ".join(f"{row.method} {row.bits_per_frame:,.0f}" for row in lossless)
    return text


def _label(axes: Any, curves: dict[str, list[Row]], colors: dict[str, str], renderer: Any) -> None:
    """Each name beside its curve, where it hides least: the codec's own first."""
    taken: list[Any] = []
    for name, rows in sorted(curves.items(), key=lambda item: (not item[1][0].ours, item[0] != REFERENCE)):
        places = [_place(axes, name, row, shift, colors[name], renderer) for row in rows for shift in _SHIFTS]
        costs = [_cost(axes, box, name, curves, taken) for _, box in places]
        best = costs.index(min(costs))
        taken.append(places[best][1])
        for i, (text, _) in enumerate(places):
            if i != best:
                text.remove()


_SHIFTS = ((8, 7, "left"), (-8, -14, "right"), (8, -14, "left"), (-8, 7, "right"))


def _place(axes: Any, name: str, row: Row, shift: tuple[int, int, str], color: str, renderer: Any) -> tuple[Any, Any]:
    """A label beside a point, and the pixels it takes."""
    text = axes.annotate(
        name, (row.bits_per_frame, row.mpjpe), xytext=shift[:2], textcoords="offset points", ha=shift[2], color=color,
        fontsize=12 if row.ours else 10, fontweight="bold" if row.ours or row.method == REFERENCE else "normal",
    )  # fmt: skip
    return text, text.get_window_extent(renderer).padded(3)


def _cost(axes: Any, box: Any, name: str, curves: dict[str, list[Row]], taken: list[Any]) -> float:
    """Leaving the axes, overlapping labels, being near another curve, covering its own: the gravest first."""
    inside = axes.get_window_extent()
    outside = box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
    near = sum(_inside(axes, box.padded(_CLEARANCE), rows) for other, rows in curves.items() if other != name)
    overlaps = sum(box.overlaps(other) for other in taken)
    return 1e6 * outside + 1e4 * overlaps + 10.0 * near + _inside(axes, box, curves[name])


def _inside(axes: Any, box: Any, rows: list[Row]) -> int:
    """How many of a curve's points, drawn densely, lie in a box of pixels."""
    import numpy as np

    corners = axes.transData.transform([(row.bits_per_frame, row.mpjpe) for row in rows])
    at = np.linspace(0, len(rows) - 1, 60 * len(rows))
    x, y = (np.interp(at, range(len(rows)), corners[:, i]) for i in (0, 1))
    return int(((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)).sum())
