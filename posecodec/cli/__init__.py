"""The command line: one file per group of commands; this one gathers them and turns errors into exit codes."""

from __future__ import annotations

import sys
import warnings

import click

from posecodec import __version__
from posecodec.bench.command import bench
from posecodec.cli import convert, decode, encode, inspecting, training, view
from posecodec.cli.completion import completion
from posecodec.errors import DataWarning, PosecodecError

EXIT_CODES = """
Exit codes: 0 ok, 1 some files failed, 2 usage, 3 input not understood, 4 corrupt file, 5 weights missing or wrong,
130 interrupted.
"""


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__)
def cli() -> None:
    """Keypoint sequences to a tiny bitstream and to tokens, and back.

    \b
    posecodec encode walk.bvh                 walk.posec, with bytes and error
    posecodec decode walk.posec -o walk.npz   keypoints again
    posecodec info walk.bvh                   what the file holds, and what is wrong with it
    posecodec view walk.bvh --compare walk.posec -o walk.html
    posecodec verify walk.posec walk.bvh      whether what was promised holds
    """


for _command in (
    encode.encode, decode.decode, convert.convert, inspecting.info, view.view, inspecting.compare, inspecting.verify,
    decode.cut, inspecting.formats, inspecting.skeletons, inspecting.models, convert.sample, encode.tokens,
    training.train_tokens, training.train_transform, training.train, bench, completion,
):  # fmt: skip
    cli.add_command(_command)


def main() -> None:
    """Entry point: run, and turn errors into messages and exit codes."""
    warnings.showwarning = _show
    try:
        cli.main(standalone_mode=False)
    except PosecodecError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        click.echo(f"error: {error.filename or 'output'}: {error.strerror}; check permissions and space", err=True)
        sys.exit(1)


def _show(message: Warning | str, category: type[Warning], *where: object, **more: object) -> None:
    """Warnings as a line: what was changed in somebody's data is a note, everything else a warning."""
    click.echo(f"{'note' if issubclass(category, DataWarning) else 'warning'}: {message}", err=True)
