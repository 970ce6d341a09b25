"""The command line. It parses, calls the library, prints, and turns errors into exit codes; torch is loaded when used."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecodec import __version__
from posecodec.bench.command import bench
from posecodec.errors import InputError, PosecodecError, UsageError

if TYPE_CHECKING:
    from posecodec.codec import PoseCodec
    from posecodec.container import Header
    from posecodec.sequence import PoseSequence
    from posecodec.skeleton import Skeleton

EXIT_CODES = """
Exit codes: 0 ok, 1 some files failed, 2 usage, 3 input not understood, 4 corrupt file, 5 weights missing or wrong,
130 interrupted.
"""
inputs_argument = click.argument("inputs", nargs=-1, required=True, metavar="IN...")
model_option = click.option(
    "-m", "--model", help="Weights by name or path.  [default: by dimensions, or as the file says]"
)
device_option = click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ...")
force_option = click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Keypoint sequences to a tiny bitstream and to tokens, and back.

    \b
    posecodec encode walk.bvh                 walk.posec, with bytes and error
    posecodec decode walk.posec -o walk.npz   keypoints again
    posecodec compare walk.bvh walk.posec     what was lost
    posecodec verify walk.posec walk.bvh      whether what was promised holds
    """


@cli.command()
@inputs_argument
@click.option("-o", "--output", help="File, folder (several inputs), or - for stdout.  [default: IN.posec]")
@click.option(
    "--max-error", metavar="E[UNIT]", help="No keypoint farther off than this: 5mm, 0.2in, or in the file's unit."
)
@click.option("--mean-error", metavar="E[UNIT]", help="Mean error of all keypoints at most this.")
@click.option("--bitrate", type=float, metavar="KBPS", help="At most so many kbit/s, all people together.")
@click.option(
    "--levels",
    type=int,
    help="Tokens only, of so many levels, 1 to 12: 8 is off by about 50 mm.",
)
@click.option("--lossless", is_flag=True, help="Every bit of positions and confidences.")
@model_option
@click.option("--from", "format", help="Format of the input: npz, npy, panoptic, pose, bvh.  [default: by suffix]")
@click.option("--fps", type=float, help="Frame rate, where the file has none or a wrong one.")
@click.option("--unit", help="Unit of the positions, where the file has none or a wrong one: mm, cm, m, px, in.")
@click.option(
    "--skeleton", help="Keep only this built-in skeleton's keypoints, such as coco19, or name unnamed ones so."
)
@device_option
@force_option
@json_option
def encode(
    inputs: tuple[str, ...], output: str | None, max_error: str | None, mean_error: str | None,
    bitrate: float | None, levels: int | None, lossless: bool, model: str | None, format: str | None,
    fps: float | None, unit: str | None, skeleton: str | None, device: str, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Encode pose files (or folders of them) to .posec.

    Without --max-error, --mean-error, --bitrate, --levels or --lossless the mean error is about 1 % of a body's height.
    """
    from posecodec import io
    from posecodec.goal import length
    from posecodec.report import report
    from posecodec.skeleton import by_name

    codecs: dict[str | None, PoseCodec] = {}

    def one(source: Path, target: Path | None) -> None:
        sequence = io.load(source, format=format, fps=fps, unit=unit)
        if skeleton:
            sequence = _named_as(sequence, by_name(skeleton))
        codec = _codec(codecs, model or _weights_of(sequence, levels), device)
        encoded = codec.encode(
            sequence, levels, bitrate=bitrate, lossless=lossless,
            max_error=None if max_error is None else length(max_error, sequence.unit),
            mean_error=None if mean_error is None else length(mean_error, sequence.unit),
        )  # fmt: skip
        found = report(sequence, codec.decode(encoded), _size(source), len(encoded.data))
        if target is None:
            sys.stdout.buffer.write(encoded.data)
        else:
            encoded.save(target, force)
        _print(
            {"input": str(source), "output": str(target), **found.as_dict()}, found.line(str(source)), as_json, target
        )

    _each(_expand(inputs, io.FORMATS.values(), format), output, ".posec", one)


@cli.command()
@inputs_argument
@click.option("-o", "--output", help="File, folder (several inputs), or - for stdout.  [default: IN.npz]")
@click.option("--to", "format", help="Format to write: npz, npy, panoptic, pose.  [default: by suffix]")
@model_option
@device_option
@force_option
@json_option
def decode(
    inputs: tuple[str, ...], output: str | None, format: str | None, model: str | None, device: str, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Decode .posec files to pose files."""
    from posecodec import io

    codecs: dict[str | None, PoseCodec] = {}

    def one(source: Path, target: Path | None) -> None:
        sequence = _decoded(codecs, source, model, device)
        if target is None:
            with tempfile.TemporaryDirectory() as folder:
                aside = Path(folder) / f"out.{format or 'npz'}"
                io.save(sequence, aside, format=format or "npz")
                sys.stdout.buffer.write(aside.read_bytes())
        else:
            io.save(sequence, target, format=format, force=force)
        facts = {"input": str(source), "output": str(target), "frames": sequence.frames, "people": sequence.people}
        line = f"{source} -> {target}: {sequence.frames} frames, {sequence.people} people, {sequence.rate:g} fps"
        _print(facts, line, as_json, target)

    found = [
        path
        for name in inputs
        for path in (sorted(Path(name).glob("*.posec")) if Path(name).is_dir() else [Path(name)])
    ]
    _each(
        found,
        output,
        f".{format if format not in (None, 'panoptic') else 'npz'}",
        one,
        len(inputs) > 1 or Path(inputs[0]).is_dir(),
    )


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def info(file: Path, as_json: bool) -> None:
    """Tell what a .posec or pose file holds; reads no weights."""
    if file.suffix == ".posec":
        facts = _posec_facts(file)
    else:
        from posecodec import io

        sequence = io.load(file)
        facts = {"format": io.format_of(file), **_sequence_facts(sequence)}
    _print(facts, "\n".join(f"{name:10} {value}" for name, value in facts.items()), as_json, file)


@cli.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--fps", type=float, help="Frame rate of a file that has none.")
@model_option
@json_option
def compare(a: Path, b: Path, fps: float | None, model: str | None, as_json: bool) -> None:
    """Compare two recordings, A the reference; either may be a .posec file."""
    from posecodec import io
    from posecodec.metrics import compare as measure

    def read(path: Path) -> PoseSequence:
        return _decoded({}, path, model, "cpu") if path.suffix == ".posec" else io.load(path, fps=fps)

    first, second = read(a), read(b)
    found = measure(first, second)
    _print(found.as_dict(), "\n".join(found.lines()), as_json, a)


@cli.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write: .npz or .safetensors."
)
@click.option("--levels", type=int, help="Levels of tokens, 1 to 12.  [default: the file's, or the weights']")
@click.option("--fps", type=float, help="Frame rate of a pose file that has none.")
@model_option
@device_option
@force_option
def tokens(
    source: Path, output: Path, levels: int | None, fps: float | None, model: str | None, device: str, force: bool
) -> None:
    """Write the tokens of a pose file or a .posec file for models that learn from motion.

    Arrays: stream (n,), chunk_0 (t, h, w, Q), lengths_0 (t,) frames of its steps, chunk_1, ..., levels, codes, vocabulary.
    """
    import numpy as np

    from posecodec import io
    from posecodec.io.arrays import write_arrays

    codecs: dict[str | None, PoseCodec] = {}
    if source.suffix == ".posec":
        from posecodec.codec import weights_for
        from posecodec.container import read_header
        from posecodec.io.files import read_file

        data = read_file(source)
        with _about(source):
            codec = _codec(codecs, model or weights_for(read_header(data)), device)
            grids = codec.tokens(data)
    else:
        sequence = io.load(source, fps=fps)
        codec = _codec(codecs, model or f"body{sequence.dims}d", device)
        grids = codec.tokenize(sequence, levels)
    if not grids:
        raise InputError(f"{source}: no chunk of it has tokens; encode the recording with --levels")
    vocabulary = codec.tokenizer.vocabulary(levels or grids[0].levels)
    arrays = {"stream": vocabulary.flatten(grids)}
    for i, grid in enumerate(grids):
        arrays[f"chunk_{i}"] = grid.coarser(vocabulary.levels).indices
        arrays[f"lengths_{i}"] = np.array(grid.lengths, np.int32)
    facts = {"levels": vocabulary.levels, "codes": grids[0].codes, "vocabulary": vocabulary.size}
    write_arrays(output, arrays, facts, force)
    click.echo(f"{output}: {len(arrays['stream'])} tokens of {vocabulary.size}, {len(grids)} chunks")


