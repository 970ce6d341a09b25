"""`info`, `compare`, `verify`, and the lists: formats, skeletons, models. They write nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecodec.cli import options
from posecodec.cli.common import (
    LONGEST_LIST,
    STREAM,
    Reading,
    collect_notes,
    decode_posec,
    describe_assumed,
    load_any,
    name_in_errors,
    open_input,
    raise_damage,
    refuse_pose_file,
    refuse_reading,
    show,
    show_lines,
)
from posecodec.cli.several import choose_reading, do_each, list_files
from posecodec.errors import CorruptError, UsageError, name_install

if TYPE_CHECKING:
    from posecodec.bitstream.header import Header
    from posecodec.pose.sequence import PoseSequence
    from posecodec.pose.skeleton import Skeleton


INFO_EXAMPLES = """
\b
Examples:
  posecodec info walk.bvh
  posecodec info *.c3d
  posecodec info archive/ --json            a line a file, for machines
"""
COMPARE_EXAMPLES = """
\b
Examples:
  posecodec compare walk.bvh walk.posec
  posecodec compare walk.npz coarse.posec fine.posec
"""
VERIFY_EXAMPLES = """
\b
Examples:
  posecodec verify walk.posec walk.bvh      all that the file holds, against the original
  posecodec verify archive/                 that every file in there is whole
