"""Rows that are set apart as test anomalies, by the class that they have or the file that they come from.

They are divided from the normal rows before anything is fitted or chosen: the parts, their scaling and the likelihoods
on offer are those of the normal rows alone, unless a stated share of anomalies is left in training on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.contracts.checks import number_in
from bench.contracts.dataset import Split, leaked_anomalies
from bench.data.splitting import Rows, partition
from bench.errors import DataError, UsageError, unknown_name
from bench.text import printable

#: The largest share of anomalies in training: with more, what is normal is a matter of taste.
MOST_CONTAMINATION = 0.5
NORMAL = -1


@dataclass(frozen=True)
class Marked:
    """Which rows are anomalies.

    Attributes:
        kinds: int64 (N,), the kind of each row, `NORMAL` for the others.
        names: the name of each kind.
        contamination: the share of anomalies among the training rows, from 0 to `MOST_CONTAMINATION`.
    """

    kinds: np.ndarray
    names: tuple[str, ...]
    contamination: float = 0.0


def mark(
    codes: np.ndarray | None, label_names: Sequence[str] | None, anomaly: Any, contamination: float
) -> Marked | None:
    """The rows whose class is among `anomaly`, or None where no class is named.

    Args:
        codes, label_names: class of each row (N,) and their names, or None without labels.
        anomaly: a class, several in a list, or in one text with commas between.

    Raises:
        UsageError: no labels, a class that does not occur, all classes, a contamination without anomalies.
    """
    share = number_in("contamination", contamination, 0.0, MOST_CONTAMINATION)
    if anomaly is None or anomaly == []:
        if share:
            raise UsageError(
                f"contamination={contamination}: there are no anomalies to leave in training; say which with anomaly="
            )
        return None
    if codes is None or label_names is None:
        raise UsageError(f"anomaly={anomaly!r} names a class, and the data have no labels; give labels")
    classes = named_classes(anomaly, label_names)
    if len(set(codes.tolist()) - set(classes)) == 0:
        raise UsageError(f"anomaly={anomaly!r} names every class there is, so that no row is normal; leave one out")
    kinds = np.full(len(codes), NORMAL, dtype=np.int64)
    for kind, code in enumerate(classes):
        if not (codes == code).any():
            raise UsageError(f"anomaly={anomaly!r}: no row is of class {label_names[code]!r}")
        kinds[codes == code] = kind
    return Marked(kinds, tuple(label_names[code] for code in classes), share)


def named_classes(anomaly: Any, label_names: Sequence[str]) -> list[int]:
    """The codes of the classes that `anomaly` names (as `mark` takes it), each once, in the order of `label_names`.

    Raises:
        UsageError: a name that no class has.

    >>> named_classes("b,c", ["a", "b", "c"]), named_classes([8], ["7", "8"]), named_classes("b,c", ["b,c", "d"])
    ([1, 2], [1], [0])
    """
    if isinstance(anomaly, str) and anomaly not in label_names:
        anomaly = [part.strip() for part in anomaly.split(",")]
    wanted = [str(one) for one in (anomaly if isinstance(anomaly, (list, tuple)) else [anomaly])]
    for name in wanted:
        if name not in label_names:
            raise unknown_name("anomalous class", name, label_names)
    return [code for code, name in enumerate(label_names) if name in wanted]


def divide(marked: Marked, *, validation: float, test: float, split_seed: int) -> tuple[Rows, np.ndarray]:
    """Row numbers of the parts, and of the test anomalies (A,); as `splitting.partition` divides the normal rows.

    Anomalies that contaminate training are drawn by `split_seed` and stand at random places among its rows.

    Raises:
        DataError: no anomaly is left for the test, or there are fewer than the contamination takes.
    """
    normal, anomalous = np.flatnonzero(marked.kinds == NORMAL), np.flatnonzero(marked.kinds != NORMAL)
    rows = partition(len(normal), validation=validation, test=test, split_seed=split_seed)
    train, held_out, tested = (normal[part] for part in rows)
    chosen = contaminate(len(train), len(anomalous), marked.contamination, split_seed)
    rng = np.random.default_rng([split_seed, len(chosen)])
    if len(chosen):
        train = rng.permutation(np.concatenate([train, anomalous[chosen]]))
    return Rows(train, held_out, tested), np.delete(anomalous, chosen)


def contaminate(n_train: int, n_anomalies: int, share: float, seed: int) -> np.ndarray:
    """Which of the anomalies go to training, so that they are `share` of all its rows: (m,) numbers below n_anomalies.

    Raises:
        DataError: there are not so many that one is left for the test.
    """
    count = round(share / (1 - share) * n_train)
    if count >= n_anomalies:
        raise DataError(
            f"contamination={share:g} takes {count} anomalies beside {n_train} normal training rows, and of "
            f"{n_anomalies} at least one must be left to test on; give a smaller share"
        )
    return np.sort(np.random.default_rng([seed, 1]).permutation(n_anomalies)[:count])


def relabelled(
    parts: Sequence[np.ndarray | None], names: Sequence[str] | None
) -> tuple[list[np.ndarray | None], tuple[str, ...] | None]:
    """Codes of the parts and names with only those classes that occur in one; nothing where there is but one class."""
    known = [part for part in parts if part is not None]
    if names is None or len(known) < len(parts):
        return [None] * len(parts), None
    found = np.unique(np.concatenate(known))
    if len(found) < 2:
        return [None] * len(parts), None
    return [np.searchsorted(found, part) for part in known], tuple(names[code] for code in found)


def with_anomalies(split: Split, anomalies: Any, kinds: np.ndarray, marked: Marked) -> Split:
    """`split` with test anomalies (A, *data_shape) and their kinds (A,); its labels are those of its own rows.

    The description says how many there are of each kind, what was left in training, and leaks.
    """
    codes = [split.train_labels, split.validation_labels, split.test_labels]
    labels, label_names = relabelled(codes, split.label_names)
    found = np.unique(kinds)
    names = tuple(marked.names[kind] for kind in found)
    whole = replace(
        split,
        train_labels=labels[0],
        validation_labels=labels[1],
        test_labels=labels[2],
        label_names=label_names,
        anomalies=anomalies,
        anomaly_kinds=np.searchsorted(found, kinds),
        anomaly_names=names,
    )
    return replace(whole, description=printable(f"{split.description}; {_words(whole, marked.contamination)}"))


def _words(split: Split, contamination: float) -> str:
    assert split.anomalies is not None and split.anomaly_kinds is not None and split.anomaly_names is not None
    counts = np.bincount(split.anomaly_kinds)
    kinds = ", ".join(f"{count} of {name}" for name, count in zip(split.anomaly_names, counts, strict=True))
    text = f"{len(split.anomalies)} test anomalies ({kinds})"
    if contamination:
        text += f", and a share {contamination:g} of the training rows are anomalies on purpose"
    if leaked := leaked_anomalies(split):
        text += f"; WARNING: a leak: {leaked} of the test anomalies are training rows, too"
    return text
