"""The rate-distortion picture: bits per frame against global MPJPE, both logarithmic, every curve labeled where it runs.

The codec's own curves are bold, B0 is dashed, the rest thin. Lossless methods, which have no error to show, stand below.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

from posecodec.bench.rate_distortion import REFERENCE, Result, Row

_OWN_COLORS = ("#c4261d", "#0a5fa5", "#b8650a", "#6a3d9a")
_OTHER_COLORS = ("#5b8a72", "#8a6fa8", "#a08050", "#5f86a8", "#a06a7c", "#7a7a7a")
_SIZE = (9.0, 6.0)  # Inches, of 100 pixels each
_LOWEST_MM = 0.5  # Errors below are cut off unless the codec or B0 goes there
_CLEARANCE = 10  # Pixels that a label keeps from other curves, where it can
_SHIFTS = ((8, 7, "left"), (-8, -14, "right"), (8, -14, "left"), (-8, 7, "right"))
"""Points that a label may stand to the right of and above a point of its curve, and how it is aligned then."""
_OUTSIDE_COST = 1e6  # Of a label that leaves the axes; costs are in points of the label's own curve that it hides
_OVERLAP_COST = 1e4  # Of each other label that it overlaps
_NEAR_COST = 10.0  # Of each point of another curve that is near
_DENSITY = 60  # Points that a curve is drawn with between two settings, to count those under a label


def draw(result: Result, path: Path) -> None:
    """Write a PNG of 900 x 600 pixels. Raises ImportError without matplotlib (it is in the extra `bench`)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=100, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    curves = _group_curves(result.rows)
    colors = _choose_colors(curves)
    for name, rows in curves.items():
        rates, errors = [row.bits_per_frame for row in rows], [row.mpjpe for row in rows]
        axes.plot(rates, errors, color=colors[name], **_choose_style(rows[0]))
    _set_axes(axes, curves, result.rows)
    canvas.draw()
    _label_curves(axes, curves, colors, canvas.get_renderer())
    figure.savefig(path)


def _group_curves(rows: tuple[Row, ...]) -> dict[str, list[Row]]:
    """Rows with an error by method, by rate; the codec's own last, so that they lie on top."""
    lossy = sorted((row for row in rows if row.mpjpe > 0), key=lambda row: (row.ours, row.bits_per_frame))
    return {name: [row for row in lossy if row.method == name] for name in dict.fromkeys(row.method for row in lossy)}


def _choose_colors(curves: dict[str, list[Row]]) -> dict[str, str]:
    ours = [name for name, rows in curves.items() if rows[0].ours]
    others = [name for name in curves if name not in ours and name != REFERENCE]
    return {REFERENCE: "#111111"} | dict(zip(ours, cycle(_OWN_COLORS))) | dict(zip(others, cycle(_OTHER_COLORS)))


def _choose_style(row: Row) -> dict[str, Any]:
    if row.method == REFERENCE:
        return {"linewidth": 1.8, "linestyle": "--"}
    width, size = (2.8, 6) if row.ours else (1.0, 2.5)
    return {"linewidth": width, "marker": "o", "markersize": size}


def _set_axes(axes: Any, curves: dict[str, list[Row]], rows: tuple[Row, ...]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set(xscale="log", yscale="log", xlabel=_describe_rate_axis(rows), ylabel="global MPJPE (mm)")
    axes.grid(which="major", color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    leading = [row.mpjpe for name, found in curves.items() if found[0].ours or name == REFERENCE for row in found]
    axes.set_ylim(bottom=min([_LOWEST_MM, *leading]) * 0.9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_locator(LogLocator(subs=()))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _describe_rate_axis(rows: tuple[Row, ...]) -> str:
    """The label of the rate axis, and the lossless methods."""
    lossless = sorted((row for row in rows if row.mpjpe == 0), key=lambda row: row.bits_per_frame)
    text = "bits per frame of one person, whole files"
    if lossless:
        text += "\nlossless: " + ", ".join(f"{row.method} {row.bits_per_frame:,.0f}" for row in lossless)
    return text


def _label_curves(axes: Any, curves: dict[str, list[Row]], colors: dict[str, str], renderer: Any) -> None:
    """Each name beside its curve, where it hides least: the codec's own first."""
    taken: list[Any] = []
    for name, rows in sorted(curves.items(), key=lambda item: (not item[1][0].ours, item[0] != REFERENCE)):
        places = [_place_label(axes, name, row, shift, colors[name], renderer) for row in rows for shift in _SHIFTS]
        costs = [_weigh_place(axes, box, name, curves, taken) for _, box in places]
        best = costs.index(min(costs))
        taken.append(places[best][1])
        for i, (text, _) in enumerate(places):
            if i != best:
                text.remove()


def _place_label(
    axes: Any, name: str, row: Row, shift: tuple[int, int, str], color: str, renderer: Any
) -> tuple[Any, Any]:
    """A label beside a point, and the pixels it takes."""
    text = axes.annotate(
        name, (row.bits_per_frame, row.mpjpe), xytext=shift[:2], textcoords="offset points", ha=shift[2], color=color,
        fontsize=12 if row.ours else 10, fontweight="bold" if row.ours or row.method == REFERENCE else "normal",
    )  # fmt: skip
    return text, text.get_window_extent(renderer).padded(3)


def _weigh_place(axes: Any, box: Any, name: str, curves: dict[str, list[Row]], taken: list[Any]) -> float:
    """Leaving the axes, overlapping labels, being near another curve, covering its own: the gravest first."""
    inside = axes.get_window_extent()
    outside = box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
    near = sum(_count_inside(axes, box.padded(_CLEARANCE), rows) for other, rows in curves.items() if other != name)
    overlaps = sum(box.overlaps(other) for other in taken)
    cost = _OUTSIDE_COST * outside + _OVERLAP_COST * overlaps + _NEAR_COST * near
    return float(cost + _count_inside(axes, box, curves[name]))


def _count_inside(axes: Any, box: Any, rows: list[Row]) -> int:
    """How many of a curve's points, drawn densely, lie in a box of pixels."""
    import numpy as np

    corners = axes.transData.transform([(row.bits_per_frame, row.mpjpe) for row in rows])
    at = np.linspace(0, len(rows) - 1, _DENSITY * len(rows))
    x, y = (np.interp(at, range(len(rows)), corners[:, i]) for i in (0, 1))
    return int(((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)).sum())
