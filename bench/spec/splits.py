"""`--splits K`: a data set on K random splits of its rows, a factor crossed with seeds.

A data set divides all its rows at random where its `load` takes both `test` (how many rows to hold out) and
`split_seed` (which rows). Split k is the data set with `split_seed` raised by k, so that split 0 is the data set as it
was asked for and its cells are the same as without `--splits`.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import UsageError
from bench.spec.call import Call, format_call

SPLIT_SEED, TEST = "split_seed", "test"
MOST = 1000


def read_splits(value: object) -> int:
    """K from a number or its text.

    Raises:
        UsageError: anything but a whole number from 1 on.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise UsageError(
            f"splits={value} is not a whole number from 1 to {MOST:,}; give how many random splits, e.g. 5"
        )
    return value


def splits_of(dataset: Call, splits: int) -> list[Call]:
    """The data set on each of its splits.

    Args:
        dataset: with all its parameters.

    Raises:
        UsageError: several splits of a data set that does not divide its rows at random, with the reason.
    """
    if splits == 1:
        return [dataset]
    why = _why_not(dataset)
    if why:
        raise UsageError(f"--splits {splits}: {dataset.name} has one split only: {why}")
    first = dataset.params[SPLIT_SEED]
    return [Call(dataset.name, {**dataset.params, SPLIT_SEED: first + k}) for k in range(splits)]


def refuse_shared_splits(datasets: Sequence[Call], splits: int) -> None:
    """Raise `UsageError` where two data sets of a run would have a split in common; one that is named twice is one."""
    seen: dict[Call, Call] = {}
    for dataset in dict.fromkeys(datasets):
        for call in splits_of(dataset, splits):
            if call in seen:
                raise UsageError(
                    f"--splits {splits}: {format_call(seen[call])} and {format_call(dataset)} have a split in common; "
                    f"leave one of them out, or give {SPLIT_SEED}s that are {splits} apart"
                )
            seen[call] = dataset


def _why_not(dataset: Call) -> str:
    names = dataset.params
    by_time = names.get("split", "auto") not in ("group", "random")
    if dataset.name == "file" and names.get("window") is not None and by_time:
        return "a series is divided by time; give split=group and group=COLUMN, or run it without --splits"
    if isinstance(names.get(SPLIT_SEED), int) and TEST in names:
        return ""
    if SPLIT_SEED in names:
        return "its test part is given, and split_seed divides the training part alone; run it without --splits"
    if "seed" in names:
        return f"its seed draws the rows themselves; give several draws instead: -d '{dataset.name}[seed=[0,1,2]]'"
    if "checksum" in names:
        return "arrays come divided; write them to a file and give -d 'file[path=…]'"
    return f"its load() takes no {TEST}= and {SPLIT_SEED}= that divide its rows at random; run it without --splits"
