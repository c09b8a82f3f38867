"""Which network each data set of a run has: `--network mlp,windows=conv1d`, also as a mapping in files and Python.

A word before `=` names data sets of the run, by their plugin or, of a file, by its name with or without its ending. The
network without a word is that of all data sets that are not named; mlp where there is none. A parameter with several
values makes several networks, each a setting of its own: `mlp[hidden=[[64],[256]]]`.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import UsageError, unknown_name
from bench.spec.builtin_tables import network_parameters
from bench.spec.call import Call, expand_grid, format_call, parse_call, split_list
from bench.spec.plugin_file import kebab
from bench.spec.signature import Parameter
from bench.spec.training import parameter_of
from bench.text import printable

#: What a mapping calls the network of the data sets that it does not name.
DEFAULT = "default"
_NAMED = re.compile(r"(?P<word>[^\[\]='\"]+?)\s*=\s*(?P<network>.+)", re.DOTALL)
_FORM = "give one network, or DATASET=NETWORK for each data set, e.g. mlp,windows=conv1d"
#: (word for data sets, network), the word again for each of several; "" for all that no other word names.
Named = tuple[tuple[str, Call], ...]


def read_networks(value: Any) -> Named:
    """The networks that a value of `network` names, the default first where it has one.

    Args:
        value: text, a `Call`, or a mapping from data sets to either; `default` in it stands for those not named.

    Raises:
        UsageError: nothing that can be read, or two networks for one word.

    >>> [(word, str(network)) for word, network in read_networks("mlp,windows=conv1d[channels=[8]]")]
    [('', 'mlp'), ('windows', 'conv1d[channels=[8]]')]
    """
    pairs = list(_pairs(value))
    if not pairs:
        raise UsageError(f"network={value!r} names no network; {_FORM}")
    found: dict[str, Call] = {}
    for word, network in pairs:
        if word in found:
            whose = f"for {printable(word, 60)}" if word else "for the same data sets"
            raise UsageError(f"--network names two networks {whose}, {found[word].name} and {network.name}; {_FORM}")
        found[word] = network
    ordered = sorted(found.items(), key=lambda pair: pair[0] != "")
    return tuple((word, one) for word, network in ordered for one in expand_network(network))


def expand_network(call: Call) -> list[Call]:
    """One call per combination of the values of parameters that have several.

    A list of lists is several values, and so is a list for a built-in network's parameter that takes none. One list is
    one value; to give a factory of one's own a list of lists, write it as the only one of several: `p=[[[1],[2]]]`.

    >>> [str(one) for one in expand_network(parse_call("mlp[hidden=[[64],[8,8]],activation=[relu,tanh]]"))][:2]
    ['mlp[hidden=[64],activation=relu]', 'mlp[hidden=[64],activation=tanh]']
    """
    known = network_parameters().get(call.name, {})
    values = {key: value if _several(value, known.get(key)) else [value] for key, value in call.params.items()}
    return expand_grid(Call(call.name, values))


def _several(value: Any, parameter: Parameter | None) -> bool:
    if not isinstance(value, list) or not value:
        return False
    takes_none = parameter is not None and parameter.types is not None and "list" not in parameter.types
    return takes_none or all(isinstance(item, list) for item in value)


def as_one(calls: Sequence[Call]) -> Call:
    """The call whose `expand_network` is `calls`, networks of one grid."""
    keys = dict.fromkeys(key for call in calls for key in call.params)
    values: dict[str, list[Any]] = {key: [] for key in keys}
    for key, call in itertools.product(keys, calls):
        if (value := parameter_of(call, key)) not in values[key]:
            values[key].append(value)
    known = network_parameters().get(calls[0].name, {})
    written = {
        key: some if len(some) > 1 or _several(some[0], known.get(key)) else some[0] for key, some in values.items()
    }
    return Call(calls[0].name, written)


def _pairs(value: Any) -> list[tuple[str, Call]]:
    if isinstance(value, Call):
        return [("", value)]
    if isinstance(value, Mapping):
        words = [(key, "" if key == DEFAULT else key, network) for key, network in value.items()]
        if bad := next((key for key, _, network in words if not (isinstance(key, str) and _is_one(network))), None):
            raise UsageError(f"network of {bad!r} cannot be read; {_FORM}")
        return [(word.strip(), _call(network)) for _, word, network in words]
    if isinstance(value, str):
        found = [(_NAMED.fullmatch(part), part) for part in split_list(value)]
        return [(named["word"], _call(named["network"])) if named else ("", _call(part)) for named, part in found]
    raise UsageError(f"network={value!r} cannot be read; {_FORM}")


def _is_one(network: Any) -> bool:
    return isinstance(network, (str, Call))


def _call(network: str | Call) -> Call:
    return network if isinstance(network, Call) else parse_call(network)


def format_networks(named: Named) -> str:
    """The text that `read_networks` reads."""
    by_word: dict[str, list[Call]] = {}
    for word, call in named:
        by_word.setdefault(word, []).append(call)
    texts = {word: format_call(as_one(calls)) for word, calls in by_word.items()}
    return ",".join(f"{word}={text}" if word else text for word, text in texts.items())


def words_of(dataset: Call) -> tuple[str, ...]:
    """The words that mean a data set; the first is the shortest that tells files apart."""
    path = dataset.params.get("path")
    own = (Path(path).stem, Path(path).name) if isinstance(path, str) and Path(path).stem else ()
    return tuple(dict.fromkeys((*own, dataset.name)))


def short_names(labels: Iterable[str]) -> dict[str, str]:
    """What a sentence calls each data set of a table: by its file or plugin, where that tells it from the others.

    >>> short_names(["file[path=/data/iris.csv]", "ring[d=3]", "ring[d=5]"])
    {'file[path=/data/iris.csv]': 'iris', 'ring[d=3]': 'ring[d=3]', 'ring[d=5]': 'ring[d=5]'}
    """
    names = {}
    for label in labels:
        with contextlib.suppress(UsageError):
            names[label] = words_of(parse_call(label))[0]
        names.setdefault(label, label)
    found = list(names.values())
    return {label: name if found.count(name) == 1 else label for label, name in names.items()}


def networks_on(named: Named, dataset: Call) -> tuple[Call, ...]:
    """The networks of a data set, among those of a run with a default."""
    own = tuple(call for word, call in named if word and _means(word, dataset))
    return own or tuple(call for word, call in named if not word)


def refuse_stray(named: Named, datasets: Sequence[Call]) -> None:
    """Raise `UsageError` for a word that means no data set of the run, and for a data set with two networks."""
    known = dict.fromkeys(word for dataset in datasets for word in words_of(dataset))
    asked = list(dict.fromkeys(word for word, _ in named))
    for word in asked:
        if word and not any(_means(word, dataset) for dataset in datasets):
            raise unknown_name("data set in --network", word, known)
    for dataset in datasets:
        words = [word for word in asked if word and _means(word, dataset)]
        if len(words) > 1:
            raise UsageError(
                f"--network names two networks for {printable(words_of(dataset)[0], 60)}, as {words[0]} and as "
                f"{words[1]}; {_FORM}"
            )


def _means(word: str, dataset: Call) -> bool:
    return word in words_of(dataset) or kebab(word) == dataset.name


def spoken(networks: Mapping[str, str]) -> str:
    """Data sets with their networks in words: the network alone where all have one."""
    by: dict[str, list[str]] = {}
    for dataset, network in networks.items():
        by.setdefault(network, []).append(dataset)
    if len(by) == 1:
        return next(iter(by))
    return "; ".join(f"{network} on {', '.join(datasets)}" for network, datasets in by.items())
