"""What stands above the tables: the command, data, training, likelihood convention, hardware and versions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bench.analysis.numbers import count, number
from bench.errors import BenchError
from bench.spec.call import parse_call
from bench.spec.networks import networks_on, read_networks, spoken, words_of
from bench.spec.training import SETTINGS, TrainSettings, latent_words
from bench.spec.training_keys import FOLLOWS
from bench.store.measurements import RunData
from bench.text import printable

_OTHERS = ("metrics", "likelihood-rows", "baseline", "select", "device")
DEFAULTS = TrainSettings()
#: What each cost means and at which decoder variance eq. 4 is an exact evidence lower bound.
CONVENTIONS = {
    "squared": "squared error ‖x̂-x‖² (eq. 1), summed over data dimensions, mean over the batch; "
    "eq. 4 is an exact ELBO at decoder variance s² = λ/2",
    "bernoulli": "Bernoulli cross-entropy on logits, summed over data dimensions, mean over the batch; "
    "eq. 4 is the ELBO at λ = 1",
    "gaussian": "Gaussian negative log-likelihood, summed over data dimensions, mean over the batch; "
    "eq. 4 is an exact ELBO at s² = λ · scale²",
    **{
        name: f"negative log-likelihood of the {words} density, summed over data dimensions, mean over the batch; "
        "eq. 4 is the ELBO at λ = 1"
        for name, words in (("laplace", "Laplace"), ("student-t", "Student-t"),
                            ("continuous-bernoulli", "continuous Bernoulli"))
    },
    "ms-ssim": "d (1 - MS-SSIM) of whole pictures on logits, mean over the batch; no likelihood, so eq. 4 is no ELBO",
}  # fmt: skip
#: What another number format than float32 means.
PRECISIONS = {
    "tf32": "tf32 products in training (on a GPU; on a CPU they are float32), evaluation in float32",
    "bf16": "bf16 products of the networks in training (losses, parameters and optimiser in float32), "
    "evaluation in float32",
}


def command(spec: Mapping[str, Any]) -> str:
    """The command line that asks for the same run, quoted for a shell."""
    spec = {str(key).replace("_", "-"): value for key, value in spec.items()}
    parts = ["aebench", "run"]
    for key, option in (("variant", "-m"), ("dataset", "-d")):
        parts += [text for value in _texts(spec.get(key)) for text in (option, value)]
    seeds = spec.get("seeds")
    if isinstance(seeds, list) and seeds:
        plain = seeds == list(range(len(seeds)))
        parts += ["--seeds", str(len(seeds)) if plain else ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")]
    parts += _option("splits", spec)
    for name, setting in SETTINGS.items():
        key = name.replace("_", "-")
        if setting.kind is not bool and (setting.repeated or spec.get(key) != getattr(DEFAULTS, name)):
            parts += _option(key, spec)
    parts += [part for key in _OTHERS for part in _option(key, spec)]
    parts += ["--samplers", ",".join(samplers)] if (samplers := _texts(spec.get("samplers"))) else []
    parts += [text for value in _texts(spec.get("hypothesis")) for text in ("--hypothesis", value)]
    switches = [name.replace("_", "-") for name, setting in SETTINGS.items() if setting.kind is bool]
    parts += [f"--{switch}" for switch in (*switches, "controls") if spec.get(switch)]
    parts += [text for value in _texts(spec.get("plugins")) for text in ("--plugins", value)]
    return " ".join(shlex.quote(printable(part)) for part in parts)


def _option(key: str, spec: Mapping[str, Any]) -> list[str]:
    value = spec.get(key)
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return [f"--{key}", text] if value not in (None, "", "auto") else []


def _texts(value: Any) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else []


def uses_arrays(spec: Mapping[str, Any]) -> bool:
    """Whether the data were arrays given to `bench.run`, so that no command line can name them."""
    return any(text.partition("[")[0] == "arrays" for text in _texts(spec.get("dataset")))


def training(spec: Mapping[str, Any], values: Mapping[str, int] = MappingProxyType({})) -> list[tuple[str, str]]:
    """How every cell was trained, as (name, text).

    Args:
        values: in a row of each data set, by name.
    """
    spec = {str(key).replace("_", "-"): value for key, value in spec.items()}
    recon = str(spec.get("recon", "squared"))
    convention = CONVENTIONS.get(recon.partition("[")[0], "")
    length = f"{spec['epochs']} epochs" if spec.get("epochs") else f"{count(float(spec.get('steps') or 0))} steps"
    stopping = spec.get("early-stopping")
    stop = f", early stopping on validation loss after {stopping} epochs without gain" if stopping else ""
    seeds = spec.get("seeds")
    batch = _several(spec.get("batch-size")) or "min(128, a quarter of the training rows)"
    lines = [
        (
            "Networks",
            f"{_networks(spec)}, latent dimension {_latent(spec, values)}; the same for all",
        ),
        ("Reconstruction cost", f"{recon}: {convention}" if convention else recon),
        (
            "Training",
            f"{spec.get('optimizer', '?')}, {spec.get('schedule', '?')} schedule, {length}, "
            f"batch {batch}, {_precision(spec)}{stop}",
        ),
    ]
    if isinstance(seeds, list):
        lines.append(("Seeds", f"{len(seeds)}: {_ranges(seeds)}; a seed fixes initial weights, data order and noise"))
    if isinstance(spec.get("splits"), int) and spec["splits"] > 1:
        said = "random splits of each data set, every seed on each; sizes, checksum, λ and s² are those of the first"
        lines.append(("Splits", f"{spec['splits']} {said}"))
    return [(name, printable(text)) for name, text in lines]


def _networks(spec: Mapping[str, Any]) -> str:
    """The network, or which data sets have which."""
    said = str(spec.get("network", "?"))
    try:
        named = read_networks(said)
        datasets = [parse_call(text) for text in _texts(spec.get("dataset"))]
        found = {words_of(one)[0]: " or ".join(map(str, networks_on(named, one))) for one in datasets}
        return spoken(found) if found else said
    except (BenchError, KeyError):  # a spec of other times or hands
        return said


def _several(value: Any) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _latent(spec: Mapping[str, Any], values: Mapping[str, int]) -> str:
    """L, or what it is on each data set where nobody chose it."""
    asked = spec.get("latent-dim", "?")
    if asked != FOLLOWS:
        return f"L = {_several(asked)}"
    said = latent_words(values)
    return said if " on " not in said else f"{said}, where nobody chose it: 8, or half of a row's values below 16"


def _precision(spec: Mapping[str, Any]) -> str:
    precision = str(spec.get("precision", "float32"))
    return PRECISIONS.get(precision, precision) + (
        ", recurring steps compiled by Inductor where they can be" if spec.get("compile") else ""
    )


def _ranges(seeds: list[Any]) -> str:
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    shown = ", ".join(str(seed) for seed in seeds[:12])
    return shown + (", …" if len(seeds) > 12 else "")


def environment_lines(environments: Mapping[str, Mapping[str, Any]], data: RunData) -> list[tuple[str, str]]:
    """Hardware and versions of every environment that cells of the run name."""
    used = [key for key in data.cells["env_hash"].dropna().unique() if key in environments]
    lines = []
    for key in used or list(environments):
        entry = environments[key]
        packages: dict[str, Any] = found if isinstance(found := entry.get("packages"), dict) else {}
        hardware = [entry.get("cpu"), _plural(entry.get("cpu_count"), "core"), entry.get("accelerator")]
        if entry.get("memory_gib"):
            hardware.append(f"{number(entry['memory_gib'], 3)} GiB memory")
        if entry.get("torch_threads"):
            hardware.append(_plural(entry["torch_threads"], "torch thread"))
        versions = [f"Python {entry.get('python')}", entry.get("platform")]
        versions += [f"{name} {version}" for name, version in packages.items()]
        git = entry.get("git") if isinstance(entry.get("git"), dict) else None
        if git and git.get("sha"):
            versions.append(f"commit {str(git['sha'])[:12]}" + (" with local changes" if git.get("dirty") else ""))
        label = f" ({key})" if len(used) > 1 else ""
        lines.append((f"Hardware{label}", printable(", ".join(str(part) for part in hardware if part))))
        lines.append((f"Versions{label}", printable(", ".join(str(part) for part in versions if part))))
    return lines


def _plural(n: Any, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}" if isinstance(n, int) else ""
