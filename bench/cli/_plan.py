"""What `aebench run --dry-run` says: the planned cells, without loading data or torch."""

from __future__ import annotations

from bench.registry import Registry
from bench.spec import RunOptions, RunSpec
from bench.text import printable


def describe_plan(spec: RunSpec, options: RunOptions, registry: Registry) -> str:
    """The planned cells of a validated spec in words: counts, rows, data, seeds, length, directory."""
    cells = spec.cells(registry)
    trained = [cell for cell in cells if not cell.is_control]
    train = spec.train
    unit, each = ("steps", train.steps) if train.steps else ("epochs", train.epochs)
    how = f"batch {train.batch_size}, L = {train.latent_dim}, {train.network}, {train.recon} cost, {train.optimizer}"
    lines = {
        "cells": f"{len(cells)}" + (f", {len(cells) - len(trained)} of them controls" if spec.controls else ""),
        "variants": ", ".join(dict.fromkeys(cell.variant_label for cell in cells)),
        "data sets": ", ".join(dict.fromkeys(cell.dataset_label for cell in cells)),
        "seeds": f"{len(spec.seeds)}: {printable(', '.join(map(str, spec.seeds)), 100)}",
        "training": f"{each} {unit} each, {len(trained) * each:,} {unit} in all; {how}, {train.schedule} schedule",
        "metrics": ", ".join(f"{name} ({len(values)})" for name, values in registry.metrics_for(spec.metrics)),
        "directory": str(options.directory(spec)),
    }
    return "\n".join(f"{name + ':':<11}{text}" for name, text in lines.items())
