"""`corpus`: many recordings as a manifest and Parquet shards."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecodec.cli import options
from posecodec.cli.batch import check_suffix
from posecodec.cli.common import LONGEST_LIST, STREAM, refuse_terminal, show, show_lines
from posecodec.cli.progress import open_bar
from posecodec.errors import CorruptError, UsageError

if TYPE_CHECKING:
    from posecodec.corpus.shards import Layout

EXAMPLES = """
\b
Examples:
  posecodec corpus plan recordings/ -o manifest.parquet --look -j 4
  posecodec corpus encode manifest.parquet -o corpus/ --max-error 5mm -j 4
  posecodec corpus encode manifest.parquet -o corpus/ --max-error 5mm --shards 64 --shard 3/64   one of an array job
  posecodec corpus check corpus/
  posecodec corpus stats corpus/
  posecodec corpus extract corpus/ walks/a.npz -o a.posec
  posecodec corpus export corpus/ -o tars/                   for WebDataset
"""
ROWS_OF_SHARD = 10_000  # Recordings of a shard where --shards is not given, about
_fps = click.option("--fps", type=float, help="Frame rate of recordings that state none.")
_unit = click.option("--unit", help="Unit of the positions, where files do not say: mm, cm, m, px, in.")
_LOST = "its process was killed, as happens where memory runs out; split it, or take fewer processes (-j)"


@click.group(epilog=EXAMPLES)
def corpus() -> None:
    """Encode many recordings to Parquet shards, and read them."""


@corpus.command()
@click.argument("source")
@click.option("-o", "--output", required=True, type=options.PATH, help="Manifest to write, .parquet.")
@click.option(
    "--only", multiple=True, metavar="SUFFIX", help="Only files of this suffix, such as .pose; several times."
)
@click.option(
    "--look", is_flag=True, help="Open each: also frames, people, skeleton, SHA-256, or why it cannot be read."
)
@_fps
@_unit
@options.jobs
@options.force
@options.json
def plan(
    source: str, output: Path, only: tuple[str, ...], look: bool, fps: float | None, unit: str | None, jobs: int,
    force: bool, as_json: bool,
) -> None:  # fmt: skip
    """List all recordings below a folder, once: a row for each, with its size, format and when it was changed.

    Recordings are those that `encode` finds in a folder. Without --look none is opened but first files of folders that number
    theirs. The folder may be a URL that fsspec lists, such as s3://bucket/recordings. Rows may be left out of the manifest,
    by any tool for Parquet, before it is encoded.
    """
    from posecodec.corpus import manifest
    from posecodec.io.filesystem import refuse_existing

    refuse_existing(output, force)
    suffixes = tuple(suffix if suffix.startswith(".") else f".{suffix}" for suffix in only)
    rows = manifest.plan(source, suffixes)
    if look:
        rows = _look_at(rows, {"default_fps": fps, "unit": unit}, jobs)
    manifest.write_manifest(output, rows)
    facts = {"recordings": len(rows), "bytes": sum(row["bytes"] for row in rows)}
    if look:
        facts |= {
            "frames": sum(row.get("frames") or 0 for row in rows),
            "failed": sum(bool(row["error"]) for row in rows),
        }
    formats = Counter(row["format"] for row in rows)
    told = ", ".join(f"{count:,} {name}" for name, count in formats.most_common())
    seen = f", {facts['frames']:,} frames, {facts['failed']:,} cannot be read" if look else ""
    line = f"{output}: {len(rows):,} recordings, {facts['bytes']:,} bytes ({told}){seen}"
    show({**facts, "formats": formats}, line, as_json)


def _look_at(rows: list[dict[str, Any]], reading: dict[str, Any], jobs: int) -> list[dict[str, Any]]:
    """The rows with what their recordings hold, in their order."""
    do = functools.partial(_look_task, reading={name: value for name, value in reading.items() if value is not None})
    found = dict[str, dict[str, Any]]()
    with open_bar(len(rows)) as bar:
        for row, seen in _run(do, rows, jobs):
            found[row["id"]] = seen or {**row, "error": _LOST}
            bar.advance()
    return [found[row["id"]] for row in rows]


def _look_task(row: dict[str, Any], reading: dict[str, Any]) -> dict[str, Any]:
    from posecodec.corpus.looking import look_at

    return look_at(row, reading)


def _run(do: Callable[[Any], Any], tasks: list[Any], jobs: int) -> Iterable[tuple[Any, Any]]:
    """(task, what came of it or None where its process was killed) of each, as they are done."""
    from posecodec.cli.workers import run_tasks

    return ((task, do(task)) for task in tasks) if jobs == 1 else run_tasks(do, tasks, jobs, lambda task: task)


@corpus.command("encode")
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--output", required=True, type=options.PATH, help="Folder of the corpus; again: goes on.")
@click.option("--shards", type=click.IntRange(1), help="How many.  [default: one for 10,000 recordings]")
@click.option("--shard", metavar="I/N", help="Only this one of N, from 0 on: for a task of an array job.")
@click.option("--max-error", metavar="E[UNIT]", help="No keypoint farther off than this.")
@click.option("--mean-error", metavar="E[UNIT]", help="Mean error of all keypoints at most this.")
@click.option("--lossless", is_flag=True, help="Every bit of positions and confidences.")
@click.option("--levels", type=click.IntRange(1, 8), help="Tokens only, of so many levels, 1 to 8.")
@click.option("--tokens-column", "column", is_flag=True, help="With --levels: also tokens as numbers, for loaders.")
@options.model
@_fps
@_unit
@options.jobs
@options.json
def encode(
    manifest: Path, output: Path, shards: int | None, shard: str | None, max_error: str | None, mean_error: str | None,
    lossless: bool, levels: int | None, column: bool, model: str | None, fps: float | None, unit: str | None, jobs: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Encode the recordings of a manifest to shards.

    A shard is written when all its recordings are done, and not made again where it is there and its recordings are the
    same: a run that was ended loses the shard that it was at. A bad file is a row with its error. The shards are the same
    however many processes and tasks make them.
    """
    from posecodec.corpus.encoding import Options
    from posecodec.corpus.manifest import iterate_rows
    from posecodec.corpus.shards import open_layout, split_rows
    from posecodec.corpus.tables import open_parquet

    with open_parquet(manifest) as file:
        count, only = _parse_shard(shard, shards, file.metadata.num_rows)
    _check_target(max_error, mean_error, lossless, levels, model)
    target = {"max_error": max_error, "mean_error": mean_error, "lossless": lossless or None, "levels": levels}
    target, reading = target | {"weights": model}, {"default_fps": fps, "unit": unit}
    if column and levels is None:
        raise UsageError("--tokens-column needs --levels, of how many the tokens are")
    asked, goal = ({name: v for name, v in each.items() if v is not None} for each in (reading, target))
    made = Options(asked, goal, column)
    layout = open_layout(output, count, made)
    split = split_rows(iterate_rows(manifest), count, range(count) if only is None else [only])
    wanted = {number: rows for number, rows in split.items() if not layout.is_done(number, rows)}
    found = _encode_shards(layout, wanted, made, jobs)
    done = {"shards": len(wanted), "skipped": len(split) - len(wanted), **found}
    show(
        done, f"{output}: {done['shards']} shards made, {done['skipped']} there before; "
        f"{found['recordings']:,} recordings, {found['failed']:,} failed", as_json,
    )  # fmt: skip


