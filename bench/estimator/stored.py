"""A fitted `Autoencoder` as tensors and JSON: its file, and what stands for its model in a pickle."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contracts.checks import one_of, true_or_false
from bench.errors import UsageError
from bench.evaluate.code_density import density_of, density_tensors
from bench.model_loading import built_model, check_meta, check_size
from bench.networks.weights import SCALING, give_weights
from bench.provenance.code import differences, model_code
from bench.spec.call import parse_call
from bench.spec.plugin_file import kebab
from bench.spec.plugin_path import open_folders
from bench.spec.registry import Registry
from bench.spec.training import TrainSettings
from bench.store.array_files import load_tensors, save_tensors
from bench.store.documents import is_count
from bench.store.records import finite
from bench.text import printable
from bench.trained_model import TrainedModel

if TYPE_CHECKING:
    from bench.estimator.autoencoder import Autoencoder

#: Of the file's layout.
VERSION = 1
_PLAIN = (type(None), bool, int, float, str)


def registry_of(plugins: str | Path | Sequence[str | Path]) -> Registry:
    """Every plugin there is, those of `plugins` (a path or several) among them."""
    given = [plugins] if isinstance(plugins, (str, Path)) else list(plugins)
    return Registry.discover(given) if given else _registry()


@functools.cache
def _registry() -> Registry:
    """The plugins that are installed, looked for once: a search over parameters fits hundreds of times."""
    return Registry.discover()


# -- the model ---------------------------------------------------------------------------------------------------


def tensors_of(model: TrainedModel) -> dict[str, np.ndarray]:
    """Weights, scaling and the Gaussian of codes, by the names that a run's checkpoint has for them."""
    weights = {name: value.detach().cpu().numpy() for name, value in model.variant.state_dict().items()}
    return weights | dict(zip(SCALING, model.scaling, strict=True)) | density_tensors(model.codes)


def model_of(registry: Registry, tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any], what: str) -> TrainedModel:
    """The model that tensors and meta describe; the code that `registry` has for it is run.

    Raises:
        UsageError: they cannot be those of such a model.
    """
    settings = TrainSettings(**{key.replace("-", "_"): value for key, value in meta["train"].items()})
    check_size(tensors, meta, settings, what)
    call = registry.resolve("variant", parse_call(meta["variant"]))
    model = built_model(registry, call, settings, dict(meta))
    give_weights(model, tensors, what)
    info = {"variant": call.name, "variant_label": registry.label("variant", call), "seed": meta["seed"]}
    shift, scale = (tensors[name] for name in SCALING)
    density, counts = density_of(tensors, model.latent_dim, what), meta.get("counts") is True
    return TrainedModel(model, shift, scale, info, density, counts=counts)


