"""Results of the paper's systems as text, JSON and pictures."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecodec.bench.paper import Row, System, Window, find_equal_bits
from posecodec.errors import UsageError, name_install

NAME = "paper"  # Of the files
COLUMNS = (
    "row", "bits/frame", "raw", "SSIM", "PSNR dB", "L1", "T-Std", "Q-loss", "perplexity", "used", "instability", "flicker",
    "jerk", "error", "PCK", "scalars at its SSIM", "at its PSNR",
)  # fmt: skip
KINDS = {
    "model": ("o", "#c4261d"),
    "scalars": ("-", "#0a5fa5"),
    "tokens": ("-", "#b8650a"),
    "bounded": ("--", "#5a7d2b"),
}
"""How rows are drawn: models as dots, our codecs as curves."""
SHOWN = 6  # Frames of a picture
PIXELS = 2  # Of a picture for one of the grid


def format_cells(rows: list[Row], row: Row) -> tuple[str, ...]:
    """A row as the page shows it; `rows` are all, for how many bits our scalars need for the same picture."""
    quality = row.quality
    equal = [find_equal_bits(rows, row, "scalars", what) if row.kind == "model" else None for what in ("ssim", "psnr")]
    times = [f"{row.bits / bits:.1f} x fewer" if bits and row.bits else "-" for bits in equal]
    return (
        row.name, _show(row.bits, 2), _show(row.raw, 1), f"{quality.ssim:.3f}", f"{quality.psnr:.2f}", f"{quality.l1:.4f}",
        f"{quality.t_std:.3f}", _show(row.q_loss, 4), _show(row.perplexity, 0), _show(row.used, 2),
        f"{quality.instability:.2f}", f"{quality.flicker:.2f}", _show(row.jerk, 2), _show(row.mpjpe, 1), _show(row.pck, 3),
        *times,
    )  # fmt: skip


def _show(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def format_line(row: Row) -> str:
    """A row for the terminal."""
    quality = row.quality
    return (
        f"{row.system:8} {row.name:32} {_show(row.bits, 2):>8} b/frame  SSIM {quality.ssim:.3f}  PSNR {quality.psnr:5.2f}  "
        f"L1 {quality.l1:.4f}  T-Std {quality.t_std:.3f}  used {_show(row.used, 2)}  error {_show(row.mpjpe, 1)}"
    )


def format_page(rows: list[Row], known: dict[str, Any]) -> str:
    """Markdown: a table for each system."""
    parts = ["# The systems of arXiv 2509.19252", " ".join(f"{name}: {value}." for name, value in known.items())]
    for system in dict.fromkeys(row.system for row in rows):
        ruler = ("---", *("---:" for _ in COLUMNS[1:]))
        lines = [COLUMNS, ruler, *(format_cells(rows, row) for row in rows if row.system == system)]
        parts += [f"## {system}", "\n".join(f"| {' | '.join(cells)} |" for cells in lines)]
    return "\n\n".join(parts) + "\n"


def write(rows: list[Row], known: dict[str, Any], out: Path) -> list[Path]:
    """paper.json, paper.md and paper.png in a folder; the picture only where matplotlib is installed."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{NAME}.{suffix}" for suffix in ("json", "md", "png")]
    paths[0].write_text(json.dumps({**known, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    paths[1].write_text(format_page(rows, known))
    try:
        draw_figure(rows, paths[2])
    except ImportError:
        return paths[:2]
    return paths


def draw_figure(rows: list[Row], path: Path) -> None:
    """SSIM over bits a frame, a panel for each system. Raises ImportError without matplotlib (it is in the extra `bench`)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    systems = list(dict.fromkeys(row.system for row in rows))
    figure = Figure(figsize=(5.2 * len(systems), 4.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for number, system in enumerate(systems):
        axes: Any = figure.add_subplot(1, len(systems), number + 1)
        mine = [row for row in rows if row.system == system]
        for kind, (style, color) in KINDS.items():
            found = sorted((row.bits or 0.0, row.quality.ssim, row.name) for row in mine if row.kind == kind)
            label = {
                "model": "the paper's system, entropy-coded",
                "scalars": "our scalars",
                "tokens": "our tokens by part",
                "bounded": "our frame-by-frame coder",
            }[kind]
            axes.plot([bits for bits, _, _ in found], [ssim for _, ssim, _ in found], style, color=color, label=label)
            if kind == "model":
                for bits, ssim, name in found:
                    axes.annotate(
                        name, (bits, ssim), xytext=(6, -10), textcoords="offset points", fontsize=8, color=color
                    )
        for row in mine:
            if row.kind == "mark":
                axes.axhline(row.quality.ssim, color="#999999", linewidth=0.8, linestyle=":")
                axes.annotate(
                    row.name,
                    (0.98, row.quality.ssim),
                    xycoords=("axes fraction", "data"),
                    ha="right",
                    va="bottom",
                    fontsize=8,
                )
        axes.set_ylim(top=1.03)
        axes.set(xscale="log", xlabel="bits a frame", ylabel="SSIM", title=system)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
    figure.savefig(path)


@torch.inference_mode()
def write_pictures(system: System, window: Window, out: Path) -> list[Path]:
    """NAME.png, rows of frames of the original, what was decoded, and the difference; NAME.gif, the same moving.

    Raises UsageError without pillow (it is in the extra `view`).
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError(f"pictures need pillow; {name_install('view')}") from error
    made = system.network.detokenize(system.network.tokenize(window.source))[0]
    real = window.target[0]
    frames = [_stack(real[t], made[t]) for t in range(len(real))]
    at = np.linspace(0, len(frames) - 1, SHOWN).astype(int)
    sheet = Image.fromarray(np.concatenate([frames[t] for t in at], axis=1))
    paths = [out / f"{system.name.replace('/', '-').replace(' ', '-')}.{suffix}" for suffix in ("png", "gif")]
    out.mkdir(parents=True, exist_ok=True)
    sheet.save(paths[0], optimize=True)
    moving = [Image.fromarray(frame) for frame in frames]
    moving[0].save(paths[1], save_all=True, append_images=moving[1:], duration=66, loop=0)
    return paths


def _stack(real: torch.Tensor, made: torch.Tensor) -> NDArray[np.uint8]:
    """Original, decoded and difference below each other, (3 H, W) grey levels; channels are merged by their maximum."""
    pair = [volume.amax(0).clamp(0, 1).numpy() for volume in (real, made)]
    whole = np.concatenate([pair[0], pair[1], np.abs(pair[0] - pair[1])])
    grey = (255 * (1 - whole)).astype(np.uint8)
    return grey.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)
