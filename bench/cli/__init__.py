"""The command `aebench`. Each module of this package whose name does not start with `_` is one command.

A command's module imports what is heavy inside its function, so that `--help` and `list` answer at once. A user's
mistake is one line on standard error and exit code 2, never a traceback.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bench.cores import bounded_spin
from bench.errors import BenchError, Terminated, unknown_name
from bench.files import refuse_lost_folder
from bench.streams import Lasting, fill_closed, lasting_streams, quieten_libraries
from bench.text import printable

USAGE_EXIT = 2
INTERRUPTED_EXIT = 130
CLOSED_PIPE_EXIT = 141


class _Commands(click.Group):
    """Commands by module name, imported when they are asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(name for _, name, _ in pkgutil.iter_modules(__path__) if not name.startswith("_"))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(context):
            return None
        module = importlib.import_module(f"{__name__}.{name}")
        found = [value for value in vars(module).values() if isinstance(value, click.Command)]
        return next((command for command in found if command.name == name), found[0] if found else None)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The short help of all commands, from their sources: to import each for a line takes as long as all else."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _short_help(name)) for name in self.list_commands(context)])

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if words and not words[0].startswith("-") and words[0] not in self.list_commands(context):
            raise unknown_name("command", words[0], self.list_commands(context))
        return super().resolve_command(context, words)


def _short_help(name: str) -> str:
    source = Path(__path__[0], f"{name}.py").read_text("utf-8")
    found = re.search(r'short_help="([^"]+)"', source)
    return found[1] if found else ""


def _version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"aebench {version('aebench')}")
        except PackageNotFoundError:
            click.echo("aebench (a source checkout that is not installed)")
        context.exit()


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def group(context: click.Context) -> None:
    """Benchmark autoencoders: train variants on data sets over paired seeds, measure on held-out data, report.

    `aebench run` without arguments compares the plain, the stochastic and the variational autoencoder on digits.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 some cells failed or none has a result, 2 it cannot be carried out.

    130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP. What was to be 0 is 141 where the reader of standard output
    has gone, and 1 where that cannot be written; the work itself is done all the same.

    Args:
        arguments: without the program's name; those of the process if None.
    """
    if arguments is None and (completed := _asked_by_shell()) is not None:
        sys.exit(completed)
    if arguments is None:  # a process of aebench's own: torch is not loaded yet, and nobody else draws
        fill_closed()
        os.environ.update(bounded_spin(os.environ) | {"MPLBACKEND": "agg"})
        if not sys.warnoptions:
            quieten_libraries()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    with lasting_streams() as output:
        with _ended_by_signals():
            answered = _answer(arguments)
        code = _heard(output, answered if isinstance(answered, int) else 0)
    if arguments is None:
        _end_left_behind()
    sys.exit(code)


def _asked_by_shell() -> int | None:
    """The exit code of an answer to a shell that completes words, or None where none asks."""
    return (
        importlib.import_module(f"{__name__}.completion").answer(group) if "_AEBENCH_COMPLETE" in os.environ else None
    )


def _heard(output: Lasting, code: int) -> int:
    """The exit code `code`, unless that is 0 and what was written to standard output was lost."""
    output.flush()
    if output.lost is None:
        return code
    if isinstance(output.lost, BrokenPipeError):  # the reader has gone, e.g. `aebench list | head -1`
        return code or CLOSED_PIPE_EXIT
    why = getattr(output.lost, "strerror", None) or output.lost
    click.echo(f"error: what standard output was to get is lost: {why}", err=True)
    return code or 1


def _answer(arguments: Sequence[str] | None) -> object:
    """Carry out the command line; returns its exit code."""
    try:
        refuse_lost_folder()
        with group.make_context("aebench", [*(sys.argv[1:] if arguments is None else arguments)]) as context:
            code = group.invoke(context)
        return code
    except click.exceptions.Exit as end:
        return end.exit_code
    except BenchError as error:
        return _fail(str(error))
    except click.ClickException as error:
        return _fail(_with_help(error))
    except Terminated as end:
        name = signal.Signals(end.number).name
        click.echo(f"ended by {name}; the same command again goes on where it stopped", err=True)
        return 128 + end.number
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the same command again goes on where it stopped", err=True)
        return INTERRUPTED_EXIT
    except OSError as error:  # of a path that nobody could have looked at before
        if isinstance(error, BrokenPipeError):
            return CLOSED_PIPE_EXIT
        if error.filename is None:
            raise
        return _fail(f"{printable(error.filename, 200)}: {error.strerror or error}; give another path")


def _with_help(error: click.ClickException) -> str:
    """The message, and where the words that a command takes are listed."""
    context, message = getattr(error, "ctx", None), error.format_message().rstrip(".")
    return f"{message}{'' if message.endswith('?') else ';'} see {context.command_path} --help" if context else message


def _end_left_behind() -> None:
    """Kill what plugins started and left: Python would wait for it, and so would the reader of this output."""
    if "bench.runs" in sys.modules:
        import psutil

        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A context in which SIGTERM and SIGHUP raise `Terminated`, where they would end the process without a word."""

    def end(number: int, frame: object) -> None:
        raise Terminated(number)

    before = {}
    for number in (getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)):
        with contextlib.suppress(ValueError):  # not the main thread
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(message: str) -> int:
    click.echo(f"error: {printable(message)}", err=True)
    return USAGE_EXIT