"""


@click.command(epilog=INFO_EXAMPLES)
@options.files
@options.reading_options
@options.json
def info(files: tuple[str, ...], reading: Reading, as_json: bool) -> None:
    """Tell what .posec and pose files hold, what they were taken for and why, and what is wrong with the data.

    Reads no weights. Nothing is changed; findings name the option that helps. Of a folder all recordings in it.
    """
    names = list_files(files, reading.format)
    refuse_reading(names, reading)
    asked = choose_reading(reading, files, names)

    def tell(name: str) -> None:
        if name != names[0] and not as_json:
            click.echo()
        _tell(name, asked, as_json, len(names) > 1)

    do_each(names, tell)


def _tell(file: str, reading: Reading, as_json: bool, is_named: bool) -> None:
    from posecodec.io.filesystem import is_posec

    with open_input(file) as path:
        if isinstance(path, Path) and not is_posec(path):
            _show_recording(path, file, reading, as_json)
            return
        if file == STREAM:
            refuse_reading([path], reading)
        with name_in_errors(file):
            facts = {**({"file": file} if is_named else {}), **_describe_posec(path)}
        told = f"{facts['ratio']} (positions as float32, against the file)"
        show(facts, _format_facts({**facts, "ratio": told}), as_json)
        raise_damage(file, facts.get("damage", []))


def _show_recording(path: Path, name: str, reading: Reading, as_json: bool) -> None:
    from posecodec import io
    from posecodec.analysis.diagnostics import diagnose

    with collect_notes() as notes, name_in_errors(name):
        guess = io.detect(path) if reading.format is None else io.Guess(reading.format, "--from")
        sequence, assumed = load_any(path, reading)
    facts = {
        "file": name, "format": f"{io.FORMATS[guess.format].title}: {guess.format}, by {guess.why}",
        **_describe_common(sequence, assumed), "keypoints": len(sequence.skeleton),
        "missing": int((~sequence.valid).sum()), "gaps": _describe_gaps(sequence),
    }  # fmt: skip
    found = [f.text for f in diagnose(sequence)]
    said = [("note", text) for text in notes.texts] + [("finding", text) for text in found]
    shown = {**facts, "fps": "not in the file; to encode it pass --fps N"} if assumed else facts
    lines = [*_format_facts(shown), *(f"{kind:10} {text}" for kind, text in said)]
    show({**facts, "notes": notes.texts, "findings": found}, lines, as_json)


def _format_facts(facts: dict[str, Any]) -> list[str]:
    return [f"{name:12} {_shorten_list(value)}" for name, value in facts.items() if value is not None]


def _shorten_list(value: Any) -> Any:
    if isinstance(value, list) and len(value) > LONGEST_LIST:
        return f"{', '.join(map(str, value[:LONGEST_LIST]))}, ... ({len(value)})"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


@click.command(epilog=COMPARE_EXAMPLES)
@click.argument("a", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("b", nargs=-1, required=True, metavar="B...")
@options.skeleton
@options.reading_options
@options.model
@options.json
def compare(
    a: Path, b: tuple[str, ...], skeleton: str | None, reading: Reading, model: str | None, as_json: bool
) -> None:  # fmt: skip
    """Compare recordings with A, the reference; any may be a .posec file, or - for standard input.

    What the options say of unit, axis, rate or format is of all that are no .posec files.
    """
    from posecodec.analysis.metrics import compare as measure
    from posecodec.io.filesystem import is_posec

    reading = replace(reading, skeleton=skeleton)
    names = (str(a), *b)
    refuse_reading(names, reading)
    if model is not None and not any(name == STREAM or is_posec(name) for name in names):
        raise UsageError("-m names weights of .posec files, and none of these is one; leave it out")

    def load(name: str) -> PoseSequence:
        with collect_notes() as notes, open_input(name) as path:
            sequence, assumed = load_any(Path(path), reading, model)
        if assumed:
            notes.texts.append(describe_assumed(sequence))
        notes.show(name)
        return sequence

    first = load(str(a))

    def measure_one(name: str) -> None:
        second = load(name)
        with collect_notes() as notes:
            found = measure(first, second)
        notes.show(name)
        show({**({"file": name} if len(b) > 1 else {}), **found.as_dict()}, found.describe(), as_json)

    def tell(name: str) -> None:
        if len(b) > 1 and not as_json:
            show_lines([*([""] if name != b[0] else []), name])
        measure_one(name)

    do_each(b, tell)


@click.command(epilog=VERIFY_EXAMPLES)
@click.argument("files", nargs=-1, required=True, metavar="FILE [ORIGINAL] | FILE...")
@options.skeleton
@options.reading_options
@options.model
@options.json
def verify(
    files: tuple[str, ...], skeleton: str | None, reading: Reading, model: str | None, as_json: bool
) -> None:  # fmt: skip
    """Check that .posec files are whole and decode, and that they keep their promise. Of a damaged one the rest is checked.

    With the ORIGINAL, read with the options that it was encoded with, all that the file holds is compared: positions,
    which keypoints are there, confidences, rate or times, people, skeleton, unit, up axis and metadata. Without it a
    lossless file and a bit rate can be checked, an error bound cannot. Several files, and all in a folder, are checked
    without originals. Exit code 4 if anything is not kept.
    """
    from posecodec.io.filesystem import is_posec

    reading = replace(reading, skeleton=skeleton)
    has_original = len(files) == 2 and not Path(files[0]).is_dir() and not is_posec(files[1])
    if has_original:
        _verify(files[0], files[1], reading, model, as_json, False)
        return
    names = list_files(files, only_posec=True)
    refuse_reading(names, reading)
    do_each(names, lambda name: _verify(name, None, reading, model, as_json, len(names) > 1), tells_corrupt=True)


def _verify(
    file: str, original: str | None, reading: Reading, model: str | None, as_json: bool, is_named: bool
) -> None:  # fmt: skip
    from posecodec.analysis.verification import verify as check

    damage = list[str]()
    refuse_pose_file(file)
    with open_input(file, ".posec") as path:
        sequence, header, size = decode_posec(path, model, "cpu", damage=damage)
    source = None
    with collect_notes() as notes:
        if original is not None:
            with open_input(original) as path:
                source = reading.load(Path(path))
    found = check(header, sequence, size, source, damage)
    facts = {**({"file": file} if is_named else {}), **found.as_dict()}
    show(facts, f"{file}: {found.describe()}", as_json)
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
        + (f" ({name_install(r['extra'])})" if r["extra"] else "")
        for r in rows
    ]  # fmt: skip
    show(rows, lines, as_json)


@click.command()
@click.argument("name", required=False, callback=options.check_skeleton)
@options.json
def skeletons(name: str | None, as_json: bool) -> None:
    """List the built-in skeletons, or the keypoints of one (or of a .toml or .json file)."""
    from posecodec.pose.skeletons.builtin import BUILT_IN, TABLES
    from posecodec.pose.skeletons.files import describe_skeleton, resolve_skeleton

    rows = [
        f"{table.name:12} {len(skeleton):3} keypoints, {len(skeleton.edges):3} edges  {table.title}"
        for table, skeleton in zip(TABLES, BUILT_IN.values(), strict=True)
    ]
    if name is None:
        show([describe_skeleton(skeleton) for skeleton in BUILT_IN.values()], rows, as_json)
    else:
        skeleton = resolve_skeleton(name)
        show(describe_skeleton(skeleton), _describe_skeleton(skeleton), as_json)


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
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
@options.json
def models(names: tuple[str, ...], as_json: bool) -> None:
    """List the weights that come with posecodec and those in the folders of POSECODEC_WEIGHTS, or only some, or files."""
    from posecodec import zoo

    cards: list[dict[str, Any]] = []
    for name in names or zoo.list_weights():
        path = zoo.find_weights(name)
        if names:
            zoo.read_weights(path)  # which says what is wrong with files that are none
        facts = zoo.read_card(path)
        keys = ("sha256", "skeleton", "licence", "attribution", "steps", "commit")
        cards.append({"name": name, "bytes": path.stat().st_size, **{key: facts.get(key) for key in keys}})
    lines = []
    for c in cards:
        written = c["skeleton"]  # a name, or all of one that is not built in
        body = written.get("name") if isinstance(written, dict) else written
        steps = "" if c["steps"] is None else f"  {c['steps']} steps"
        told = f"{c['bytes'] / 1e6:.2f} MB  {body}  {c['licence']}{steps}"
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
        "bits a frame": round(8 * posec.size / max(header.frames * len(header.ids), 1), 3),
        "ratio": round(_measure_raw(header) / max(posec.size, 1), 1),
        "overhead": posec.size - sum(len(c.base) + len(c.refinement) for c in chunks),
        "weights": " ".join(filter(None, (header.weights.hex(), header.transform.hex()))) or "none",
        "coded as": ", ".join(sorted({c.kind.label + " + residual" * bool(c.refinement) for c in chunks})),
        "promise": _describe_guarantee(header),
        **({} if header.origin is None else {"origin": [*header.origin]}),
        **_describe_common(header),
        "tracks": len(header.tracks),
        "chunks": header.chunk_count,
    }


def _describe_guarantee(header: Header) -> str:
    guarantee = header.guarantee
    if guarantee is None or guarantee.kind == "lossless":
        return "none" if guarantee is None else "lossless"
    unit = "kbit/s" if guarantee.kind == "bitrate" else header.unit
    return f"{guarantee.kind} {guarantee.value:g} {unit}"


def _measure_raw(header: Header) -> int:
    """Bytes of positions as float32, without confidences: what a ratio is told against."""
    return 4 * header.frames * len(header.ids) * len(header.skeleton) * header.dims


def _describe_common(found: Header | PoseSequence, assumed: bool = False) -> dict[str, Any]:
    """What a file's header and a recording both tell; fps and duration are None where nothing states a rate."""
    from posecodec.pose.channels import describe_channels, read_channels

    fps, times = None if assumed else found.fps, found.timestamps
    seconds = found.frames / fps if fps else float(times[-1] - times[0]) if times is not None and len(times) else None
    facts: dict[str, Any] = {"people": len(found.ids), "ids": list(found.ids), "frames": found.frames, "fps": fps}
    facts |= {} if times is None else {"timestamps": f"{found.rate:g} frames a second on average"}
    facts["duration"] = None if seconds is None else round(seconds, 3)
    held = read_channels(found.metadata, found.frames)
    said = {"channels": f"{describe_channels(held)} (beside the places)"} if held else {}
    return {**facts, "dims": found.dims, "unit": found.unit, "up": found.up, "skeleton": found.skeleton.name, **said}


def _describe_gaps(sequence: PoseSequence) -> str:
    """How many there are, as the finding counts them, and the longest."""
    from posecodec.analysis.checks.presence import measure_gaps

    gaps = measure_gaps(sequence)
    return f"{gaps.count}, the longest {gaps.longest[1]} frames" if gaps.count else "none"
