"""`aebench show`: the report of a run in a browser, or its path where there is no display."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from bench.cli._once import OnceCommand


@click.command("show", cls=OnceCommand, short_help="Open the report of a run.")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("-p", "--path", "path_only", is_flag=True, help="Print the path of the report and open nothing.")
def command(run: str | None, path_only: bool) -> None:
    """Open the report of RUN (a run's directory; the newest one below results/ if it is left out) and print its path.

    A report that is missing is written first. Without a display the path alone is printed.
    """
    directory = newest() if run is None else Path(run)
    click.echo(report_of(directory).absolute())
    if not path_only and has_display(os.environ, sys.platform):
        import webbrowser

        webbrowser.open(report_of(directory).absolute().as_uri())


def newest(below: Path = Path("results")) -> Path:
    """The run below a folder that was written last; `UsageError` where there is none."""
    from bench.errors import UsageError

    records = [path for path in below.glob("*/cells.jsonl") if path.is_file()]
    if not records:
        raise UsageError(f"there is no run below {below}; give the directory of one")
    return max(records, key=lambda path: path.stat().st_mtime).parent


def report_of(directory: Path) -> Path:
    """The report of the run in `directory`, which is written where there is none."""
    from bench.reports import write_report
    from bench.store.run_store import RunStore

    RunStore.open(directory).close()
    report = directory / "report.html"
    if not report.is_file():
        write_report(directory)
    return report


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a browser with a window can be expected."""
    return platform in ("darwin", "win32") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