def packed(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a fitted estimator with tensors in its model's place."""
    return {**state, "model_": tensors_of(state["model_"])}


def unpacked(state: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `packed`; the plugins that the estimator names are imported, as unpickling runs code anyway."""
    if "model_" not in state:
        return dict(state)
    registry = registry_of(state["plugins"])
    open_folders(registry.plugins, here=True)
    return {**state, "model_": model_of(registry, state["model_"], state["_meta"], "the pickle")}


# -- the file ----------------------------------------------------------------------------------------------------


def save(estimator: Autoencoder, path: Path) -> None:
    """Writes a fitted estimator, atomically."""
    meta = estimator._meta
    registry = registry_of(estimator.plugins)
    code = model_code(registry, parse_call(meta["variant"]).name, parse_call(meta["train"]["network"]))
    content = {
        "autoencoder": VERSION,
        "params": {name: _written(name, value, estimator) for name, value in estimator.get_params().items()},
        "model": dict(meta),
        "fitted": {
            "n_features_in": estimator.n_features_in_,
            "feature_names_in": list(map(str, getattr(estimator, "feature_names_in_", ()))) or None,
            "n_iter": estimator.n_iter_,
            "offset": getattr(estimator, "offset_", None),
        },
        "code": {name: dict(part.files) for name, part in code.items()},
    }
    tensors = tensors_of(estimator.model_)
    plain = finite(content)
    save_tensors(path, tensors, {**plain, "digest": _digest(tensors, plain)})


def _written(name: str, value: Any, estimator: Autoencoder) -> Any:
    if name == "random_state":
        return estimator.seed_
    if name == "plugins":
        given = [value] if isinstance(value, (str, Path)) else value
        return [str(Path(path).absolute()) for path in given]
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, _PLAIN) else str(value)


def _digest(tensors: Mapping[str, np.ndarray], content: Mapping[str, Any]) -> str:
    """16 hex digits of everything in a file but themselves; they find accidents, not fraud."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name])
        digest.update(repr((name, values.dtype.str, values.shape)).encode() + values.tobytes())
    return digest.hexdigest()[:16]


def load(
    kind: type[Autoencoder], path: Path, plugins: str | Path | Sequence[str | Path], trust: bool, changed: str
) -> Autoencoder:
    """The estimator that `save` wrote to `path`; arguments and errors as `Autoencoder.load`."""
    one_of("changed", changed, ("refuse", "allow"))
    true_or_false("trust", trust)
    tensors, content = load_tensors(path)
    _check_content(kind, tensors, content, path)
    meta, params, what = content["model"], content["params"], printable(path)
    check_meta(tensors, meta, what)
    given = [plugins] if isinstance(plugins, (str, Path)) else list(plugins)
    registry = _known(meta, given, params["plugins"] if trust else [], trust, what)
    if changed == "refuse":
        _refuse_changed_code(registry, meta, content["code"], what)
    estimator = kind(**{**params, "plugins": tuple(map(str, given)) or tuple(params["plugins"])})
    estimator.model_, estimator._meta = model_of(registry, tensors, meta, what), meta
    fitted = content["fitted"]
    estimator.seed_, estimator.n_iter_, estimator.n_features_in_ = (
        meta["seed"],
        fitted["n_iter"],
        fitted["n_features_in"],
    )
    if fitted["feature_names_in"] is not None:
        estimator.feature_names_in_ = np.array(fitted["feature_names_in"], dtype=object)
    if fitted["offset"] is not None:
        estimator.offset_ = fitted["offset"]
    return estimator


def _is_names(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _is_parts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(files, dict) for files in value.values())


_FITTED: Mapping[str, Callable[[Any], bool]] = {
    "n_features_in": is_count,
    "feature_names_in": _is_names,
    "n_iter": lambda value: value == 0 or is_count(value),
    "offset": lambda value: value is None or (isinstance(value, float) and math.isfinite(value)),
}


def _check_content(
    kind: type[Autoencoder], tensors: Mapping[str, np.ndarray], content: Mapping[str, Any], path: Path
) -> None:
    """Raise `UsageError` where a file is not what `save` writes, or not any more."""
    if "autoencoder" not in content:
        raise UsageError(
            f"{printable(path)} was not written by Autoencoder.save; the models of a run are loaded with "
            "bench.load_model(RUN, VARIANT, SEED)"
        )
    if content["autoencoder"] != VERSION:
        raise UsageError(
            f"{printable(path)} has the layout {printable(content['autoencoder'], 20)} and this version reads layout "
            f"{VERSION}; load it with the version of aebench that wrote it"
        )
    own = {key: value for key, value in content.items() if key != "digest"}
    fitted, params = content.get("fitted"), content.get("params")
    whole = (
        content.get("digest") == _digest(tensors, own)
        and isinstance(content.get("model"), dict)
        and isinstance(fitted, dict)
        and all(key in fitted and valid(fitted[key]) for key, valid in _FITTED.items())
        and isinstance(params, dict)
        and params.keys() == inspect.signature(kind).parameters.keys()
        and all(_is_names(value) if key == "plugins" else isinstance(value, _PLAIN) for key, value in params.items())
        and _is_parts(content.get("code"))
    )
    if not whole:
        raise UsageError(f"{printable(path)} is damaged (its content is not what was saved); fit and save it again")


def _known(
    meta: Mapping[str, Any], given: Sequence[str | Path], named: Sequence[str], trust: bool, what: str
) -> Registry:
    """The plugins that a file needs, of those that the user gave or trusts.

    Raises:
        UsageError: its variant or network is code that the package does not hold, and nobody gave or trusted it.
    """
    network, name = parse_call(meta["train"].get("network", "mlp")).name, parse_call(meta["variant"]).name
    registry = Registry.discover(given) if given else Registry.discover_present(named)
    foreign = f"the variant {printable(name, 100)!r}" if kebab(name) not in registry.names("variant") else ""
    if ":" in network and not trust:
        foreign = f"the network {printable(network, 100)!r}"
    if foreign:
        how = "plugins=PATH of a file that you know" if ":" not in foreign else "trust=True, if you know the file"
        raise UsageError(
            f"{what} needs {foreign}, code that the package does not hold and that is not run unasked; give {how}"
        )
    open_folders(registry.plugins, here=":" in network)
    return registry


def _refuse_changed_code(registry: Registry, meta: Mapping[str, Any], saved: Mapping[str, Any], what: str) -> None:
    call = registry.resolve("variant", parse_call(meta["variant"]))
    now = model_code(registry, call.name, parse_call(meta["train"]["network"]))
    files = [file for name, part in now.items() for file in differences(saved.get(name, {}), part)]
    if files:
        listed = list(dict.fromkeys(files))
        more = f" and {len(listed) - 3} more files" if len(listed) > 3 else ""
        raise UsageError(
            f"{what} was saved with other code than is here now: {printable(', '.join(listed[:3]))}{more} changed; "
            "fit it again, or load it all the same with changed='allow'"
        )
