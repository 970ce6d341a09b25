"""Figures of README's and the docs' tables, anew from the JSON in benchmarks/results: `python benchmarks/renew_tables.py`.

Which rows and columns a table has, and with how many decimals, is the table's own affair: a row is known by its first
cells, and its figures are replaced. A table is what stands between `<!-- NAME -->` and `<!-- /NAME -->`. --check changes
nothing and ends with 1 if a figure is not the JSON's.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ("README.md", "docs/motion_tokens.md")
METHODS = {"--max-error": "max-error", "differences + zstd-19": "diff-zstd19", "SZ3": "sz3"}
"""Names of methods in the JSON, where the table has others."""
FIGURES = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
Figures = dict[tuple[str, ...], list[Any]]
"""By the first cells of a row, those that follow: values, or None for cells that stay."""


def _load(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


def collect_rates() -> Figures:
    """Rates and errors of `bench rd`, by method and setting."""
    found: Figures = {}
    for row in _load("rate_distortion")["rows"]:
        if row["setting"] is None:
            continue
        step = 2 ** (row["setting"] / 16) if row["parameter"] == "step index" else row["setting"]
        label = f"step {step:.3g}" if step < 100 else f"step {step:.0f}"
        if "error" in row["parameter"]:
            label = f"{step:g} mm"
        found[row["method"], label] = [row[key] for key in ("bits_per_frame", "mpjpe", "mpjpe_root", "p99", "max")]
    return found


def collect_tokens() -> Figures:
    """Tokens by levels, in 3D and in 2D."""
    found: Figures = {}
    for solid, flat in zip(_load("motion_tokens_body3d")["rows"], _load("motion_tokens_body2d")["rows"], strict=True):
        others = [solid[name]["mpjpe"] for name in ("transform", "windows")]
        rates = [solid[key] for key in ("nominal_tokens_per_second", "bits_per_frame", "mpjpe", "mpjpe_root")]
        found[(str(solid["levels"]),)] = [
            *rates, *others, flat["bits_per_frame"], (flat["mpjpe"], flat["percent_of_height"])
        ]  # fmt: skip
    return found


def collect_unseen() -> Figures:
    """Bytes under fine bounds, by recording, size and bound."""
    found: Figures = {}
    for row in _load("unseen"):
        others = [row["others"][name] for name in ("diff-zstd19", "linear-rice", "diff-pcodec", "sz3")]
        key = row["recording"], f"{row['frames']:,} x {row['keypoints']}", f"{row['bound']:g} {row['unit']}"
        found[key] = [*others, row["ours"], 100 * (row["ours"] / min(others) - 1), (row["least"], row["clips"])]
    return found


def collect_real() -> Figures:
    """Bytes of real files, by where they are from and bound."""
    found: Figures = {}
    for name, bounds in _load("real_files").items():
        for bound, each in bounds.items():
            total = each["together"]
            others = [total["others"][other] for other in ("diff-zstd19", "linear-rice", "diff-pcodec", "sz3")]
            figures = [*others, total["ours"], 100 * total["to_best"], (total["smaller_in"], total["files"])]
            found[name, bound] = figures
    return found


def collect_skeletons() -> Figures:
    """Bits a frame of each skeleton, and with the weights compared with."""
    by_name: dict[str, dict[tuple[str, bool], float]] = {}
    for row in _load("skeletons")["rows"]:
        for goal, bits in row["bits a frame"].items():
            by_name.setdefault(row["skeleton"], {})[goal, row["transform"] == "transform"] = bits
    goals = [
        (goal, is_new) for goal in ("mean 10 mm", "max 5 mm", "", "mean 2 px", "mean 8 px") for is_new in (True, False)
    ]
    goals.remove(("", False))  # the column between 3D and 2D
    return {(name,): [bits.get(goal) for goal in goals] for name, bits in by_name.items()}


def collect_noise() -> Figures:
    """Distances from the truth by what is taken off."""
    keys = ("input", "savitzky-golay", "one-euro", "denoise", "bits a frame")
    return {(f"{row['noise']:g} {row['unit']}",): [row[key] for key in keys] for row in _load("denoising")}


TABLES: dict[str, Callable[[], Figures]] = {
    "rd": collect_rates, "rates": collect_tokens, "unseen": collect_unseen, "skeletons": collect_skeletons,
    "denoising": collect_noise, "real": collect_real,
}  # fmt: skip


def replace_figures(cell: str, value: Any) -> str:
    """A cell with the figures in it replaced, each with as many decimals as it had."""
    values: Iterator[float] = iter(value if isinstance(value, tuple) else (value,))

    def write(old: re.Match[str]) -> str:
        decimals = len(old[0].partition(".")[2])
        return f"{next(values):,.{decimals}f}"

    return FIGURES.sub(write, cell)


def renew(text: str) -> tuple[str, list[str]]:
    """A page with its tables anew, and the rows that there are no figures for."""
    unknown = list[str]()
    for name, collect in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if begin not in text:
            continue
        before, _, rest = text.partition(begin)
        table, _, after = rest.partition(end)
        figures = collect()
        width = len(next(iter(figures)))
        lines = [_renew_row(line, figures, width, unknown) for line in table.split("\n")]
        text = before + begin + "\n".join(lines) + end + after
    return text, unknown


def _renew_row(line: str, figures: Figures, width: int, unknown: list[str]) -> str:
    cells = line.strip("|").split("|")
    plain = [cell.strip(" *") for cell in cells[:width]]
    key = tuple(METHODS.get(cell, cell) for cell in plain)
    if key not in figures:
        unknown += [line] if line.startswith("|") and "float32" not in line else []
        return line
    told = cells[width:]
    new = [
        cell if value is None else replace_figures(cell, value) for cell, value in zip(told, figures[key], strict=False)
    ]
    return "|" + "|".join([*cells[:width], *new, *told[len(new) :]]) + "|"


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if a figure differs.")
def main(check: bool) -> None:
    """Renew the tables of README and docs."""
    differing = 0
    for page in PAGES:
        path = ROOT / page
        old = path.read_text("utf-8")
        new, unknown = renew(old)
        rows = sum(a != b for a, b in zip(old.split("\n"), new.split("\n"), strict=True))
        differing += rows
        click.echo(
            f"{page}: {rows} rows {'differ' if check else 'renewed'}, {len(unknown)} heads or rows without figures"
        )
        if not check:
            path.write_text(new, "utf-8")
    sys.exit(check and differing > 0)


if __name__ == "__main__":
    main()
