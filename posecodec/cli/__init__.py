"""The command line: one file per group of commands; this one gathers them and turns errors into exit codes.

A command's file is imported when that command is asked for.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
import warnings
from importlib import import_module
from typing import NoReturn

import click

from posecodec import __version__
from posecodec.cli.common import show_lines, show_warning
from posecodec.errors import PosecodecError, describe_failure

EXIT_CODES = """
Exit codes: 0 ok, 1 some files failed, some of a file is lost, or no memory or space was left, 2 usage,
3 input not understood, 4 corrupt file, 5 weights or torch missing, or wrong weights, 130 interrupted.
"""
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
_FILES = {
    "cli.encode": ("encode", "tokens"),
    "cli.decode": ("decode", "cut"),
    "cli.convert": ("convert", "sample"),
    "cli.inspecting": ("info", "compare", "verify", "formats", "skeletons", "models"),
    "cli.view": ("view",),
    "cli.corpus": ("corpus",),
    "cli.training": ("train", "train-config", "train-motion", "train-windows", "train-transform"),
    "cli.completion": ("completion",),
    "bench.command": ("bench",),
}
"""The commands of each file."""


class _LazyGroup(click.Group):
    """Imports the file of the command that is named; all of them where a list is shown or the name is unknown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        for file in _FILES:
            self._import_commands(file)
        return super().list_commands(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Everyday commands first, with their whole first sentence; training and measuring apart."""
        self.list_commands(ctx)
        for title, names in _GROUPS.items():
            rows = [(name, _summarize(self.commands[name])) for name in names]
            with formatter.section(title):
                formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for file in [file for file, names in _FILES.items() if cmd_name in names] or _FILES:
            self._import_commands(file)
        return super().get_command(ctx, cmd_name)

    def _import_commands(self, file: str) -> None:
        module = import_module(f"posecodec.{file}")
        for name in _FILES[file]:
            self.add_command(getattr(module, name.replace("-", "_")))


_GROUPS = {
    "Commands": (
        "encode",
        "decode",
        "info",
        "view",
        "verify",
        "compare",
        "convert",
        "cut",
        "tokens",
        "sample",
        "corpus",
    ),
    "What there is": ("formats", "skeletons", "models", "completion"),
    "Training and measuring": ("train", "train-config", "train-motion", "train-windows", "train-transform", "bench"),
}
"""The commands as the help lists them."""


def _summarize(command: click.Command) -> str:
    """The first sentence of a command's help."""
    paragraph = " ".join((command.help or "").split("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".")


@click.group(cls=_LazyGroup, epilog=EXIT_CODES, context_settings=_SETTINGS)
@click.version_option(__version__, "-V", "--version")
def cli() -> None:
    """Keypoint sequences to a tiny bitstream and to tokens, and back.

    \b
    posecodec encode walk.bvh                 walk.posec, with bytes and error
    posecodec decode walk.posec -o walk.npz   keypoints again
    posecodec info walk.bvh                   what the file holds, and what is wrong with it
    posecodec view walk.bvh --compare walk.posec -o walk.html
    posecodec verify walk.posec walk.bvh      whether what was promised holds
    """


def main() -> None:
    """Entry point: run, and turn errors into messages and exit codes."""
    warnings.showwarning = show_warning
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy is not loaded yet; -j says how many cores are used
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever a terminal cannot show
    try:
        cli.main(standalone_mode=False)
    except PosecodecError as error:
        show_lines(f"error: {error}", True)
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # which click takes for a question that nobody answered
            _show_fault(error.__cause__)
        sys.unraisablehook = lambda _: None  # of objects that were being made, such as half a ZipFile
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2 on; before, it shows the help itself
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        context = error.ctx if isinstance(error, click.UsageError) else None
        usage = context.get_usage().split("\n") if context else []
        message = error.format_message().replace("\n\t", " ")  # a list of choices
        show_lines([*usage, f"error: {message}"], True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except (MemoryError, OSError) as error:
        show_lines(f"error: {describe_failure(error)}", True)
        sys.exit(1)
    except Exception as error:
        _show_fault(error)


def _show_fault(error: Exception) -> NoReturn:
    """A mistake of ours, with where it was made: its text may be a file's."""
    lines = [line for part in traceback.format_exception(error) for line in part.rstrip().split("\n")]
    show_lines([*lines, f"error: {describe_failure(error)}"], True)
    sys.exit(1)
