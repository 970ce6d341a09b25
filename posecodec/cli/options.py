"""Options that several commands share: `@options.force` above a command gives it that one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from posecodec.cli.common import QUIET, VERBOSE, Reading
from posecodec.errors import UsageError
from posecodec.memory import set_memory_limit

COLUMNS = ("xyc", "xyz")
PATH = click.Path(path_type=Path)


def complete(place: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What shells offer for an option's value: names in a module, such as "io.FORMATS", or what a function there returns."""

    def offer(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
        module, name = place.rsplit(".", 1)
        names = getattr(import_module(f"posecodec.{module}"), name)
        return [each for each in (names() if callable(names) else names) if each.startswith(begun)]

    return offer


def _mark(short: str, long: str, key: str, text: str) -> Callable[[Any], Any]:
    """A flag that no command takes: it stands in the context, under a key."""

    def keep(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        context.meta[key] = value

    return click.option(short, long, is_flag=True, expose_value=False, callback=keep, help=text)


def _check_known(place: str, what: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """A value that has to be one of the names in a module, such as "pose.sequence.UNITS". Raises UsageError."""

    def check(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        module, name = place.rsplit(".", 1)
        known = () if value is None else getattr(import_module(f"posecodec.{module}"), name)
        if value is not None and value not in known:
            raise UsageError(f"{parameter.opts[0]} {value}: no such {what}; there are {', '.join(known)}")
        return value

    return check


def check_skeleton(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Raises UsageError where a skeleton is neither built in nor a file."""
    if value not in (None, "native") and not Path(str(value)).suffix:
        return _check_known("pose.skeletons.builtin.BUILT_IN", "skeleton (or a .toml or .json file of one)")(
            context, parameter, value
        )
    return value


inputs = click.argument("inputs", nargs=-1, required=True, metavar="IN...")
files = click.argument("files", nargs=-1, required=True, metavar="FILE...")
model = click.option(
    "-m",
    "--model",
    shell_complete=complete("zoo.list_weights"),
    help="Weights by name or path.  [default: by dimensions, or as the file says]",
)
device = click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ...")
_fill = click.option("--fill", is_flag=True, help="Put keypoints where the recording has none: what is expected there.")
_fill_with = click.option(
    "--fill-with",
    metavar="WEIGHTS",
    shell_complete=complete("zoo.list_weights"),
    help="The same by weights of motion or tokens, such as body3d, whose network then fills.  [default: motion3d, motion2d]",
)
force = click.option("-f", "--force", is_flag=True, help="Replace files that exist.")
dry_run = click.option("-n", "--dry-run", is_flag=True, help="Only list what would be written, and where.")
quiet = _mark("-q", "--quiet", QUIET, "Show nothing but errors.")
verbose = _mark("-v", "--verbose", VERBOSE, "Also tell how it was coded, by which weights, and how long it took.")
json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
jobs = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Files at once, each in a process; of a single recording its chunks.",
)
summary = click.option("--summary", type=PATH, help="Also write the summary there, as JSON.")
skeleton = click.option(
    "--skeleton",
    callback=check_skeleton,
    shell_complete=complete("pose.skeletons.builtin.BUILT_IN"),
    help="Keep only this skeleton's keypoints (see `skeletons`, or a .toml file), or name unnamed ones so.",
)
max_memory = click.option(
    "--max-memory",
    metavar="SIZE",
    callback=lambda context, option, size: set_memory_limit(size),
    expose_value=False,
    help="Refuse files that would take more: 2GiB, 500MB, ... (with -j all together).  [default: half of the machine's]",
)
_READING = (
    click.option(
        "--from",
        "format",
        shell_complete=complete("io.FORMATS"),
        help="Format of the input, see `formats`.  [default: by what is in it]",
    ),
    click.option(
        "--fps",
        type=click.FloatRange(0, min_open=True),
        help="Frame rate, where the file has none or a wrong one; of several, where none.",
    ),
    click.option(
        "--unit",
        shell_complete=complete("pose.sequence.UNITS"),
        callback=_check_known("pose.sequence.UNITS", "unit"),
        help="Unit of the positions, where the file has none or a wrong one; of several, where none: mm, cm, m, px, in.",
    ),
    click.option(
        "--up",
        callback=_check_known("pose.sequence.AXES", "axis"),
        help="Which axis is up, where the file does not say: y, -y, z, x, ...",
    ),
    click.option("--item", help="Which recording of a file that holds several."),
    click.option(
        "--columns",
        type=click.Choice(COLUMNS),
        help="Whether the third column of plain arrays is a confidence (xyc) or z.",
    ),
    click.option(
        "--track", is_flag=True, help="Follow people by where they are, where the file's order of them is no identity."
    ),
    click.option("--zeros-missing", "zeros", is_flag=True, help="Keypoints at exactly 0,0(,0) are missing."),
    max_memory,
)


def combine(*several: Callable[[Any], Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options as one, listed in this order."""
    return lambda command: functools.reduce(lambda inner, option: option(inner), reversed(several), command)


many_files = combine(jobs, summary, model, device, force, dry_run, quiet, json)


def fill(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say whether gaps are filled; the command gets them as one `fill`: by which weights, or whether."""

    @functools.wraps(command)
    def wrapped(*, fill: bool, fill_with: str | None, **others: Any) -> None:
        command(fill=fill_with or fill, **others)

    command_with_options: Callable[..., None] = combine(_fill, _fill_with)(wrapped)
    return command_with_options


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how a recording is to be read; the command gets them as one `reading`."""

    @functools.wraps(command)
    def wrapped(
        *, format: str | None, fps: float | None, unit: str | None, up: str | None, item: str | None,
        columns: str | None, track: bool, zeros: bool, **others: Any,
    ) -> None:  # fmt: skip
        command(reading=Reading(format, fps, unit, up, item, track, zeros, columns=columns), **others)

    command_with_options: Callable[..., None] = combine(*_READING)(wrapped)
    return command_with_options
