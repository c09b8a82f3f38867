"""A trained model of a run, from its files: which cell is meant, whose code may run, whether it is still the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.contracts.checks import one_of
from bench.contracts.variant import Variant
from bench.data.counts import LOG1P
from bench.errors import BenchError, UsageError, unknown_name
from bench.evaluate.code_density import density_of
from bench.evaluate.samplers import TRAINING_CODES, codes_kept
from bench.networks.build import build_model
from bench.networks.factories import networks_named
from bench.networks.weights import SCALING, give_weights
from bench.provenance.code import Part, differences, model_code
from bench.provenance.unpacked import unpacked
from bench.spec.call import Call, format_call, parse_call
from bench.spec.plugin_file import kebab
from bench.spec.plugin_path import open_folders
from bench.spec.registry import Registry
from bench.spec.sweep import labelled, split_label
from bench.spec.training import TrainSettings
from bench.store import versions
from bench.store.documents import is_count, is_seed
from bench.store.identity import refuse_foreign
from bench.store.run_store import RunStore
from bench.text import printable
from bench.trained_model import TrainedModel


def load_model(
    run: str | Path,
    variant: str,
    seed: int = 0,
    dataset: str | None = None,
    *,
    split: int = 0,
    plugins: str | Path | Sequence[str | Path] = (),
    trust: bool | str = False,
    changed: str = "refuse",
) -> TrainedModel:
    """The trained model of one cell of a run.

    A run may come from somebody else, so no code that it names is run unless you say so.

    Args:
        run: the run's directory.
        variant: its label in the report, e.g. "vae", "vae[beta=5]" or, of a sweep, "vae{L=4}".
        seed: which seed.
        dataset: the data set's label, needed only when the run has several.
        split: which split of the data, where the run has several.
        plugins: files or folders of your own that hold the variant, where it is a plugin.
        trust: whether the plugins and the `module:factory` network that the run itself names may be imported: False;
            True, from where the run says that they lie; "stored", from the text that the run keeps of them.
        changed: "refuse" or "allow" that the code of the variant or of its network is not what it was in training.

    Raises:
        UsageError: no such cell, no checkpoint, code that changed since, or code from outside the package without your
            word.
    """
    one_of("changed", changed, ("refuse", "allow"))
    if not isinstance(trust, bool):
        one_of("trust", trust, ("stored",))
    store = RunStore.open(run)
    record = _find(_planned(store), _as_labelled(variant), seed, dataset, split)
    place = versions.folders(store.directory, {record["cell_id"]: versions.version_of(record)})
    tensors, meta = store.load_checkpoint(record["cell_id"], place.get(record["cell_id"]))
    what = f"the checkpoint of {variant} with seed {seed}"
    check_meta(tensors, meta, what)
    refuse_foreign(meta, _named(record), store.checkpoint_path(record["cell_id"]))
    if trust == "stored":
        given = [plugins] if isinstance(plugins, (str, Path)) else plugins
        plugins = [*given, *unpacked(store, record, meta["variant"])]
    registry = _trusted_registry(store.spec, meta, plugins, bool(trust))
    settings = TrainSettings(**{key.replace("-", "_"): value for key, value in meta["train"].items()})
    check_size(tensors, meta, settings, what)
    call = registry.resolve("variant", parse_call(meta["variant"]))
    code = model_code(registry, call.name, settings.network)
    if changed == "refuse":
        _refuse_changed_code(store, record, code)
    model = built_model(registry, call, settings, meta)
    give_weights(model, tensors, what)
    codes = density_of(tensors, model.latent_dim, what)
    arrays = store.load_arrays(record["cell_id"], TRAINING_CODES, place.get(record["cell_id"]))
    training_codes = codes_kept(arrays, model.latent_dim, what)
    shift, scale = (tensors[name] for name in SCALING)
    counts = record["dataset_params"].get("scale") == LOG1P
    return TrainedModel(model, shift, scale, record, codes, training_codes, registry.plugins, counts)


def built_model(registry: Registry, call: Call, settings: TrainSettings, meta: dict[str, Any]) -> Variant:
    """The model of a checkpoint with its initial weights. Here, and only here, code that a run names is run."""
    model = build_model(
        lambda: registry.load("variant", call.name)(**call.params),
        settings,
        data_shape=tuple(meta["data_shape"]),
        n_train=int(meta["n_train"]),
        n_classes=meta["n_classes"],
        seed=int(meta["seed"]),
        auto_kl_weight=lambda: float("nan"),
    )
    model.kl_weight_value = meta["kl_weight"]
    return model


def _named(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the checkpoint of a record's cell says of itself."""
    calls = {kind: format_call(Call(record[kind], record[f"{kind}_params"])) for kind in ("variant", "dataset")}
    return {"cell_id": record["cell_id"], "seed": record["seed"], **calls}