@cli.command("train-transform")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder of motion, see benchmarks/train.")
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option("--samples", default=1600, show_default=True, help="Stretches of motion to learn from.")
@click.option("--steps", default=4000, show_default=True, help="Steps of the optimizer.")
@click.option("--threads", type=int, help="CPU threads of torch.")
def train_transform(data: Path, target: Path, samples: int, steps: int, threads: int | None) -> None:
    """Fit the transform codec's basis and context model (about ten minutes on one core)."""
    import torch

    from posecodec.train.transform import export

    if threads:
        torch.set_num_threads(threads)
    card = export(data, target, samples, steps, lambda text: click.echo(text, err=True))
    click.echo(f"{target}.safetensors  {card['sha256'][:8]}")


@cli.command("train-tokens")
@click.option("--config", required=True, type=click.Path(path_type=Path), help="JSON, see benchmarks/train.")
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option("--threads", type=int, help="CPU threads of torch.")
def train_tokens(config: Path, target: Path, threads: int | None) -> None:
    """Train token weights: bases, integer prior and network (about twenty minutes on two cores)."""
    import torch

    from posecodec.train.weights import TokenTraining, train

    if threads:
        torch.set_num_threads(threads)
    card = train(TokenTraining.load(config), target, lambda text: click.echo(text, err=True))
    click.echo(f"{target}.safetensors  {card['sha256'][:8]}")


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("original", required=False, type=click.Path(path_type=Path))
@click.option("--fps", type=float, help="Frame rate of an original that has none.")
@click.option("--unit", help="Unit of the original, where the file has none or a wrong one.")
@model_option
@json_option
def verify(
    file: Path, original: Path | None, fps: float | None, unit: str | None, model: str | None, as_json: bool
) -> None:
    """Check that a .posec file is whole and decodes, and that it keeps its promise.

    An error bound needs the ORIGINAL to be checked; a lossless file and a bit rate do not. Exit code 4 if it is broken.
    """
    from posecodec import io
    from posecodec.errors import CorruptError
    from posecodec.verify import verify as check

    sequence, header, size = _decoded_whole({}, file, model, "cpu")
    found = check(header, sequence, size, io.load(original, fps=fps, unit=unit) if original else None)
    _print(found.as_dict(), f"{file}: {found.line()}", as_json, file)
    if found.kept is False:
        raise CorruptError(f"{file}: the promise is broken, or {original or 'the file'} is not what was encoded")


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to write.")
@force_option
def cut(file: Path, output: Path, force: bool) -> None:
    """Cut a file after its tokens: what refines them is dropped, nothing is decoded."""
    from posecodec import container
    from posecodec.io.files import read_file, write_atomic

    data = read_file(file)
    with _about(file):
        coarse = container.without_refinement(data)
    write_atomic(output, coarse, force)
    why = "" if len(coarse) < len(data) else " (nothing refines its tokens)"
    click.echo(f"{output}: {len(data):,} -> {len(coarse):,} bytes{why}")


