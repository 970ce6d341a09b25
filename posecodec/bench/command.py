"""The command `bench`: it parses, measures, prints and writes; everything heavy is imported when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from posecodec.errors import UsageError

if TYPE_CHECKING:
    from posecodec.bench.method import Method


@click.group()
def bench() -> None:
    """Measure the codec against other methods."""


@bench.command()
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True, file_okay=False), help="Motion.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results.")
@click.option("--split", default="val", show_default=True, help="Folder of archives in the data to measure on.")
@click.option("--methods", "names", help="Only these, with commas in between, such as B0,windows.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many sequences.")
def rd(data: Path, out: Path, split: str, names: str | None, limit: int | None) -> None:
    """Rate and distortion of all methods: tables, JSON and a picture.

    The data is a folder with train/*.npz and val/*.npz, or with pose files (there is no B0 then: it learns from train).
    """
    from posecodec.bench import rate_distortion, record, table
    from posecodec.bench.baseline_b0 import B0
    from posecodec.bench.data import load_split, load_training

    chosen, with_b0 = _choose_methods(names, rate_distortion.REFERENCE)
    takes = load_split(data, split)[:limit]
    training = load_training(data) if with_b0 else []
    if with_b0 and not training:
        click.echo(f"no B0: {data} has no train/*.npz for it to learn from", err=True)
    click.echo(table.format_heading())
    fitted = B0.fit([take.points for take in training]) if training else None
    result = rate_distortion.run(chosen, takes, fitted, lambda row: click.echo(table.format_row(row)))
    left_out = [f"{name:15} {why}" for name, why in result.left_out.items()]
    for line in (*left_out, *table.format_deltas(result)):
        click.echo(line)
    for path in record.write(result, record.collect_facts(takes, data, split), out):
        click.echo(f"wrote {path}")


def _choose_methods(names: str | None, reference: str) -> tuple[list[Method], bool]:
    """The methods of a list of names, and whether B0 is among them; all for None. Raises UsageError for unknown names."""
    from posecodec.bench.method import list_methods

    known = list_methods()
    if names is None:
        return known, True
    wanted = {name.strip().lower() for name in names.split(",")}
    unknown = wanted - {method.name.lower() for method in known} - {reference.lower()}
    if unknown:
        there = ", ".join([reference, *(method.name for method in known)])
        raise UsageError(f"no method {', '.join(sorted(unknown))}; there are {there}")
    return [method for method in known if method.name.lower() in wanted], reference.lower() in wanted


@bench.command("unseen")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results.")
@click.option("--c3d", multiple=True, type=click.Path(path_type=Path, exists=True), help="A recording of your own.")
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Motion, and detections.")
def compare_untrained(out: Path, c3d: tuple[Path, ...], data: Path | None) -> None:
    """Fine bounds on markers, hands and detections, against compressors of bare numbers at equal maximum error."""
    from posecodec.bench import untrained_comparison

    rows = []
    click.echo(untrained_comparison.HEADING)
    for row in untrained_comparison.run(c3d, data):
        rows.append(row)
        click.echo(row.line)
    click.echo(f"wrote {untrained_comparison.write(rows, out)}")


@bench.command("paper")
@click.option(
    "--models", required=True, type=click.Path(path_type=Path), help="TOML or JSON that lists models, or weights."
)
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True, file_okay=False), help="Motion.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results.")
@click.option(
    "--windows", default=24, show_default=True, type=click.IntRange(1), help="Windows of the validation split."
)
@click.option("--flicker", is_flag=True, help="Random limb brightness, as the paper draws.")
@click.option("--pictures", is_flag=True, help="Also a picture of each model, and a moving one.")
def compare_paper(models: Path, data: Path, out: Path, windows: int, flicker: bool, pictures: bool) -> None:
    """Systems of arXiv 2509.19252: its columns, sound ones, a black picture, and our codecs drawn as the same maps.

    A file of models has [[models]] entries with a name and weights (a path or a built-in name).
    """
    from posecodec.bench import paper, paper_page
    from posecodec.networks.config import read_values

    if models.suffix == ".safetensors":
        entries = [{"weights": str(models)}]
    else:
        entries = read_values(models).get("models", [])
    if not entries or not all(isinstance(entry, dict) and "weights" in entry for entry in entries):
        raise UsageError(f"{models} lists no models; write [[models]] entries with name and weights")
    systems = [paper.System.load(entry["weights"], entry.get("name")) for entry in entries]
    rows = paper.run(systems, data, windows, flicker, lambda row: click.echo(paper_page.format_line(row)))
    known = {"windows": windows, "brightness": "random" if flicker else "steady", "split": "val"}
    for path in paper_page.write(rows, known, out):
        click.echo(f"wrote {path}")
    for system in systems if pictures else []:
        window = next(paper.cut(system, data, 1, flicker))
        for path in paper_page.write_pictures(system, window, out):
            click.echo(f"wrote {path}")


@bench.command("tokens")
@click.option("--weights", required=True, help="Of tokens: a path or a built-in name.")
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True), help="Recordings, or a corpus.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Also write tokens.json into this folder."
)
def measure_tokens(weights: str, data: Path, out: Path | None) -> None:
    """Tokens by level on recordings of your own: what they cost, how far they are off."""
    from posecodec.bench import own_tokens
    from posecodec.codec import PoseCodec

    codec = PoseCodec.from_pretrained(weights)
    recordings = list(own_tokens.load_recordings(data, codec))
    click.echo(f"{own_tokens.HEADING}\n{'|---' * 6}|")
    rows = own_tokens.run(codec, recordings, lambda row: click.echo(row.line))
    if out is not None:
        click.echo(f"wrote {own_tokens.write(rows, codec.tokenizer.weights.name, out)}")