def _planned(store: RunStore) -> list[dict[str, Any]]:
    """The latest records of the cells that the run asks for today."""
    plan, records = store.load_plan(), store.records()
    wanted = records if plan is None else [cell["cell_id"] for cell in plan]
    found = [records[cell_id] for cell_id in wanted if cell_id in records]
    named = {} if plan is None else {cell["cell_id"]: cell for cell in plan}
    keys = ("variant_label", "dataset_label", "split_number")
    return [record | {key: named[record["cell_id"]][key] for key in keys if named} for record in found]


def _trusted_registry(
    spec: Mapping[str, Any], meta: Mapping[str, Any], plugins: str | Path | Sequence[str | Path], trust: bool
) -> Registry:
    """The plugins that a checkpoint needs, where the user gave or trusts them; of those named, what is still there.

    Raises:
        UsageError: a network of `module:factory` without `trust`, a variant that is neither built in nor installed nor
            in `plugins`.
    """
    network = parse_call(meta["train"].get("network", "mlp")).name
    if ":" in network and not trust:
        raise UsageError(
            f"the network {printable(network, 100)!r} is code that this run names and the package does not hold; "
            "give trust=True to import it, if you know where the run comes from, or trust='stored' to run the text "
            "that it keeps (aebench sources RUN shows it)"
        )
    given = [plugins] if isinstance(plugins, (str, Path)) else list(plugins)
    named = [str(path) for path in spec.get("plugins") or ()]
    registry = Registry.discover(given) if given else Registry.discover_present(named if trust else ())
    open_folders(registry.plugins, here=":" in network)
    name = parse_call(meta["variant"]).name
    if kebab(name) not in registry.names("variant"):
        if trust:
            raise UsageError(
                f"variant {printable(name, 100)!r} is not in {printable(', '.join(named) or 'the package', 200)} any "
                "more; give the file or folder that holds it with plugins=, or trust='stored' for the text that the "
                "run keeps"
            )
        where = f" ({printable(', '.join(named), 200)})" if named else ""
        raise UsageError(
            f"the variant {printable(name, 100)!r} is a plugin of this run{where}, and its code is not run unasked; "
            "give plugins=PATH of a file that you know, trust=True to run the one that the run names, or "
            "trust='stored' to run the text that it keeps (aebench sources RUN shows it)"
        )
    return registry


def _refuse_changed_code(store: RunStore, record: dict[str, Any], now: dict[str, Part]) -> None:
    """Raise `UsageError` where the code that a model is made of is not what its weights were trained with."""
    what = f"{record['variant_label']} with seed {record['seed']}"
    known, remedy = store.sources()["code"], "run it again, or load it all the same with changed='allow'"
    if not record["code"]:
        raise UsageError(f"{what} has no record of the code it was trained with, so it may compute another function "
                         f"today; {remedy}")  # fmt: skip
    stale = {name: part for name, part in now.items() if record["code"].get(name) != part.digest}
    if not stale:
        return
    files = [f for name, part in stale.items() for f in differences(known.get(record["code"].get(name), {}), part)]
    listed = list(dict.fromkeys(files))
    more = f" and {len(listed) - 3} more files" if len(listed) > 3 else ""
    raise UsageError(f"{what} was trained with other code than is here now: {printable(', '.join(listed[:3]))}{more} "
                     f"changed ({', '.join(stale)}); {remedy}")  # fmt: skip


#: What a checkpoint says of its cell, and whether a value can be that.
_META: Mapping[str, Callable[[Any], bool]] = {
    "variant": lambda value: isinstance(value, str),
    "train": lambda value: (
        isinstance(value, dict)
        and {str(key).replace("-", "_") for key in value} <= {item.name for item in fields(TrainSettings)}
    ),
    "data_shape": lambda value: isinstance(value, list) and len(value) in (1, 3) and all(map(is_count, value)),
    "seed": is_seed,
    "n_train": is_count,
    "n_classes": lambda value: value is None or is_count(value),
    "kl_weight": lambda value: value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)),
}


