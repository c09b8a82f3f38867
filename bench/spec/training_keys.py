"""Reads the keys of a configuration that say how cells are trained: what all have, and what takes several values."""

from __future__ import annotations

from typing import Any

from bench.spec.call import Call
from bench.spec.networks import read_networks
from bench.spec.sweep import read_counts, read_optimizers, read_rates
from bench.spec.training import TrainSettings

#: What a configuration says where L, or the batch, follows the data.
FOLLOWS = "auto"
#: In snake_case; `lr` is a part of the optimiser.
TRAINING_KEYS = (*TrainSettings.__dataclass_fields__, "lr")


def read_training(given: dict[str, Any]) -> dict[str, Any]:
    """What the keys of a training say, taken out of `given`: `train`, `networks`, `axes` and `follows` of a `RunSpec`.

    Raises:
        UsageError: a value that cannot be read or is out of range.
    """
    values = {key: given.pop(key) for key in TRAINING_KEYS if key in given}
    follows = values.get("latent_dim", FOLLOWS) == FOLLOWS
    several: dict[str, tuple[Any, ...]] = {}
    if not follows:
        several["latent_dim"] = read_counts("latent_dim", values["latent_dim"])
    if rates := read_rates(values.pop("lr")) if "lr" in values else ():
        values.setdefault("optimizer", "adam")
    if "optimizer" in values:
        several["optimizer"] = read_optimizers(values["optimizer"], rates)
    if values.get("batch_size", FOLLOWS) == FOLLOWS:
        values.pop("batch_size", None)
    else:
        several["batch_size"] = read_counts("batch_size", values["batch_size"])
    networks = read_networks(values.pop("network", Call("mlp")))
    default = next((call for word, call in networks if not word), Call("mlp"))
    values = {key: value for key, value in values.items() if key != "latent_dim"}
    train = TrainSettings(**{**values, **{key: some[0] for key, some in several.items()}, "network": default})
    rest = networks[1:] if networks[0] == ("", default) else networks
    axes = tuple((key, some) for key, some in several.items() if len(some) > 1)
    return {"train": train, "networks": rest, "axes": axes, "follows": follows}
