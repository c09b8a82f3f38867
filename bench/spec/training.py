"""How every cell of a run is trained: checked, frozen and hashable, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bench.contracts.checks import number_in, whole_number
from bench.errors import UsageError, unknown_name
from bench.spec.builtin_tables import network_parameters
from bench.spec.call import Call, format_call, parse_call
from bench.spec.signature import Parameter, fill_parameters

_NUMBER = frozenset({"float"})

_SCALE = {"scale": Parameter(1.0, _NUMBER)}
#: Parameters of each reconstruction cost.
COSTS: dict[str, dict[str, Parameter]] = {
    "squared": {},
    "bernoulli": {},
    "gaussian": _SCALE,
    "laplace": _SCALE,
    "student-t": {"df": Parameter(3.0, _NUMBER), **_SCALE},
    "continuous-bernoulli": {},
    "ms-ssim": {},
}
#: The cost that data sets name for data that this one suits, too.
SUITED_AS = {
    "laplace": "gaussian",
    "student-t": "gaussian",
    "continuous-bernoulli": "bernoulli",
    "ms-ssim": "bernoulli",
}
_RATE = {"lr": Parameter(3e-3, _NUMBER)}
_DECAY = {"weight_decay": Parameter(0.0, _NUMBER)}
_EPS = {"eps": Parameter(1e-8, _NUMBER)}
_MOMENTUM = {"momentum": Parameter(0.0, _NUMBER)}
#: Parameters that came later, with their defaults: those are not written, so that cells keep the ids they had.
LATER = {"norm": "none"}
#: Parameters of each optimiser.
OPTIMIZERS = {
    "adam": {**_RATE, **_DECAY, **_EPS},
    "adamw": {**_RATE, "weight_decay": Parameter(0.01, _NUMBER), **_EPS},
    "sgd": {"lr": Parameter(1e-2, _NUMBER), **_MOMENTUM, **_DECAY},
    "rmsprop": {**_RATE, **_MOMENTUM, **_DECAY},
}
#: Parameters of each schedule of the learning rate.
SCHEDULES = {
    "constant": {},
    "cosine": {},
    "stages": {"lengths": Parameter(types=frozenset({"list"})), "factor": Parameter(0.1, _NUMBER)},
}
#: Number formats of products in training; parameters, losses and all of the evaluation are float32 in each.
PRECISIONS = ("float32", "tf32", "bf16")
DEFAULT_STEPS = 1500
#: L where nobody chooses it and a row has twice as many values (`latent_dim_for`).
DEFAULT_LATENT_DIM = 8
#: Examples per step where nothing else is said, and a quarter of the training rows are more.
DEFAULT_BATCH = 128


def latent_dim_for(values: int) -> int:
    """L where nobody chooses it: 8, or half of a row's values where those are fewer than 16, but at least 1.

    Half, because λ_auto needs variance beyond the first L principal components, and a code of as many numbers as the
    data has nothing to leave out.

    >>> [latent_dim_for(values) for values in (1, 2, 4, 13, 64)]
    [1, 1, 2, 6, 8]
    """
    return max(1, min(DEFAULT_LATENT_DIM, values // 2))


def latent_words(values: Mapping[str, int]) -> str:
    """L by data set in words, where it follows the data.

    Args:
        values: in a row of each data set, by name.

    >>> latent_words({"iris": 4, "digits": 64})
    'L = 2 on iris (4 values), 8 on digits (64 values)'
    >>> latent_words({"digits": 64})
    'L = 8'
    """
    latent = {name: latent_dim_for(n) for name, n in values.items()}
    if set(latent.values()) <= {DEFAULT_LATENT_DIM}:
        return f"L = {DEFAULT_LATENT_DIM}"
    return "L = " + ", ".join(f"{latent[name]} on {name} ({n} values)" for name, n in values.items())


@dataclass(frozen=True)
class Setting:
    """How the command line asks for a setting; its key in files and its keyword in `bench.run` are its name.

    Attributes:
        help: one line. metavar: what stands for its value there.
        kind: int or str, or bool for a switch. short: a letter that stands for it, or "".
        several: whether several values of it can be given, each a setting of its own (`bench.spec.sweep`).
        repeated: whether the command line of a run names it even where it has its default.
    """

    help: str
    metavar: str = "NAME"
    kind: type = str
    short: str = ""
    repeated: bool = True
    several: bool = False


def _about(*words: Any, **more: Any) -> dict[str, Setting]:
    return {"setting": Setting(*words, **more)}


@dataclass(frozen=True)
class TrainSettings:
    """The training of every cell of a run.

    Attributes:
        latent_dim: L; that of a run which does not choose it follows the data (`latent_dim_for`).
        network: `mlp[hidden=…,activation=…]`, another built-in network, or `module:factory`; a run can have others for
            some of its data sets (`bench.spec.networks`).
        recon: `squared`, `bernoulli`, `gaussian[scale=…]`, `laplace[scale=…]`, `student-t[df=…,scale=…]` or
            `continuous-bernoulli`.
        optimizer: `adam`, `adamw`, `sgd` or `rmsprop`, with `lr` and what else it has.
        schedule: of the learning rate: `constant`, `cosine` (half a cosine down to 0) or `stages[lengths=…,factor=…]`,
            whose i-th stage takes the share of the training that `lengths` gives it, at `lr` times `factor` to the i.
        steps, epochs: the length of the training; exactly one is set (1,500 steps where neither is given).
        early_stopping: epochs without a better validation loss until a seed stops, or None.
        batch_size: B; None for `batch_for` the training rows.
        precision: of `PRECISIONS`: `tf32` (only a GPU has it) or `bf16` instead of `float32` for matrix products and
            convolutions in training.
        compile: run recurring training steps through `torch.compile`'s compiler (Inductor): faster once a training is
            longer than compiling takes (seconds), and with other last bits than the steps as they stand.

    Raises:
        UsageError: anything of the above out of range, unknown, or of the wrong type.
    """

    epochs: int | None = field(default=None, metadata=_about("Length of training in epochs.", "N", int))
    steps: int | None = field(default=None, metadata=_about("Length of training in steps (1500).", "N", int))
    latent_dim: int = field(
        default=DEFAULT_LATENT_DIM,
        metadata=_about(
            "Dimension of the code (8, or half of a row's values if less); 2,4,8: each.", "L", int, several=True
        ),
    )
    network: Call = field(
        default_factory=lambda: Call("mlp"),
        metadata=_about(
            "'mlp[hidden=[256]]', conv, module:factory …, or one per data set: 'mlp,windows=conv1d'.", "NAMES"
        ),
    )
    recon: Call = field(
        default_factory=lambda: Call("squared"),
        metadata=_about("squared, bernoulli, laplace, 'gaussian[scale=1]' …", "COST"),
    )
    optimizer: Call = field(
        default_factory=lambda: Call("adam"),
        metadata=_about("'adam[lr=3e-3]', adamw, sgd or rmsprop; several, with commas: each.", "NAMES"),
    )
    schedule: Call = field(
        default_factory=lambda: Call("cosine"),
        metadata=_about("Learning rate: cosine, constant or 'stages[lengths=[1,3],factor=0.1]'."),
    )
    early_stopping: int | None = field(
        default=None, metadata=_about("Epochs without gain until a seed stops.", "PATIENCE", int)
    )
    batch_size: int | None = field(
        default=None,
        metadata=_about(
            "Examples per step (128, at most a quarter of the rows); 64,128: each.", "B", int, "b", several=True
        ),
    )
    precision: str = field(
        default="float32",
        metadata=_about("Of products in training: float32, tf32 (GPU only) or bf16.", repeated=False),
    )
    compile: bool = field(
        default=False, metadata=_about("Compile training steps (needs a compiler; for long runs).", kind=bool)
    )

    def __post_init__(self) -> None:
        whole_number("latent_dim", self.latent_dim, 1)
        if self.steps is not None and self.epochs is not None:
            raise UsageError("both steps and epochs are given; give one of them")
        for name in ("steps", "epochs", "early_stopping", "batch_size"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name), 1)
        if self.steps is None and self.epochs is None:
            object.__setattr__(self, "steps", DEFAULT_STEPS)
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", str(self.precision), PRECISIONS)
        if not isinstance(self.compile, bool):
            raise UsageError(f"compile={self.compile!r} is neither true nor false")
        for name, resolve in _CALLS.items():
            object.__setattr__(self, name, resolve(_as_call(getattr(self, name))))

    def to_dict(self) -> dict[str, Any]:
        """Plain values by kebab-case key, as a configuration file writes them; what is not set is left out."""
        values = {item.name.replace("_", "-"): getattr(self, item.name) for item in fields(self)}
        given = {key: value for key, value in values.items() if value is not None and value is not False}
        return {key: format_call(value) if isinstance(value, Call) else value for key, value in given.items()}

    def identity(self) -> dict[str, Any]:
        """What ids are hashed from: `to_dict`, where 128 stands for the batch that follows the rows.

        Runs whose batch was 128 without being asked for keep their ids; a 128 that is asked for has one of its own,
        because few rows are refused for it.
        """
        batch = {None: DEFAULT_BATCH, DEFAULT_BATCH: [DEFAULT_BATCH]}.get(self.batch_size, self.batch_size)
        return self.to_dict() | {"batch-size": batch}

    def batch_for(self, n_train: int) -> int:
        """B for so many training rows: as asked, or the default, but at most a quarter of them and at least two.

        >>> [TrainSettings().batch_for(n) for n in (2, 96, 1149)]
        [2, 24, 128]
        """
        return self.batch_size or min(DEFAULT_BATCH, max(2, n_train // 4), n_train)

    def replace(self, **changes: Any) -> TrainSettings:
        """A copy with `changes`; giving one of steps and epochs unsets the other."""
        if changes.get("epochs") is not None:
            changes.setdefault("steps", None)
        if changes.get("steps") is not None:
            changes.setdefault("epochs", None)
        return replace(self, **changes)


def _as_call(value: Call | str) -> Call:
    return value if isinstance(value, Call) else parse_call(value)


def _fill(kind: str, call: Call, known: dict[str, dict[str, Parameter]], *also: str) -> Call:
    if call.name not in known:
        raise unknown_name(kind, call.name, [*known, *also])
    return fill_parameters(call.name, call, known[call.name])


def filled_network(call: Call) -> Call:
    """Built-in networks get all their parameters; a `module:factory` is called with what is given."""
    if ":" in call.name:
        return call
    filled = _fill("network", call, network_parameters(), "module:factory")
    return Call(filled.name, {key: value for key, value in filled.params.items() if LATER.get(key) != value})


def parameter_of(call: Call, key: str) -> Any:
    """The value of a parameter of a network or optimiser, where its default is not written, too."""
    return call.params.get(key, LATER.get(key))


def _recon(call: Call) -> Call:
    filled = _fill("reconstruction cost", call, COSTS)
    for name, value in filled.params.items():
        number_in(f"{call.name} {name}", value, 0.0, open_low=True)
    return filled


def filled_optimizer(call: Call) -> Call:
    """An optimiser with all its parameters; `UsageError` for one that is out of range."""
    filled = _fill("optimizer", call, OPTIMIZERS)
    number_in(f"{call.name} lr", filled.params["lr"], 0.0, open_low=True)
    for name in ("weight_decay", "eps"):
        if name in filled.params:
            number_in(f"{call.name} {name}", filled.params[name], 0.0)
    if "momentum" in filled.params:
        number_in(f"{call.name} momentum", filled.params["momentum"], 0.0, 0.999999)
    return filled


def _schedule(call: Call) -> Call:
    filled = _fill("schedule", call, SCHEDULES)
    if call.name == "stages":
        lengths = filled.params["lengths"]
        if not lengths:
            raise UsageError("stages lengths=[] is empty; give one length per stage, e.g. stages[lengths=[1,3,9]]")
        for length in lengths:
            number_in("stages length", length, 0.0, open_low=True)
        number_in("stages factor", filled.params["factor"], 0.0, open_low=True)
    return filled


_CALLS = {"network": filled_network, "recon": _recon, "optimizer": filled_optimizer, "schedule": _schedule}
_RATES = Setting("Learning rate, in the place of the optimizer's own; 1e-3,3e-4: each.", "RATE")
#: Every setting of a training by its name, in the order in which the command line shows them; `lr` is the optimiser's.
SETTINGS: dict[str, Setting] = {
    name: setting
    for item in fields(TrainSettings)
    for name, setting in ((item.name, item.metadata["setting"]), *([("lr", _RATES)] * (item.name == "optimizer")))
}
