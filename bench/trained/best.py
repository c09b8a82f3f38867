"""The model that a run's report recommends for a purpose: the report's own answer, loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.analysis.purposes import PURPOSES, Answer, Purpose, answers
from bench.analysis.sections import Section
from bench.errors import UsageError, unknown_name
from bench.model_loading import load_model
from bench.reports.model import sections_of
from bench.spec.registry import CONTROL
from bench.store.run_store import RunStore
from bench.text import printable
from bench.trained_model import TrainedModel


def best_model(
    run: str | Path,
    purpose: str = "reconstruction",
    dataset: str | None = None,
    *,
    seed: int | None = None,
    split: int = 0,
    plugins: str | Path | Sequence[str | Path] = (),
    trust: bool | str = False,
    changed: str = "refuse",
) -> TrainedModel:
    """The trained model of the variant that the report of a run recommends for a purpose.

    Of those that share a lead it is the first that the report names, which has the best mean. Nothing is measured here:
    the answer is that of the report's first table, from the same tests.

    Args:
        run: the run's directory.
        purpose: "reconstruction", "sampling", "interpolation" or "finding anomalies".
        dataset: the data set's label, needed only when the run has several: a model belongs to one.
        seed: which of the variant's models; the first that has one if None, whose test error is not looked at.
        split, plugins, trust, changed: as `bench.load_model`.

    Raises:
        UsageError: an unknown purpose or data set; the report has no answer, or nothing is decided, with its reason;
            the variant stands among reference results and was not run here; what `bench.load_model` refuses.
    """
    wanted = _purpose(purpose)
    with RunStore.open(run) as store:
        given = [plugins] if isinstance(plugins, (str, Path)) else list(plugins)
        section = _section(sections_of(store, given), dataset, store.directory)
        answer = recommended(section, wanted)
        seeds = _seeds(store, answer.best, section.name, split)
    if not seeds:
        raise UsageError(
            f"for {wanted.name} the report recommends {answer.best}, which has no model here for split {split}: it was "
            f"not run in {printable(store.directory)}, or no seed of it has a result; run it with aebench run"
        )
    first = min(seeds) if seed is None else seed
    return load_model(run, answer.best, first, section.name, split=split, plugins=plugins, trust=trust, changed=changed)


def recommended(section: Section, purpose: Purpose) -> Answer:
    """The report's answer for a purpose on a data set, where it is decided.

    Raises:
        UsageError: there is no number for the purpose, or nothing is decided.
    """
    found = answers(section, [purpose])
    if not found:
        raise UsageError(
            f"there is no answer for {purpose.name} on {section.label}: it rests on {' or '.join(purpose.metrics)}, "
            "and no variant has a number of these; run it again with such a metric"
        )
    if not found[0].best:
        raise UsageError(
            f"{section.label}: {found[0].sentence} To take a model all the same, name its variant: "
            "bench.load_model(RUN, VARIANT), or -m VARIANT on the command line"
        )
    return found[0]


def model_of(
    run: str | Path,
    variant: str | None,
    dataset: str | None = None,
    seed: int | None = None,
    plugins: str | Path | Sequence[str | Path] = (),
) -> TrainedModel:
    """The model that a command line means: the named variant's, the only one's, or the recommended one's.

    Args:
        run, variant, dataset, plugins: as `bench.load_model`; a variant that is None is the run's only one, or else
            what `best_model` recommends for reconstruction.
        seed: as `best_model`.

    Raises:
        UsageError: as `bench.load_model` and `best_model`.
    """
    with RunStore.open(run) as store:
        section = _section(sections_of(store), dataset, store.directory)
        cells: Any = store.data().cells
        own = cells[(cells["dataset_label"] == section.name) & ~cells["variant_label"].str.startswith(CONTROL)]
        labels = list(own["variant_label"].unique())
        name = labels[0] if variant is None and len(labels) == 1 else variant
        seeds = [] if name is None else _seeds(store, name, section.name, 0)
    if name is None:
        return best_model(run, dataset=section.name, seed=seed, plugins=plugins)
    if name.startswith(CONTROL):
        raise UsageError(f"{printable(name)} is no autoencoder and keeps no model; models here: {', '.join(labels)}")
    first = min(seeds, default=0) if seed is None else seed
    return load_model(run, name, first, section.name, plugins=plugins)


def _purpose(name: str) -> Purpose:
    known = {purpose.name: purpose for purpose in PURPOSES}
    if not isinstance(name, str) or name not in known:
        raise unknown_name("purpose", str(name), known)
    return known[name]


def _section(sections: Sequence[Section], dataset: str | None, directory: Path) -> Section:
    """The data set that is meant; `UsageError` where it is unknown, or left out and there are several."""
    if not sections:
        raise UsageError(f"{printable(directory)} holds no finished cell yet; run aebench run first")
    found = [s for s in sections if dataset is None or dataset in (s.name, s.label, s.name.partition("[")[0])]
    found = [s for s in found if dataset in (s.name, s.label)] or found
    if not found:
        raise unknown_name("data set of this run", str(dataset), [section.label for section in sections])
    if len(found) > 1:
        names = ", ".join(repr(section.label) for section in found[:4]) + ", …" * (len(found) > 4)
        raise UsageError(f"the run has several data sets, and a model belongs to one; give dataset=, one of {names}")
    return found[0]


def _seeds(store: RunStore, label: str, dataset: str, split: int) -> list[int]:
    """The seeds that have a model of a variant on a split of a data set."""
    cells: Any = store.data().cells
    own = (cells["variant_label"] == label) & (cells["dataset_label"] == dataset) & (cells["status"] == "ok")
    return [int(seed) for seed in cells["seed"][own & (cells["split_number"] == split)]]
