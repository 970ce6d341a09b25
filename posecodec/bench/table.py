"""Results as text: Markdown tables for the page, and a line a row for the terminal."""

from __future__ import annotations

from posecodec.bench.bdrate import Delta
from posecodec.bench.rate_distortion import RANGES_MM, REFERENCE, Result, Row

_COLUMNS = ("method", "setting", "bits/frame", "MPJPE mm", "root-relative", "p99", "max", "encode fr/s", "decode fr/s")
_BROKEN = " (bound broken)"  # What the name of a method gets that was farther off than it promised


def format_page(result: Result, facts: dict[str, object]) -> str:
    """The whole page: what was measured, every row, and BD-rates where there was a B0."""
    parts = [
        "# Rate and distortion",
        f"{facts['takes']} takes, {facts['frames']:,} frames of split `{facts['split']}`, whole files, errors in mm, one "
        f"thread, {facts['machine']}, commit {facts['commit']}. B0 is a code length without header or coder; the other "
        "baselines leave out frame rate, unit and names.",
        _format_table(_COLUMNS, [_format_cells(row) for row in result.rows]),
    ]
    if result.left_out:
        parts.append("\n".join(f"- {name}: {why}" for name, why in result.left_out.items()))
    parts += ["## Rate at equal error, against B0", _tabulate_deltas(result)]
    return "\n\n".join(parts) + "\n"


def format_row(row: Row) -> str:
    """One row for the terminal, in the width of `format_heading`."""
    name, setting, *numbers = _format_cells(row)
    return f"{name:15} {setting:>18} " + " ".join(f"{number:>13}" for number in numbers)


def format_heading() -> str:
    """What stands above rows."""
    name, setting, *rest = _COLUMNS
    return f"{name:15} {setting:>18} " + " ".join(f"{column:>13}" for column in rest)


def format_deltas(result: Result) -> list[str]:
    """BD-rates for the terminal."""
    known = _select_known(result)
    return [f"{name:15} {_format_percent(deltas[0])} bits at equal MPJPE" for name, deltas in known.items()]


def _select_known(result: Result) -> dict[str, tuple[Delta | None, ...]]:
    return {name: deltas for name, deltas in result.deltas.items() if any(deltas)}


def _tabulate_deltas(result: Result) -> str:
    if not any(row.method == REFERENCE for row in result.rows):
        return "B0 was not measured: it was not asked for, or the data has no training split."
    columns = ("method", *(f"{low:g} to {high:g} mm" for low, high in RANGES_MM))
    rows = [(name, *map(_format_percent, deltas)) for name, deltas in _select_known(result).items()]
    note = "Mean difference of bits where both curves have the error (global MPJPE); the part of the range, if not all of it."
    return f"{note}\n\n{_format_table(columns, rows)}"


def _format_percent(delta: Delta | None) -> str:
    if delta is None:
        return "-"
    whole = any(abs(delta.low - low) < 1e-6 and abs(delta.high - high) < 1e-6 for low, high in RANGES_MM)
    return f"{delta.percent:+.1f} %" + ("" if whole else f" ({delta.low:.1f} to {delta.high:.1f})")


def _format_cells(row: Row) -> tuple[str, ...]:
    setting = "" if row.setting is None else f"{row.parameter} {row.setting:g}"
    errors = (f"{value:.2f}" for value in (row.mpjpe, row.mpjpe_root, row.p99, row.max))
    speeds = ("-" if fps is None else f"{fps:,.0f}" for fps in (row.encode_fps, row.decode_fps))
    name = row.method + (_BROKEN if row.bound_held is False else "")
    return name, setting, f"{row.bits_per_frame:,.2f}", *errors, *speeds


def _format_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    ruler = ("---", *("---:" for _ in columns[1:]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ruler, *rows))
