"""A corpus at a glance: how long its recordings are, what they cost, what they lost, and in which skeletons they are."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import numpy as np

from posecodec.corpus.reading import SOME, Corpus
from posecodec.errors import DependencyError, InputError, name_install

BINS = 40  # Of a histogram, evenly over the logarithm
COLOR, FAINT = "#2a6f97", "#999999"
LEAST_BARS = 4  # That there is room for
MOST_NAMES = 8  # Skeletons that are told apart; the rest are one bar


def draw_picture(corpus: Corpus) -> bytes:
    """A PNG of 1000 x 700 pixels. Raises InputError where nothing was encoded, DependencyError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError(f"pictures of corpora need matplotlib; {name_install('bench')}") from error
    shards = (corpus.read_rows(number, SOME) for number in range(corpus.layout.shards))
    rows = [row for shard in shards for row in shard]
    done = [row for row in rows if row["error"] is None]
    if not done:
        raise InputError(f"{corpus.root}: nothing was encoded, so there is nothing to draw")
    figure = Figure(figsize=(10, 7), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(2, 2)
    hours, failed = sum(row["frames"] / row["fps"] for row in done) / 3600, len(rows) - len(done)
    figure.suptitle(f"{len(done):,} recordings, {hours:,.2f} hours, {failed:,} failed")
    unit = Counter(row["unit"] for row in done if row["mean_error"] is not None).most_common(1)
    known = [row["mean_error"] for row in done if unit and row["unit"] == unit[0][0]]
    _draw_histogram(panels[0, 0], [row["frames"] / row["fps"] for row in done], "seconds of a recording")
    _draw_histogram(panels[0, 1], [_count_bits(row) for row in done], "bits a frame and person")
    _draw_histogram(panels[1, 0], known, f"mean error, {unit[0][0]}" if unit else "mean error: not measured")
    _draw_names(panels[1, 1], Counter(row["skeleton"] for row in done))
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _count_bits(row: dict[str, Any]) -> float:
    return float(8 * row["bytes_out"] / max(row["frames"] * row["people"], 1))


def _draw_histogram(axes: Any, values: list[float | None], label: str) -> None:
    """How many recordings have values about so large, with the median; those of 0 stand at the left end."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    found = np.array([value for value in values if value is not None and np.isfinite(value)])
    positive = found[found > 0]
    axes.set(xlabel=label, ylabel="recordings")
    axes.spines[["top", "right"]].set_visible(False)
    if not len(positive):
        return
    low, high = np.log10(positive.min()), np.log10(positive.max())
    if high - low < 0.1:
        low, high = low - 0.5, high + 0.5
    axes.hist(np.maximum(found, positive.min()), bins=np.logspace(low, high, BINS), color=COLOR)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high - low > 0.5 else range(1, 10)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    median = float(np.median(found))
    axes.axvline(max(median, positive.min()), color=FAINT, linestyle=":")
    axes.annotate(f" median {median:.3g}", (max(median, positive.min()), 0.96), xycoords=("data", "axes fraction"))


def _draw_names(axes: Any, counts: Counter[str]) -> None:
    """A bar for each skeleton, the most frequent above."""
    pairs = counts.most_common(MOST_NAMES)
    if rest := counts.total() - sum(count for _, count in pairs):
        pairs.append(("others", rest))
    axes.barh([name[:24] for name, _ in pairs], [count for _, count in pairs], color=COLOR)
    axes.set_ylim(max(len(pairs), LEAST_BARS) - 0.5, -0.5)
    axes.set(xlabel="recordings")
    axes.spines[["top", "right"]].set_visible(False)
