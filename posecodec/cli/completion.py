"""`completion`: a script for the shell that completes commands, options and files."""

from __future__ import annotations

import click

EXAMPLES = """
\b
Examples:
  eval "$(posecodec completion bash)"                                        in ~/.bashrc
  posecodec completion fish > ~/.config/fish/completions/posecodec.fish
"""


@click.command(epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes commands and options in a shell."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(context.find_root().command, {}, "posecodec", "_POSECODEC_COMPLETE").source())
