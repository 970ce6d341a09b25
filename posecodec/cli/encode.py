"""`encode` and `tokens`: recordings to files and to tokens."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecodec.cli import batch, options
from posecodec.cli.common import (
    Reading,
    collect_notes,
    get_codec,
    make_folder,
    measure_size,
    name_in_errors,
    open_input,
    refuse_reading,
    refuse_terminal,
    show,
    show_more,
    show_note,
)
from posecodec.errors import InputError, UsageError, WeightsError, report_change

if TYPE_CHECKING:
    from posecodec.codec import Encoded, PoseCodec
    from posecodec.coders.tokens.grid import TokenGrid
    from posecodec.ratecontrol.target import Target

EXAMPLES = """
\b
Examples:
  posecodec encode walk.bvh
  posecodec encode clip_json/ --fps 29.97 --track    an OpenPose folder
  posecodec encode walk.trc --max-error 1mm          no keypoint farther off
  posecodec encode data/ -o small/ -j 4              a tree of files; again: goes on
  cat walk.npz | posecodec encode - -o - > walk.posec
"""

TOKEN_FILES = (".npz", ".safetensors")
_NO_TOKENS = (
    "nobody is ever there; check it with info",
    "encode the recording with --levels",
)  # of recordings, .posec files


@dataclass(frozen=True)
class Settings:
    """What an encode is asked for, as the options say it: everything a process needs to do a file.
    ours: the output of the last run, which may be replaced."""

    reading: Reading
    target: Target
    denoise: str | None
    channel_error: str | None
    model: str | None
    device: str
    force: bool
    ours: Path | None = None


_GOALS = options.combine(
    click.option(
        "--max-error", metavar="E[UNIT]", help="No keypoint farther off than this: 5mm, 0.2in, or in the file's unit."
    ),
    click.option("--mean-error", metavar="E[UNIT]", help="Mean error of all keypoints at most this."),
    click.option("--bitrate", type=float, metavar="KBPS", help="At most so many kbit/s, all people together."),
    click.option(
        "--levels", type=click.IntRange(1, 8), help="Tokens only, of so many levels, 1 to 8: see docs/motion_tokens.md."
    ),
    click.option("--lossless", is_flag=True, help="Every bit of positions and confidences."),
)


@click.command(epilog=EXAMPLES)
@options.inputs
@click.option("-o", "--output", help="File, folder (several inputs), or - for stdout.  [default: IN.posec]")
@_GOALS
@click.option(
    "--denoise",
    metavar="auto|SIGMA",
    help="Take jitter off first, of this standard deviation (2px, 5mm), or as much as there seems to be. The size "
    "follows from it, unless --bitrate is given.",
)
@click.option(
    "--channel-error",
    metavar="E",
    help="How far angles, forces, powers and such may be off: 1% of each one's range, 0.1deg,5N, or 0.  [default: 0.2%]",
)
@options.skeleton
@options.reading_options
@options.verbose
@options.many_files
def encode(
    inputs: tuple[str, ...], output: str | None, max_error: str | None, mean_error: str | None,
    bitrate: float | None, levels: int | None, lossless: bool, denoise: str | None, channel_error: str | None,
    skeleton: str | None, reading: Reading, jobs: int, summary: Path | None, model: str | None, device: str, force: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Encode pose files, or folders of them, to .posec.

    Without --max-error, --mean-error, --bitrate, --levels or --lossless the mean error is about 1 % of a body's height.
    A folder's tree is mirrored; bad files are listed at the end, and files that are there already, whole, of the same
    source and made with the same options, are skipped. What an earlier run made otherwise is made again, nothing else.
    """
    from posecodec.pose.channels import DEFAULT_BOUND, ChannelBound
    from posecodec.ratecontrol.target import Target

    reading = replace(reading, skeleton=skeleton)
    ChannelBound.parse(channel_error or DEFAULT_BOUND)
    asked = Target.from_options(levels, max_error, mean_error, bitrate, lossless)
    settings = Settings(reading, asked, denoise, channel_error, model, device, force)
    is_single = batch.is_single(inputs, reading.format)
    if dry_run:
        single = [(inputs[0], batch.choose_target(inputs[0], output, ".posec"))] if is_single else None
        batch.list_plan(single or batch.plan(inputs, output, reading.format, ".posec"), as_json)
        return
    if is_single:
        with open_input(inputs[0]) as source:
            _encode_single(Path(source), inputs[0], output, settings, as_json, jobs, summary)
        return
    plan = batch.plan(inputs, output, reading.format, ".posec")
    settings = replace(settings, reading=reading.for_many())
    batch.run(plan, encode_file, settings, jobs, as_json, summary)