def check_meta(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any], what: str) -> None:
    """Raise `UsageError` where a checkpoint (`what` in messages) does not say what its model is built of."""
    wrong = [key for key, valid in _META.items() if key not in meta or not valid(meta[key])]
    wrong += [key for key in SCALING if tensors.get(key, np.zeros(0, object)).dtype.kind != "f"]
    if wrong:
        raise UsageError(printable(f"{what} is damaged ({', '.join(wrong)} cannot be used); make it again", 600))


def check_size(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any], settings: TrainSettings, what: str) -> None:
    """Raise `UsageError` where the networks that a checkpoint describes are not those that it holds.

    They are laid out without memory first, because a few letters can ask for more than there is.
    """
    if ":" in settings.network.name:
        return
    build = networks_named(settings.network.name, settings.network.params)
    held = {tuple(values.shape) for values in tensors.values()}
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            _, decoder = build(tuple(meta["data_shape"]), settings.latent_dim, settings.latent_dim)
        fits = all(tuple(parameter.shape) in held for parameter in decoder.parameters())
    except (RuntimeError, TypeError, OverflowError, MemoryError):
        fits = False
    if not fits:
        raise UsageError(printable(f"{what} holds other networks than it names; make it again", 600))


def _find(records: list[dict], variant: str, seed: int, dataset: str | None, split: int) -> dict:
    labels = sorted({record["variant_label"] for record in records})
    of_variant = [record for record in records if variant in (record["variant_label"], record["variant"])]
    exact = [record for record in of_variant if record["variant_label"] == variant] or of_variant
    if not exact:
        raise unknown_name("variant in this run", variant, labels)
    if dataset is not None:
        known = sorted({record["dataset_label"] for record in exact})
        exact = [record for record in exact if dataset in (record["dataset_label"], record["dataset"])]
        if not exact:
            raise unknown_name(f"data set of {variant}", dataset, known)
    splits = sorted({record["split_number"] or 0 for record in exact})
    if split not in splits:
        raise UsageError(f"{variant} has no split {split} here; splits: {', '.join(map(str, splits))}")
    exact = [record for record in exact if (record["split_number"] or 0) == split]
    cells = [record for record in exact if record["seed"] == seed]
    if not cells:
        seeds = sorted({record["seed"] for record in exact})
        raise UsageError(f"{variant} has no seed {seed} here; seeds: {', '.join(map(str, seeds)) or 'none'}")
    if len(cells) > 1:
        raise _ambiguous(cells, variant, seed)
    if cells[0]["status"] != "ok":
        raise UsageError(f"{variant} with seed {seed} has no model: {cells[0]['status']} ({cells[0]['reason']})")
    return cells[0]


def _as_labelled(variant: str) -> str:
    """`variant` as tables name it: parameters that have their default's value are left out, e.g. vae for vae[beta=1].

    What is not a built-in variant's or an installed one's call stays as it is.
    """
    base, setting = split_label(variant)
    try:
        registry, call = Registry.discover(), parse_call(base)
        label = registry.label("variant", registry.resolve("variant", call)) if call.params else base
        return labelled(label, setting)
    except BenchError:
        return variant


def _ambiguous(cells: list[dict], variant: str, seed: int) -> UsageError:
    choices = sorted({f"{cell['variant_label']} on {cell['dataset_label']}" for cell in cells})
    data = sorted({cell["dataset_label"] for cell in cells})
    advice = ["the exact label"] if len({cell["variant_label"] for cell in cells}) > 1 else []
    advice += [f"dataset=, e.g. dataset={data[0]!r}"] if len(data) > 1 else []
    if not advice:
        return UsageError(
            f"{choices[0]} with seed {seed} is there with several settings, and plan.json, which says which are meant, "
            "is missing or was edited; run the aebench run again that is meant, which writes it anew"
        )
    return UsageError(
        f"{variant!r} with seed {seed} means several cells: {'; '.join(choices)}; give {' and '.join(advice)}"
    )
