"""`aebench check`: the conformance suite for one's own plugin."""

from __future__ import annotations

import click


@click.command("check", short_help="Check a plugin of your own.")
@click.argument("plugin", metavar="PLUGIN")
@click.option("--plugins", multiple=True, metavar="PATH", help="File or folder that holds the PLUGIN named.")
@click.pass_context
def command(context: click.Context, plugin: str, plugins: tuple[str, ...]) -> None:
    """Check PLUGIN, a .py file, a folder of such files, or NAME[p=v] of a known plugin; exit code 1 if a check fails.

    \b
    aebench check my_variant.py
    aebench check 'my-variant[weight=0.5]' --plugins my_variant.py
    """
    from bench.cli._conformance import check_plugin, find_plugins
    from bench.text import printable

    registry, targets = find_plugins(plugin, plugins)
    failures = 0
    for kind, call in targets:
        click.echo(f"{kind} {call}")
        for check in check_plugin(registry, kind, call):
            mark = {True: "pass", False: "FAIL", None: "n/a "}[check.passed]
            detail = f": {printable(check.detail)}" if check.detail else ""
            click.echo(f"  {mark}  {check.name}{detail}")
            failures += check.passed is False
    click.echo("all checks passed" if not failures else f"{failures} {'check' if failures == 1 else 'checks'} failed")
    context.exit(1 if failures else 0)