@cli.command()
@json_option
def models(as_json: bool) -> None:
    """List the weights that come with posecodec."""
    from posecodec.model import weights

    cards: list[dict[str, Any]] = []
    for name in weights.names():
        path = weights.find(name)
        facts = weights.card(path)
        keys = ("sha256", "skeleton", "default_levels", "licence", "attribution", "steps", "commit")
        cards.append({"name": name, "bytes": path.stat().st_size, **{key: facts.get(key) for key in keys}})
    lines = [
        f"{c['name']}  {str(c['sha256'])[:8]}  {c['bytes'] / 1e6:.2f} MB  {c['skeleton']}  {c['licence']}  "
        f"{c['steps']} steps\n    {c['attribution']}"
        for c in cards
    ]
    _print(cards, "\n".join(lines) or "no weights found", as_json, Path())


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--frames", type=click.IntRange(1), default=300, show_default=True)
@click.option("--people", type=click.IntRange(1), default=1, show_default=True)
@force_option
def sample(file: Path, frames: int, people: int, force: bool) -> None:
    """Write a procedurally generated walk, for trying things out."""
    from posecodec import io
    from posecodec.samples import walk

    io.save(walk(frames=frames, people=people), file, force=force)
    click.echo(f"{file}: {frames} frames, {people} people")


