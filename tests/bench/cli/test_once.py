"""Options that stand once are refused when they come twice, on every command."""

import click
import pytest

from bench.cli import group
from bench.cli._once import OnceCommand


def test_every_command_refuses_what_is_given_twice():
    context = click.Context(group)
    commands = [group.get_command(context, name) for name in group.list_commands(context)]
    assert len(commands) > 5 and all(isinstance(command, OnceCommand) for command in commands)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("run", "-n", "--optimizer", "adam", "--optimizer", "sgd"), "--optimizer is given 2 times"),
        (("run", "-n", "-b", "8", "--batch-size=9"), "--batch-size is given 2 times"),
        (("run", "-n", "--seeds", "1", "--seeds", "1", "--seeds", "1"), "--seeds is given 3 times"),
        (("check", "ae", "--latent-dim", "3", "--latent-dim", "4"), "--latent-dim is given 2 times"),
    ],
)
def test_the_second_one_is_named_in_one_line(call, words, name):
    code, out, err = call(*words)
    assert (code, out) == (2, "") and err == f"error: {name}; give it once; see aebench {words[0]} --help\n"


def test_what_may_repeat_repeats(call):
    code, out, _ = call(
        "run", "-n", "-m", "ae", "-m", "vae", "-q", "-q", "--steps", "1", "--seeds", "1", "-d", "digits"
    )
    assert code == 0 and "ae, vae" in out