def _encode_single(
    source: Path, name: str, output: str | None, settings: Settings, as_json: bool, jobs: int, summary: Path | None
) -> None:  # fmt: skip
    from posecodec.io.filesystem import refuse_existing

    target = batch.choose_target(name, output, ".posec")
    if target is None:
        refuse_terminal()
    else:
        batch.check_target(source, target)
        make_folder(output)
    with batch.summarize(summary, name) as outcome:
        if target is not None:
            refuse_existing(target, settings.force)
        outcome.done.append(_encode_to(target, source, name, settings, as_json, jobs))


def _encode_to(
    target: Path | None, source: Path, name: str, settings: Settings, as_json: bool, jobs: int
) -> dict[str, Any]:  # fmt: skip
    """Encode a single recording to a file, or to standard output, and show what it cost: returned too."""
    began = time.perf_counter()
    facts, line, encoded = _encoded(source, name, settings, jobs)
    show_more(
        lambda: f"{name}: {_describe_chunks(encoded)}; {time.perf_counter() - began:.2f} s with reading and measuring"
    )
    facts["output"] = "-" if target is None else str(target)
    if target is None:
        sys.stdout.buffer.write(encoded.data)
    else:
        encoded.save(target, settings.force)
    for text in facts["notes"]:
        show_note(f"{name}: {text}")
    show(facts, line, as_json, target is None)
    return facts


def _describe_chunks(encoded: Encoded) -> str:
    """What chunks were coded as, and by which weights."""
    from posecodec.bitstream import container

    header, chunks = container.read(encoded.data)
    kinds = Counter(chunk.kind.label + " with a residual" * bool(chunk.refinement) for chunk in chunks)
    weights = ", ".join(each.hex() for each in (header.weights, header.transform) if each) or "none"
    coded = ", ".join(f"{count} x {kind}" for kind, count in kinds.items()) or "nothing"
    inside = sum(len(chunk.base) + len(chunk.refinement) for chunk in chunks)
    return f"{len(encoded.data):,} bytes, {inside:,} of them in chunks: {coded}; weights {weights}"


def encode_file(source: Path, target: Path, settings: Settings) -> dict[str, Any]:
    """Encode one file of many: what it cost and lost. Raises PosecodecError.

    Replaced is only what the last run wrote, or what is the same anyway. Raises UsageError where something else is there.
    """
    began, may_replace = time.perf_counter(), settings.force or target == settings.ours
    facts, line, encoded = _encoded(source, str(source), settings)
    is_same = not may_replace and target.is_file() and target.read_bytes() == encoded.data
    encoded.save(target, may_replace or is_same)
    return {**facts, "output": str(target), "line": line, "seconds": time.perf_counter() - began}


def _encoded(
    source: Path, name: str, settings: Settings, jobs: int = 1
) -> tuple[dict[str, Any], str, Encoded]:  # fmt: skip
    from posecodec.analysis.report import report
    from posecodec.files import choose_weights

    with collect_notes() as notes, name_in_errors(name):
        if source.suffix == ".posec":
            raise UsageError("is a .posec file already; `posecodec decode` gives the recording back")
        sequence = settings.reading.load(source)
        codec = get_codec(settings.model or choose_weights(sequence, settings.target.kind), settings.device, jobs)
        asked = settings.model and (settings.target.kind != "levels" or _has_other_dims(codec, sequence.dims))
        if asked and not codec.coders.can_use_weights(sequence.skeleton, sequence.dims):
            what = f"{sequence.dims}D and {sequence.skeleton.name!r}"
            raise WeightsError(f"-m {settings.model}: cannot code this recording, which is {what}; leave -m out")
        encoded = codec.encode(
            sequence, settings.target, channel_error=settings.channel_error, denoise=settings.denoise
        )
        if (
            settings.model
            and codec.weights
            and codec.weights.id not in (encoded.header.weights, encoded.header.transform)
        ):
            report_change(f"-m {settings.model} is not used: what comes without it is smaller (tokens: --levels)")
        found = report(sequence, codec.decode(encoded), measure_size(source), len(encoded.data), jobs)
    facts, line = {"input": name, "output": "", **found.as_dict(), "notes": notes.texts}, found.describe(name)
    if settings.denoise is not None:
        facts["noise_removed"] = encoded.noise
        line += f", noise removed: {encoded.noise:.2g} {sequence.unit} a coordinate"
    return facts, line, encoded


