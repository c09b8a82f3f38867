"""Which validation metric chooses between several settings of one variant, as a run's spec says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.errors import UsageError, unknown_name
from bench.spec.call import Call
from bench.text import printable

if TYPE_CHECKING:
    from bench.contracts.metric import Value
    from bench.spec.registry import Registry

#: The bound where every setting has one, else the error (`bench.analysis.selection`).
CALIBRATED, MEAN_ERROR = "val_calibrated_neg_elbo", "val_mse"
#: What a metric of validation data is called.
VALIDATION = "val_"


def checked(registry: Registry, select: str) -> str:
    """The metric that `--select` names, in snake_case.

    Raises:
        UsageError: unknown, of test data, or without a direction; with the metrics that can choose.
    """
    name = select.strip().replace("-", "_").lower()
    declared: dict[str, Value] = {}
    for metric in registry.names("metric"):
        info = registry.info("metric", metric)
        declared |= {} if info.broken else {value.name: value for value in info.values}
    ranks = {key for key, value in declared.items() if value.higher_is_better is not None}
    can = sorted(key for key in ranks if key.startswith(VALIDATION))
    if name in can:
        return name
    if name not in declared:
        raise unknown_name("metric", select, can)
    shown = printable(select, 60)
    raise UsageError(f"--select {shown} cannot choose: it is no val_* metric with a direction; give {' or '.join(can)}")


def needed(variants: Sequence[Call], select: str | None, sweeps: bool = False) -> tuple[str, ...]:
    """Metrics that a run must evaluate so that validation can choose; none where no variant has several settings.

    Args:
        sweeps: whether the training has several settings for each of the `variants`.
    """
    names = [call.name for call in variants]
    if len(set(names)) == len(names) and not sweeps:
        return ()
    return (select,) if select else (CALIBRATED, MEAN_ERROR)