@cli.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="JSON, see benchmarks/train.")
@device_option
@click.option("--threads", type=int, help="CPU threads of torch.")
def train(config: Path, device: str, threads: int | None) -> None:
    """Train a VQ-GAN of the paper, for research; goes on from the last checkpoint. torchrun starts several processes.

    The weights that come with posecodec are made by train-tokens and train-transform.
    """
    import torch

    from posecodec.train.config import TrainConfig
    from posecodec.train.loop import Trainer

    if threads:
        torch.set_num_threads(threads)
    trainer = Trainer(TrainConfig.load(config), device)
    steps = trainer.config.steps

    def show(step: int, values: dict[str, float]) -> None:
        losses = " ".join(f"{name} {value:.3f}" for name, value in values.items())
        click.echo(f"\r{step:6}/{steps} {'#' * (20 * step // steps):20} {losses}", nl=False, err=True)

    trainer.run(show if trainer.rank == 0 else lambda step, values: None)


cli.add_command(bench)


def _weights_of(sequence: PoseSequence, levels: int | None) -> str | None:
    """Token weights for a recording: those of its dimensions if they can code its keypoints, or if tokens are asked for."""
    from posecodec.skeleton import COCO19, missing_for

    return f"body{sequence.dims}d" if levels is not None or not missing_for(sequence.skeleton, COCO19) else None


def _each(
    sources: list[Path],
    output: str | None,
    suffix: str,
    one: Callable[[Path, Path | None], None],
    many: bool | None = None,
) -> None:
    """Run `one(source, target)` for all, going on after a failure where there are several."""
    many = len(sources) > 1 if many is None else many
    if many and (output is None or output == "-"):
        raise UsageError("several inputs or a folder need -o DIR")
    if not many:
        target = None if output == "-" else Path(output) if output else sources[0].with_suffix(suffix)
        one(sources[0], target / f"{sources[0].stem}{suffix}" if target and target.is_dir() else target)
        return
    stems = [source.stem for source in sources]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise UsageError(f"inputs share the stems {', '.join(twice)}; encode them to different folders")
    Path(str(output)).mkdir(parents=True, exist_ok=True)
    failed = 0
    for source in sources:
        try:
            one(source, Path(str(output)) / f"{source.stem}{suffix}")
        except PosecodecError as error:
            failed += 1
            click.echo(f"error: {_named(error, source)}", err=True)
    if failed:
        raise PosecodecError(f"{failed} of {len(sources)} files failed")


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """Put the file's name in front of errors that do not have it."""
    try:
        yield
    except PosecodecError as error:
        raise type(error)(_named(error, path)) from error


def _named_as(sequence: PoseSequence, skeleton: Skeleton) -> PoseSequence:
    """The keypoints of a skeleton; where they have no names but are as many, they are taken to be in its order."""
    unnamed = sequence.skeleton.keypoints == tuple(str(k) for k in range(len(skeleton)))
    return replace(sequence, skeleton=skeleton) if unnamed else sequence.mapped_to(skeleton)