def _check_target(
    max_error: str | None, mean_error: str | None, lossless: bool, levels: int | None, model: str | None
) -> None:
    """Raises UsageError or WeightsError for what no recording can be encoded with, before anything is written."""
    from posecodec.files import get_codec
    from posecodec.ratecontrol.target import Target

    Target.from_options(levels, max_error, mean_error, None, lossless)
    if model is not None:
        get_codec(model)


def _parse_shard(shard: str | None, shards: int | None, rows: int) -> tuple[int, int | None]:
    """How many shards there are, and which one is asked for."""
    if shard is None:
        return shards or max(1, -(-rows // ROWS_OF_SHARD)), None
    number, slash, count = shard.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise UsageError(f"{shard!r} is no shard; give I/N with I from 0 to N - 1, such as 3/64")
    if shards not in (None, int(count)):
        raise UsageError(f"--shard {shard} of --shards {shards}; give one of the two, or the same number")
    return int(count), int(number)


def _encode_shards(
    layout: Layout, tasks: dict[int, list[dict[str, Any]]], made: Any, jobs: int
) -> dict[str, int]:  # fmt: skip
    """All recordings of some shards; a shard is written once it is complete."""
    from posecodec.corpus.shards import write_shard

    left = {number: len(rows) for number, rows in tasks.items()}
    coded: dict[int, list[dict[str, Any]]] = {number: [] for number in tasks}
    counts = {"recordings": 0, "failed": 0}
    for number in [number for number, count in left.items() if not count]:
        write_shard(layout, number, [], [])
    flat = [(number, row) for number, rows in tasks.items() for row in rows]
    do = functools.partial(_encode_task, made=made)
    with open_bar(len(flat)) as bar:
        for (number, row), found in _run(do, flat, jobs):
            found = found or {"id": row["id"], "source": row["source"], "error": _LOST, "notes": []}
            if found.get("error") is not None and counts["failed"] < LONGEST_LIST:
                with bar.make_way():
                    show_lines(f"error: {row['id']}: {found['error']}", True)
            counts["recordings" if found.get("error") is None else "failed"] += 1
            coded[number].append(found)
            left[number] -= 1
            if not left[number]:
                write_shard(layout, number, tasks[number], coded.pop(number))
            bar.advance()
    return counts


def _encode_task(task: tuple[int, dict[str, Any]], made: Any) -> dict[str, Any]:
    from posecodec.corpus.encoding import encode_row, settle_process

    settle_process()
    return encode_row(task[1], made)


@corpus.command()
@click.argument("root")
@click.option("--share", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Of the recordings.")
@options.json
def check(root: str, share: float, as_json: bool) -> None:
    """Decode all recordings of a corpus, or a share, and see that each is what its row says. Exit code 4 if not."""
    from posecodec.corpus.checking import check as find_faults
    from posecodec.corpus.reading import Corpus

    checked, faults = 0, dict[str, str]()
    for name, fault in find_faults(Corpus(root), share):
        checked += 1
        if fault is not None:
            faults[name] = fault
            show_lines(f"error: {name}: {fault}", True)
    show({"checked": checked, "faults": faults}, f"{root}: {checked:,} checked, {len(faults):,} not whole", as_json)
    if faults:
        raise CorruptError(f"{root}: {len(faults)} of {checked} are not whole; encode their shards again")


@corpus.command()
@click.argument("root")
@click.option(
    "--picture", type=options.PATH, help="Also draw lengths, bits, errors and skeletons, as PNG (matplotlib)."
)
@options.force
@options.json
def stats(root: str, picture: Path | None, force: bool, as_json: bool) -> None:
    """Tell how much is in a corpus: recordings, hours, bytes, bits, error, failures."""
    from posecodec.corpus.checking import summarize
    from posecodec.corpus.reading import Corpus

    found = summarize(Corpus(root))
    if picture is not None:
        from posecodec.corpus.picture import draw_picture
        from posecodec.io.filesystem import write_atomic

        write_atomic(picture, draw_picture(Corpus(root)), force)
    ratio = found["bytes_in"] / max(found["bytes_out"], 1)
    bits = found["bits_per_frame"]
    lines = [
        f"recordings {found['recordings']:,} in {found['shards']:,} shards ({found['missing_shards']} not there), "
        f"{found['failed']:,} failed",
        f"frames     {found['frames']:,}, {found['hours']:.2f} hours",
        f"bytes      {found['bytes_in']:,} -> {found['bytes_out']:,} ({ratio:.0f}x)",
        *([] if bits is None else [f"bits       {bits:.2f} a frame and person"]),
        *(
            f"error      {e['mean']:.3g} mean / {e['max']:.3g} max {e['unit']}"
            for e in found["error"]
            if e["max"] is not None
        ),
        *(f"failed     {count:,} x {text}" for text, count in found["failures"].items()),
        *(["           " + ", ".join(found["failed_ids"][:LONGEST_LIST])] if found["failed_ids"] else []),
    ]
    show(found, lines, as_json)


@corpus.command()
@click.argument("root")
@click.argument("identity", metavar="ID")
@click.option("-o", "--output", required=True, type=options.PATH, help="File to write, .posec, or - for stdout.")
@options.force
def extract(root: str, identity: str, output: Path, force: bool) -> None:
    """Take one recording out of a corpus, on this machine or behind a URL, as the .posec file that it is."""
    from posecodec.corpus.reading import Corpus
    from posecodec.io.filesystem import refuse_existing, write_atomic

    if str(output) == STREAM:
        refuse_terminal()
        sys.stdout.buffer.write(Corpus(root).read_file(identity))
        return
    check_suffix(output, (".posec",))
    refuse_existing(output, force)
    data = Corpus(root).read_file(identity)
    write_atomic(output, data, force)
    show_lines(f"{output}: {len(data):,} bytes")


@corpus.command()
@click.argument("root")
@click.option("-o", "--output", required=True, type=options.PATH, help="Folder for a tar of each shard.")
@options.force
@options.json
def export(root: str, output: Path, force: bool, as_json: bool) -> None:
    """Write shards as tar files in the layout of WebDataset: the .posec file and a JSON of each recording."""
    from posecodec.corpus.export import export_tars
    from posecodec.corpus.reading import Corpus

    counts = [count for _, count in export_tars(Corpus(root), output, force)]
    show(
        {"tars": len(counts), "recordings": sum(counts)},
        f"{output}: {len(counts)} tars, {sum(counts):,} recordings",
        as_json,
    )
