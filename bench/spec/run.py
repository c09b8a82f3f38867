"""What a run is: variants × data sets × seeds under one training, validated and hashable, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.contracts.checks import number_in, whole_number
from bench.errors import UsageError, unknown_name
from bench.spec.call import Call, as_grid, format_call, parse_call
from bench.spec.cells import CellSpec, cells_of, digest
from bench.spec.hypothesis import checked_hypotheses, parse_hypothesis
from bench.spec.networks import Named, format_networks, networks_on, refuse_stray
from bench.spec.registry import Registry
from bench.spec.selection import checked, needed
from bench.spec.splits import read_splits, refuse_shared_splits
from bench.spec.sweep import Axes, Settings, settings_of, written
from bench.spec.training import DEFAULT_LATENT_DIM, TrainSettings, filled_network
from bench.spec.training_keys import FOLLOWS, TRAINING_KEYS, read_training
from bench.spec.values import READERS, normal_key, read_jobs, read_rows

#: The rows of a run that names no variant: λ at λ_auto/5, λ_auto and 5 λ_auto, so that what λ does is seen.
DEFAULT_VARIANTS = ("ae", "stochastic-ae", "vae[beta=0.2]", "vae", "vae[beta=5]", "control:real", "control:cross-fade")
DEFAULT_DATASETS = ("digits",)
DEFAULT_SEEDS = 10
ENGINES = ("local", "dask")
_SEED_LIMIT = 1 << 62
#: Values that every cell records, because marks depend on them.
FACTS = ("collapsed", "blurred")
#: Keys of a configuration, in snake_case.
SPEC_KEYS = (
    "name",
    "variant",
    "dataset",
    "seeds",
    "splits",
    *TRAINING_KEYS,
    "metrics",
    "samplers",
    "likelihood_rows",
    "controls",
    "baseline",
    "select",
    "hypothesis",
    "plugins",
    "device",
)


@dataclass(frozen=True)
class RunSpec:
    """A whole run.

    Attributes:
        name: of the preset, the configuration file or the data sets; part of the output folder's name only.
        variants, datasets: calls with grids expanded.
        seeds: distinct, not negative.
        train: the same for all cells, but for `networks`, `axes` and L where it follows the data.
        axes: settings of the training with several values (`bench.spec.sweep`); `train` has the first of each.
        follows: whether nobody chose L, so that each data set has its own (`bench.spec.training.latent_dim_for`); True
            where None is given and `train` has the default.
        networks: (word for data sets, network) of those that do not have `train.network` (`bench.spec.networks`).
        splits: random splits of each data set, crossed with the seeds.
        metrics: "core", "all", or names separated by commas.
        samplers: fitted to the codes of training data after training, as further sources of what metrics decode.
        likelihood_rows: held-out rows of IWAE and AIS: a number, "all", or "auto" for as many as are cheap.
        controls: whether control models are evaluated as further rows.
        baseline: the variant that others are compared with, as text, or None.
        hypotheses: what is expected, `A > B on METRIC, METRIC` each (`bench.spec.hypothesis`), tested alone.
        select: the validation metric that chooses between settings of one variant, or None for the default.
        plugins: files or folders with foreign plugins.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        UsageError: no variant, data set or seed; a seed that is not a whole number ≥ 0; an unknown device.
    """

    name: str = ""
    variants: tuple[Call, ...] = tuple(parse_call(text) for text in DEFAULT_VARIANTS)
    datasets: tuple[Call, ...] = tuple(parse_call(text) for text in DEFAULT_DATASETS)
    seeds: tuple[int, ...] = tuple(range(DEFAULT_SEEDS))
    train: TrainSettings = field(default_factory=TrainSettings)
    metrics: str = "core"
    controls: bool = False
    baseline: str | None = None
    select: str | None = None
    hypotheses: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    device: str = "auto"
    splits: int = 1
    likelihood_rows: int | str = "auto"
    samplers: tuple[Call, ...] = ()
    networks: Named = ()
    axes: Axes = ()
    follows: bool | None = None

    def __post_init__(self) -> None:
        if self.follows is None:
            object.__setattr__(self, "follows", self.train.latent_dim == DEFAULT_LATENT_DIM)
        networks = dict.fromkeys((word, filled_network(call)) for word, call in self.networks)
        networks.pop(("", self.train.network), None)
        object.__setattr__(self, "networks", tuple(networks))
        object.__setattr__(self, "splits", read_splits(self.splits))
        object.__setattr__(self, "likelihood_rows", read_rows(self.likelihood_rows))
        for name, what in (("variants", "variant"), ("datasets", "data set"), ("seeds", "seed")):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
            if not getattr(self, name):
                raise UsageError(f"there is no {what}; give at least one")
        for seed in self.seeds:
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < _SEED_LIMIT:
                raise UsageError(f"seed {seed!r} is not a whole number of at least 0")
        if not self.name:
            object.__setattr__(self, "name", "+".join(dict.fromkeys(map(_called, self.datasets))))
        check_device(self.device)

    def validate(self, registry: Registry) -> RunSpec:
        """This spec with canonical names and all parameters filled in; equal requests become equal specs.

        Raises:
            UsageError: unknown names (with the nearest ones), parameters, metrics; wrong types; a baseline that is not
                among the variants; several splits of a data set that has one; a network for no data set.
            PluginError: a plugin that is asked for is broken.
        """
        variants = tuple(registry.resolve("variant", call) for call in self.variants)
        datasets = tuple(registry.resolve("dataset", call) for call in self.datasets)
        samplers = registry.samplers_for(self.samplers)
        registry.metrics_for(self.metrics, samplers)
        refuse_shared_splits(datasets, self.splits)
        refuse_stray(self.networks, datasets)
        baseline = None
        if self.baseline is not None:
            wanted = registry.resolve("variant", parse_call(self.baseline))
            if wanted not in variants:
                raise UsageError(f"--baseline {self.baseline} is not among the variants of the run; add it with -m")
            baseline = registry.label("variant", wanted)
        select = None if self.select is None else checked(registry, self.select)
        hypotheses = checked_hypotheses(self.hypotheses, registry, variants, self.controls, samplers)
        return replace(
            self,
            variants=variants,
            datasets=datasets,
            baseline=baseline,
            select=select,
            hypotheses=hypotheses,
            samplers=samplers,
        )

    @property
    def evaluated(self) -> str:
        """`metrics` with what marks, a choice between settings and hypotheses need."""
        asked = (metric for text in self.hypotheses for metric in parse_hypothesis(text).metrics)
        choice = needed(self.variants, self.select, self.sweeps)
        return ",".join((self.metrics, *FACTS, *choice, *dict.fromkeys(asked)))

    def cells(self, registry: Registry) -> list[CellSpec]:
        """All cells, the seeds of a stack next to each other, then the splits of a variant; control models follow the
        variants of each data set."""
        return cells_of(self.validate(registry), registry)

    @property
    def all_networks(self) -> Named:
        """The default network, whose word is "", then the others."""
        return (("", self.train.network), *self.networks)

    @property
    def own_networks(self) -> bool:
        """Whether a network is a user's `module:factory`."""
        return any(":" in call.name for _, call in self.all_networks)

    def settings_on(self, dataset: Call) -> Settings:
        """How the cells of a data set are trained, one entry for each setting, with what tells it from the others."""
        return settings_of(self.train, self.axes, self.networks_on(dataset))

    def networks_on(self, dataset: Call) -> tuple[Call, ...]:
        """The networks of a data set; several are settings of their own."""
        return networks_on(self.all_networks, dataset)

    @property
    def sweeps(self) -> bool:
        """Whether a data set has several settings."""
        return bool(self.axes) or any(len(self.networks_on(dataset)) > 1 for dataset in self.datasets)

    def training(self) -> dict[str, Any]:
        """What a configuration file writes of the training, as `TrainSettings.to_dict`."""
        several = {key.replace("_", "-"): written(values) for key, values in self.axes}
        latent = {"latent-dim": FOLLOWS} if self.follows else {}
        return self.train.to_dict() | several | {"network": format_networks(self.all_networks)} | latent

    def to_dict(self) -> dict[str, Any]:
        """The spec as a configuration file writes it (`spec.yaml`): plain values, readable by `from_dict`."""
        return {
            "name": self.name,
            "variant": [format_call(as_grid(call)) for call in self.variants],
            "dataset": [format_call(as_grid(call)) for call in self.datasets],
            "seeds": list(self.seeds),
            **({"splits": self.splits} if self.splits > 1 else {}),
            **self.training(),
            "metrics": self.metrics,
            **({"samplers": [format_call(call) for call in self.samplers]} if self.samplers else {}),
            **({} if self.likelihood_rows == "auto" else {"likelihood_rows": self.likelihood_rows}),
            "controls": self.controls,
            **({"baseline": self.baseline} if self.baseline else {}),
            **({"select": self.select} if self.select else {}),
            **({"hypothesis": list(self.hypotheses)} if self.hypotheses else {}),
            **({"plugins": list(self.plugins)} if self.plugins else {}),
            "device": self.device,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSpec:
        """The spec that a configuration's keys write; keys in kebab- or snake_case, missing ones take the defaults.

        Raises:
            UsageError: an unknown key (with the nearest ones) or a value that cannot be read.
        """
        given: dict[str, Any] = {}
        for key, value in values.items():
            name = normal_key(key)
            if name not in SPEC_KEYS:
                raise unknown_name("key", str(key), (known.replace("_", "-") for known in SPEC_KEYS))
            if value is not None:
                given[name] = value
        given |= read_training(given)
        for key, read in READERS.items():
            if key in given:
                given[key] = read(key, given[key])
        renamed = {"variant": "variants", "dataset": "datasets", "hypothesis": "hypotheses"}
        return cls(**{renamed.get(key, key): value for key, value in given.items()})

    def with_absolute_plugins(self) -> RunSpec:
        """This spec with absolute plugin paths, so that it means the same in another working directory."""
        return replace(self, plugins=tuple(str(Path(path).expanduser().absolute()) for path in self.plugins))

    @property
    def hash(self) -> str:
        """8 hex digits of what the run computes; name, device and plugin paths do not count."""
        ignored = ("name", "device", "plugins")
        several = {key.replace("_", "-"): self.training()[key.replace("_", "-")] for key, _ in self.axes}
        values = self.to_dict() | self.train.identity() | {"network": self.training()["network"]} | several
        return digest({key: value for key, value in values.items() if key not in ignored})[:8]


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; nothing here changes a number, but for last bits that `threads` can change.

    Attributes:
        output: its directory; None for results/<name>-<spec hash>.
        n_jobs: stacks trained at the same time, or "auto": as many as cores and memory serve
            (`bench.runs.engines.workers`). threads: of each, or None. engine: of `ENGINES`; dask=ADDRESS for a
            cluster that runs already.
        timeout: seconds per stack, or None.
        force: redo every cell. dry_run: plan only. quiet: no progress.
        tensorboard: whether event files are written as well (`bench.store.event_files`).
        max_minutes: minutes after which no further stack is begun, or None.
        against: name or folder of the reference results that the report shows beside the run's own, or None.

    Raises:
        UsageError: a value out of range, an unknown engine.
    """

    output: Path | None = None
    n_jobs: int | str = "auto"
    threads: int | None = None
    engine: str = "local"
    timeout: float | None = None
    force: bool = False
    dry_run: bool = False
    quiet: bool = False
    tensorboard: bool = False
    against: str | Path | None = None
    max_minutes: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_jobs", read_jobs(self.n_jobs))
        if self.threads is not None:
            whole_number("threads", self.threads, 1)
        name, equals, address = str(self.engine).partition("=")
        if name not in ENGINES:
            raise unknown_name("engine", name, ENGINES)
        if equals and (name != "dask" or not address):
            raise UsageError(f"engine {self.engine!r} cannot be read; give local, dask, or dask=tcp://HOST:PORT")
        if self.timeout is not None:
            number_in("timeout", self.timeout, 0.0, open_low=True)
        if self.max_minutes is not None:
            number_in("max_minutes", self.max_minutes, 0.0, open_low=True)

    def directory(self, spec: RunSpec) -> Path:
        """Where the run is written."""
        safe = "".join(char if char.isalnum() or char in "-_+." else "-" for char in spec.name).strip(".") or "run"
        return self.output or Path("results") / f"{safe[:80]}-{spec.hash}"


def _called(dataset: Call) -> str:
    """What a run on a data set is called: its name, or that of the file or folder it reads, without its ending."""
    path = dataset.params.get("path")
    return (Path(path).stem if isinstance(path, str) else "") or dataset.name


def check_device(device: str) -> None:
    """Raise `UsageError` unless `device` is auto, cpu, cuda or cuda:N; whether it is there is not looked at."""
    kind, _, index = device.partition(":")
    if device not in ("auto", "cpu", "cuda") and not (kind == "cuda" and index.isascii() and index.isdigit()):
        raise UsageError(f"device {device!r} is not known; give auto, cpu, cuda or cuda:N")
