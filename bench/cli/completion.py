"""`aebench completion`: what a shell needs to complete commands, options and names."""

from __future__ import annotations

import os

import click
from click.shell_completion import get_completion_class, shell_complete

from bench.cli._once import OnceCommand

#: The variable by which a shell asks for completions, as click derives it from the command's name.
VARIABLE = "_AEBENCH_COMPLETE"
#: Where each shell reads a line at its start.
PLACES = {
    "bash": 'eval "$(aebench completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(aebench completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": "aebench completion fish | source   # in ~/.config/fish/config.fish",
}


@click.command("completion", cls=OnceCommand, short_help="Print what makes a shell complete aebench's words.")
@click.argument("shell", type=click.Choice(tuple(PLACES)))
def command(shell: str) -> None:
    """Print the completion script for SHELL; it completes commands, options, and names of plugins and presets.

    \b
    eval "$(aebench completion bash)"         # in ~/.bashrc
    eval "$(aebench completion zsh)"          # in ~/.zshrc, after compinit
    aebench completion fish | source          # in ~/.config/fish/config.fish
    """
    from bench.cli import group

    found = get_completion_class(shell)
    assert found is not None
    completion = found(group, {}, "aebench", VARIABLE)
    click.echo(found.source_template % completion.source_vars())


def answer(command: click.Command) -> int | None:
    """Answer a shell that asks for completions: the exit code, or None where nobody asks."""
    asked = os.environ.get(VARIABLE)
    return None if not asked else shell_complete(command, {}, "aebench", VARIABLE, asked)
