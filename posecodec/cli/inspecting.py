"""`info`, `compare`, `verify`, and the lists: formats, skeletons, models. They write nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecodec.cli import options
from posecodec.cli.common import (
    LONGEST_LIST,
    Reading,
    collect_notes,
    decode_posec,
    load_any,
    name_in_errors,
    open_input,
    raise_damage,
    show,
    show_lines,
)
from posecodec.errors import CorruptError

if TYPE_CHECKING:
    from posecodec.bitstream.header import Header
    from posecodec.pose.sequence import PoseSequence
    from posecodec.pose.skeleton import Skeleton


@click.command()
@click.argument("file")
@options.reading_options
@options.json
def info(file: str, reading: Reading, as_json: bool) -> None:
    """Tell what a .posec or pose file holds, what it was taken for and why, and what is wrong with the data.

    Reads no weights. Nothing is changed; findings name the option that helps.
    """
    with open_input(file) as path:
        if isinstance(path, Path) and path.suffix != ".posec":
            _show_recording(path, file, reading, as_json)
            return
        with name_in_errors(file):
            facts = _describe_posec(path)
        show(facts, _format_facts(facts), as_json)
        raise_damage(file, facts.get("damage", []))


def _show_recording(path: Path, name: str, reading: Reading, as_json: bool) -> None:
    from posecodec import io
    from posecodec.analysis.diagnostics import diagnose

    with collect_notes() as notes, name_in_errors(name):
        guess = io.detect(path) if reading.format is None else io.Guess(reading.format, "--from")
        sequence, assumed = load_any(path, reading)
    facts = {
        "file": name, "format": f"{io.FORMATS[guess.format].title}: {guess.format}, by {guess.why}",
        **_describe_common(sequence, f"timestamps, {sequence.rate:g} on average"), "keypoints": len(sequence.skeleton),
        "missing": int((~sequence.valid).sum()), "gaps": _describe_gaps(sequence),
    }  # fmt: skip
    if assumed:
        facts["fps"] = "not in the file; to encode it pass --fps N"
    found = [f.text for f in diagnose(sequence)]
    said = [("note", text) for text in notes.texts] + [("finding", text) for text in found]
    lines = [*_format_facts(facts), *(f"{kind:10} {text}" for kind, text in said)]
    show({**facts, "notes": notes.texts, "findings": found}, lines, as_json)


def _format_facts(facts: dict[str, Any]) -> list[str]:
    return [f"{name:10} {_shorten_list(value)}" for name, value in facts.items()]


def _shorten_list(value: Any) -> Any:
    if isinstance(value, list) and len(value) > LONGEST_LIST:
        return f"{', '.join(map(str, value[:LONGEST_LIST]))}, ... ({len(value)})"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@options.fps
@options.max_memory
@options.model
@options.json
def compare(a: Path, b: Path, fps: float | None, model: str | None, as_json: bool) -> None:
    """Compare two recordings, A the reference; either may be a .posec file."""
    from posecodec.analysis.metrics import compare as measure

    with collect_notes() as notes:
        first, second = (load_any(path, Reading(fps=fps), model)[0] for path in (a, b))
    notes.show(a)
    found = measure(first, second)
    show(found.as_dict(), found.describe(), as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("original", required=False, type=click.Path(path_type=Path))
@options.skeleton
@options.reading_options
@options.model
@options.json
def verify(
    file: Path, original: Path | None, skeleton: str | None, reading: Reading, model: str | None, as_json: bool
) -> None:
    """Check that a .posec file is whole and decodes, and that it keeps its promise. Of a damaged one the rest is checked.

    With the ORIGINAL, read with the options that it was encoded with, all that the file holds is compared: positions,
    which keypoints are there, confidences, rate or times, people, skeleton, unit, up axis and metadata. Without it a
    lossless file and a bit rate can be checked, an error bound cannot. Exit code 4 if anything is not kept.
    """
    from posecodec.analysis.verification import verify as check

    damage = list[str]()
    sequence, header, size = decode_posec(file, model, "cpu", damage=damage)
    with collect_notes() as notes:
        source = replace(reading, skeleton=skeleton).load(original) if original else None
    found = check(header, sequence, size, source, damage)
    show(found.as_dict(), f"{file}: {found.describe()}", as_json)
    if found.kept is False:
        notes.show(original)
        if damage:
            raise CorruptError(f"{file}: is damaged; get it again, or decode --recover what is whole")
        what = f"not kept: {', '.join(name for name, text in found.parts.items() if text != 'kept')}"
        raise CorruptError(
            f"{file}: {what}; the file is not of {original or 'what was encoded'} as these options read it"
        )


@click.command()
@options.json
def formats(as_json: bool) -> None:
    """List the formats that are read and written."""
    from posecodec.io import FORMATS

    rows: list[dict[str, Any]] = [
        {
            "name": name, "what": known.title, "files": [s or "folder" for s in known.suffixes],
            "read": not known.is_write_only, "write": not known.read_only, "extra": known.extra,
        }
        for name, known in FORMATS.items()
    ]  # fmt: skip
    lines = [
        f"{r['name']:12} {', '.join(way for way in ('read', 'write') if r[way]):12} "
        f"{' '.join(map(str, r['files'])):22} {r['what']}"
        + (f" (pip install 'posecodec[{r['extra']}]')" if r["extra"] else "")
        for r in rows
    ]  # fmt: skip
    show(rows, lines, as_json)


@click.command()
@click.argument("name", required=False)
def skeletons(name: str | None) -> None:
    """List the built-in skeletons, or the keypoints of one (or of a .toml or .json file)."""
    from posecodec.pose.skeletons.builtin import BUILT_IN, TABLES
    from posecodec.pose.skeletons.files import resolve_skeleton

    rows = [
        f"{table.name:12} {len(skeleton):3} keypoints, {len(skeleton.edges):3} edges  {table.title}"
        for table, skeleton in zip(TABLES, BUILT_IN.values(), strict=True)
    ]
    show_lines(rows if name is None else _describe_skeleton(resolve_skeleton(name)))


def _describe_skeleton(skeleton: Skeleton) -> list[str]:
    """A headline, then a line a keypoint: its index and name, its partner on the other side, what it is joined to."""
    from posecodec.pose.skeletons.builtin import TABLES

    title = next((table.title for table in TABLES if table.name == skeleton.name), "of your own")
    width = max(len(name) for name in skeleton.keypoints)
    rows = [f"{skeleton.name}: {len(skeleton)} keypoints, {title}"]
    for k, name in enumerate(skeleton.keypoints):
        partner = skeleton.mirror[k]
        joined = sorted({a + b - k for a, b in skeleton.edges if k in (a, b)})
        facts = (
            "root" if k == skeleton.root else "",
            f"mirrors {partner}" if partner != k else "",
            f"joined to {', '.join(map(str, joined))}" if joined else "",
        )
        rows.append(f"{k:4} {name:{width}}  {'; '.join(filter(None, facts))}".rstrip())
    return rows


@click.command()
@options.json
def models(as_json: bool) -> None:
    """List the weights that come with posecodec."""
    from posecodec import zoo

    cards: list[dict[str, Any]] = []
    for name in zoo.list_weights():
        path = zoo.find_weights(name)
        facts = zoo.read_card(path)
        keys = ("sha256", "skeleton", "licence", "attribution", "steps", "commit")
        cards.append({"name": name, "bytes": path.stat().st_size, **{key: facts.get(key) for key in keys}})
    lines = []
    for c in cards:
        told = f"{c['bytes'] / 1e6:.2f} MB  {c['skeleton']}  {c['licence']}  {c['steps']} steps"
        lines += [f"{c['name']}  {str(c['sha256'])[:8]}  {told}", f"    {c['attribution']}"]
    show(cards, lines or "no weights found", as_json)


def _describe_posec(file: Path | str) -> dict[str, Any]:
    from posecodec.bitstream.container import Loss, PosecFile

    lost = list[Loss]()
    with PosecFile(file) as posec:
        header, chunks = posec.header, [chunk for _, chunk in posec.read_chunks(lost=lost)]
        damage = posec.describe_damage(lost)
    return {
        "format": "posec",
        **({"damage": damage} if damage else {}),
        "source": header.metadata.get("source_format", "npz"),
        "bytes": posec.size,
        "overhead": posec.size - sum(len(c.base) + len(c.refinement) for c in chunks),
        "weights": " ".join(filter(None, (header.weights.hex(), header.transform.hex()))) or "none",
        "coded as": ", ".join(sorted({c.kind.label + " + residual" * bool(c.refinement) for c in chunks})),
        "promise": _describe_guarantee(header),
        **({} if header.origin is None else {"origin": [*header.origin]}),
        **_describe_common(header, "timestamps"),
        "tracks": len(header.tracks),
        "chunks": header.chunk_count,
    }


def _describe_guarantee(header: Header) -> str:
    guarantee = header.guarantee
    if guarantee is None or guarantee.kind == "lossless":
        return "none" if guarantee is None else "lossless"
    unit = "kbit/s" if guarantee.kind == "bitrate" else header.unit
    return f"{guarantee.kind} {guarantee.value:g} {unit}"


def _describe_common(found: Header | PoseSequence, rate: str) -> dict[str, Any]:
    """What a file's header and a recording both tell. rate: what stands for the frame rate where there is none."""
    from posecodec.pose.channels import describe_channels, read_channels

    fps = rate if found.fps is None else found.fps
    facts = {"people": len(found.ids), "ids": list(found.ids), "frames": found.frames, "fps": fps}
    held = read_channels(found.metadata, found.frames)
    said = {"channels": f"{describe_channels(held)} (beside the places)"} if held else {}
    return {**facts, "dims": found.dims, "unit": found.unit, "up": found.up, "skeleton": found.skeleton.name, **said}


def _describe_gaps(sequence: PoseSequence) -> str:
    """How many stretches of how many keypoints are missing between seen ones, and the longest."""
    import numpy as np

    seen = sequence.valid.reshape(sequence.frames, sequence.people * len(sequence.skeleton)).T
    runs = [np.diff(np.flatnonzero(row)) - 1 for row in seen]
    lengths = np.concatenate([run[run > 0] for run in runs]) if runs else np.zeros(0, int)
    return f"{len(lengths)}, the longest {lengths.max()} frames" if len(lengths) else "none"
