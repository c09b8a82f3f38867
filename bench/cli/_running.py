"""What `aebench run` does: one run, or the runs that a preset stands for, one after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from bench.errors import UsageError
from bench.spec.call import format_value
from bench.spec.config import combine, read_config
from bench.spec.networks import short_names, spoken, words_of
from bench.spec.presets import for_member, read_preset
from bench.spec.request import ResolvedRun, resolve
from bench.spec.sweep import split_label
from bench.spec.training import DEFAULT_BATCH, latent_words
from bench.text import printable

#: Exit code of the command when some cells failed, or none has a result.
FAILED = 1
#: Data sets whose winner is named on the terminal, at most; the report has all.
FINDINGS = 5


def carry_out(preset: str | None, config: str | None, given: Mapping[str, Any]) -> int:
    """Carry out what the layers preset, file and command line say together; returns the exit code.

    Args:
        preset: a preset's name, or None.
        config: path of a YAML file, or None.
        given: the command line's own values; None says nothing.
    """
    layer = {} if preset is None else read_preset(preset)
    return _members(layer, config, given) if layer.get("presets") else _one(layer, config, given)[0]


def _one(preset: Mapping[str, Any], config: str | None, given: Mapping[str, Any]) -> tuple[int, Path | None, bool]:
    """One run: its exit code, its directory (None if it was only planned) and whether the user stopped it."""
    run = resolve(given, preset, config)
    if run.on_arrays:
        raise UsageError("this run's data are arrays; call bench.run(data=…) from Python to go on with it")
    if run.options.dry_run:
        from bench.runs.preview import as_it_would_run, duration, look

        trusted = config is None  # a file may name anybody's code, and runs none
        run, values = as_it_would_run(run, trusted)
        click.echo(describe_plan(run, values))
        seen = look(run, trusted)
        for line in (*seen.lines, *duration(run, seen, trusted)):
            click.echo(line)
        return (FAILED if seen.faulty else 0), None, False
    from bench.runs.runner import execute

    outcome = execute(run)
    good = outcome.n_cells - outcome.n_failed - outcome.n_skipped
    counts = {"with results": good, "of which a metric failed": outcome.n_incomplete}
    counts |= {"of which an earlier one stands, as doing it again failed": outcome.n_outdated}
    counts |= {"skipped": outcome.n_skipped, "without results": outcome.n_failed}
    cells = "1 cell" if outcome.n_cells == 1 else f"{outcome.n_cells} cells"
    click.echo(f"{cells}: {', '.join(f'{n} {what}' for what, n in counts.items() if n)}")
    for line in outcome.findings[:FINDINGS]:
        click.echo(line)
    if outcome.n_skipped == outcome.n_cells:
        reasons = dict.fromkeys(printable(record["reason"]) for record in outcome.store.records().values())
        others = f" ({len(reasons) - 1} more in the report)" if len(reasons) > 1 else ""
        click.echo(f"no cell has a result, every one was skipped: {next(iter(reasons))}{others}", err=True)
    more = len(outcome.findings) - FINDINGS
    what = "results and report" if more <= 0 else f"{more} more data sets and everything else"
    click.echo(f"{what}: {outcome.directory}")
    if outcome.interrupted:
        click.echo("stopped early; the same command again goes on from here", err=True)
    failed = outcome.n_failed or outcome.n_incomplete or outcome.n_outdated or not good
    return (FAILED if failed else 0), outcome.directory, outcome.interrupted


def _members(preset: Mapping[str, Any], config: str | None, given: Mapping[str, Any]) -> int:
    """Every preset that `preset` lists, each into a directory of its own; then ours beside the published numbers."""
    from bench.reports.studies.published_numbers import verdict_lines

    code, directories = 0, []
    members = {name: read_preset(name) for name in preset["presets"]}
    for place, (name, member) in enumerate(members.items()):
        click.echo(f"{'' if place == 0 else chr(10)}{name}: {member.get('description', '')}")
        if _lacks_device(member, config, given):
            click.echo("not run: it asks for a GPU and torch sees none; give --device cpu to run it all the same")
            continue
        own = for_member(member, list(members.values()), given)
        own |= {"output": Path(given["output"]) / name} if given.get("output") else {}
        failed, directory, interrupted = _one(member, config, own)
        code = max(code, failed)
        directories += [directory] if directory else []
        if interrupted:
            break
    for line in verdict_lines(directories):
        click.echo(line)
    return code


def _lacks_device(preset: Mapping[str, Any], config: str | None, given: Mapping[str, Any]) -> bool:
    """Whether a preset asks for a GPU, nothing says otherwise, and there is none."""
    device = combine(preset, {} if config is None else read_config(Path(config)), given).get("device")
    if given.get("dry_run") or not str(device).startswith("cuda") or given.get("device"):
        return False
    import torch

    return not torch.cuda.is_available()


def describe_plan(run: ResolvedRun, values: Mapping[str, int] | None = None) -> str:
    """The planned cells of a run in words: counts, rows, data, seeds, length, directory.

    Args:
        values: in a row of each data set, by label, where L follows them.
    """
    spec, cells = run.spec, run.cells
    trained = [cell for cell in cells if not cell.is_control]
    train = spec.train
    unit, each = ("steps", train.steps) if train.steps else ("epochs", train.epochs or 0)
    chosen = run.registry.metrics_for(spec.evaluated, spec.samplers)
    lines = {
        "cells": f"{len(cells)}" + (f", {len(cells) - len(trained)} of them controls" if spec.controls else ""),
        "variants": ", ".join(dict.fromkeys(split_label(cell.variant_label)[0] for cell in cells)),
        **({"settings": _settings(run)} if spec.sweeps else {}),
        "data sets": ", ".join(dict.fromkeys(cell.dataset_label for cell in cells)),
        "seeds": f"{len(spec.seeds)}: {printable(', '.join(map(str, spec.seeds)), 100)}",
        **({"splits": f"{spec.splits} of each data set"} if spec.splits > 1 else {}),
        "training": f"{each} {unit} each, {len(trained) * each:,} {unit} in all; {_how(run, values or {})}",
        "metrics": ", ".join(f"{name} ({len(values)})" for name, values in chosen),
        **({"samplers": ", ".join(map(str, spec.samplers))} if spec.samplers else {}),
        "workers": _workers(run),
        "directory": str(run.directory),
    }
    return "\n".join(f"{name + ':':<11}{text}" for name, text in lines.items())


def _settings(run: ResolvedRun) -> str:
    """How many settings every variant has, and what varies."""
    found = {}
    for data in run.spec.datasets:
        words = [words for _, words in run.spec.settings_on(data)]
        keys = dict.fromkeys(key for one in words for key in one)
        axes = [f"{key} {_or(format_value(one[key]) for one in words if key in one)}" for key in keys]
        found[words_of(data)[0]] = f"{len(words)} of every variant ({'; '.join(axes)})" if keys else "1"
    return f"{spoken(found)}; validation chooses"


def _networks(run: ResolvedRun) -> str:
    datasets = run.spec.datasets
    return spoken({words_of(data)[0]: " or ".join(map(str, run.spec.networks_on(data))) for data in datasets})


def _how(run: ResolvedRun, values: Mapping[str, int]) -> str:
    """Batch, L, networks, cost and optimiser in words."""
    spec, train, axes = run.spec, run.spec.train, dict(run.spec.axes)
    batch = train.batch_size or f"{DEFAULT_BATCH} (at most a quarter of the training rows)"
    latent = latent_words(_short(values)) if spec.follows else f"L = {_or(axes.get('latent_dim', [train.latent_dim]))}"
    optimizer = _or(axes.get("optimizer", [train.optimizer]))
    batches, schedule = _or(axes.get("batch_size", [batch])), f"{train.schedule} schedule"
    return f"batch {batches}, {latent}, {_networks(run)}, {train.recon} cost, {optimizer}, {schedule}"


def _short(values: Mapping[str, int]) -> dict[str, int]:
    names = short_names(values)
    return {names[label]: n for label, n in values.items()}


def _or(values: Iterable[Any]) -> str:
    return " or ".join(map(str, dict.fromkeys(values)))


def _workers(run: ResolvedRun) -> str:
    """Who would do the work if no cell had results yet."""
    if run.options.engine.startswith("dask"):
        return run.options.engine
    from bench.runs.engines.local_device import local_device
    from bench.runs.engines.workers import plan_workers

    asked = run.spec.device.startswith("cuda")  # whether it is there matters when the run is carried out
    device = run.spec.device if asked else local_device(run.spec.device)
    return str(plan_workers(run.options, run.cells, device=device))