def _has_other_dims(codec: PoseCodec, dims: int) -> bool:
    """Whether weights are of other dimensions; of what else does not fit tokens the codec itself names the remedy."""
    return codec.weights is not None and codec.weights.settings.get("dims", dims) != dims


def _check_token_file(output: Path, force: bool) -> None:
    """Raises UsageError where tokens cannot be written to a file, before anything is coded."""
    from posecodec.io.filesystem import refuse_existing

    if output.suffix.lower() not in TOKEN_FILES:
        raise UsageError(f"{output}: tokens are written as {' or '.join(TOKEN_FILES)}; call the output so")
    refuse_existing(output, force)


@click.command()
@click.argument("source", type=options.PATH)
@click.option("-o", "--output", required=True, type=options.PATH, help="File to write: .npz or .safetensors.")
@click.option(
    "--levels", type=click.IntRange(1, 8), help="Levels of tokens, 1 to 8.  [default: the file's, or the weights']"
)
@options.skeleton
@options.reading_options
@options.model
@options.device
@options.force
@options.json
def tokens(
    source: Path, output: Path, levels: int | None, skeleton: str | None, reading: Reading, model: str | None,
    device: str, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write the tokens of a pose file or a .posec file for models that learn from motion.

    Arrays: stream (n,), chunk_0 (t, h, w, Q), chunk_1, ..., levels, codes, vocabulary.
    """
    from posecodec.io.filesystem import is_posec
    from posecodec.io.parsing.numpy_arrays import write_arrays

    _check_token_file(output, force)
    reading = replace(reading, skeleton=skeleton)
    refuse_reading([source], reading)
    codec, grids = _take_tokens(source, levels, reading, model, device)
    if not grids:
        raise InputError(f"{source}: no chunk of it has tokens; {_NO_TOKENS[is_posec(source)]}")
    vocabulary = codec.tokenizer.vocabulary(levels or grids[0].levels)
    arrays = {"stream": vocabulary.flatten(grids)}
    for i, grid in enumerate(grids):
        arrays[f"chunk_{i}"] = grid.truncate(vocabulary.levels).indices
    facts = {"levels": vocabulary.levels, "codes": grids[0].codes, "vocabulary": vocabulary.size}
    write_arrays(output, arrays, facts, force)
    told = {"input": str(source), "output": str(output), "tokens": len(arrays["stream"]), "chunks": len(grids), **facts}
    show(
        told,
        f"{output}: {len(arrays['stream'])} tokens of {vocabulary.size}, {len(grids)} chunk{'s' * (len(grids) != 1)}",
        as_json,
    )


def _take_tokens(
    source: Path, levels: int | None, reading: Reading, model: str | None, device: str
) -> tuple[PoseCodec, Sequence[TokenGrid]]:
    """The tokens of a recording or a .posec file, and the codec that has their weights."""
    from posecodec.io.filesystem import is_posec, read_file

    if is_posec(source):
        from posecodec.bitstream.container import read_header
        from posecodec.zoo import find_named

        data = read_file(source)
        with name_in_errors(source):
            codec = get_codec(model or find_named(read_header(data).weights), device)
            return codec, codec.tokens(data)
    with collect_notes() as notes, name_in_errors(source):
        sequence = reading.load(source)
        codec = get_codec(model or f"body{sequence.dims}d", device)
        grids = codec.tokenize(sequence, levels)
    notes.show(source)
    return codec, grids