def _named(error: PosecodecError, source: Path) -> str:
    return str(error) if str(source) in str(error) else f"{source}: {error}"


def _expand(inputs: Iterable[str], formats: Iterable[Any], format: str | None) -> list[Path]:
    """Files of the inputs; a folder stands for the pose files in it, unless it is itself a recording."""
    from posecodec.io.panoptic import is_scene

    suffixes = {suffix for known in formats for suffix in known.suffixes}
    found: list[Path] = []
    for path in map(Path, inputs):
        if path.is_dir() and not is_scene(path) and format != "panoptic":
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes)
            if not inside:
                raise InputError(f"{path}: no pose files in this folder ({', '.join(sorted(suffixes))})")
            found += inside
        else:
            found.append(path)
    return found


def _size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size


def _codec(codecs: dict[str | None, PoseCodec], name: str | None, device: str) -> PoseCodec:
    if name not in codecs:
        from posecodec.codec import PoseCodec

        codecs[name] = PoseCodec.from_pretrained(name, device)
    return codecs[name]


def _decoded(codecs: dict[str | None, PoseCodec], source: Path, model: str | None, device: str) -> PoseSequence:
    return _decoded_whole(codecs, source, model, device)[0]


def _decoded_whole(
    codecs: dict[str | None, PoseCodec], source: Path, model: str | None, device: str
) -> tuple[PoseSequence, Header, int]:
    """What is in a .posec file, its header, and its size."""
    from posecodec import container
    from posecodec.codec import weights_for
    from posecodec.io.files import read_file

    data = read_file(source)
    with _about(source):
        header, _ = container.read(data)
        return _codec(codecs, model or weights_for(header), device).decode(data), header, len(data)


def _posec_facts(file: Path) -> dict[str, Any]:
    from posecodec import container, payload
    from posecodec.io.files import read_file

    data = read_file(file)
    with _about(file):
        header, chunks = container.read(data)
    return {
        "format": "posec",
        "bytes": len(data),
        "overhead": len(data) - sum(len(c.base) + len(c.refinement) for c in chunks),
        "weights": " ".join(filter(None, (header.weights.hex(), header.transform.hex()))) or "none",
        "coded as": ", ".join(sorted({payload.name_of(c.base) + " + residual" * bool(c.refinement) for c in chunks})),
        "promise": _promise_text(header),
        **_header_facts(header),
        "tracks": len(header.tracks),
        "chunks": header.chunk_count,
    }


def _promise_text(header: Header) -> str:
    promise = header.promise
    if promise is None or promise.kind == "lossless":
        return "none" if promise is None else "lossless"
    unit = "kbit/s" if promise.kind == "bitrate" else header.unit
    return f"{promise.kind} {promise.value:g} {unit}"


def _header_facts(header: Header) -> dict[str, Any]:
    rate = header.fps if header.fps is not None else "timestamps"
    facts = {"people": len(header.ids), "ids": list(header.ids), "frames": header.frames, "fps": rate}
    return {**facts, "dims": header.dims, "unit": header.unit, "up": header.up, "skeleton": header.skeleton.name}


def _sequence_facts(sequence: PoseSequence) -> dict[str, Any]:
    rate = sequence.fps if sequence.fps is not None else "timestamps"
    facts = {"people": sequence.people, "ids": list(sequence.ids), "frames": sequence.frames, "fps": rate}
    facts |= {"dims": sequence.dims, "unit": sequence.unit, "up": sequence.up, "skeleton": sequence.skeleton.name}
    return {**facts, "keypoints": len(sequence.skeleton), "missing": int((~sequence.valid).sum())}


def _print(facts: Any, line: str, as_json: bool, target: Path | None) -> None:
    """To stdout, or to stderr where stdout carries the file itself."""
    click.echo(json.dumps(facts, default=str) if as_json else line, err=target is None)


def main() -> None:
    """Entry point: run, and turn errors into messages and exit codes."""
    try:
        cli.main(standalone_mode=False)
    except PosecodecError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
