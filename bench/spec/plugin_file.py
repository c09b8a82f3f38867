"""What a plugin file holds, read with `ast` and never run: kind, name, documentation, signature, declared values.

A variant file has one class derived from `Variant`, `GaussianVariant` or `ElboVariant`, a data set file a function
`load`, a metric file one class derived from `Metric`, a sampler file one derived from `Sampler`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.spec.signature import Parameter, read_constants, read_parameters
from bench.text import printable
from bench.untrusted import read_bytes

if TYPE_CHECKING:
    from bench.contracts.metric import Value

KINDS = ("variant", "dataset", "metric", "sampler")
_BASES = {
    "variant": {"Variant", "GaussianVariant", "ElboVariant"},
    "metric": {"Metric"},
    "sampler": {"Sampler"},
}
#: What classes state in literals, by kind, with the value of a class that does not.
_LITERALS: dict[str, dict[str, Any]] = {
    "variant": {"family": "", "reference": "", "uses_labels": False},
    "sampler": {"reference": ""},
}
_LARGEST_FILE = 4_000_000


@dataclass(frozen=True)
class PluginInfo:
    """One plugin, as far as its source tells.

    Attributes:
        name: kebab-case: what the class states as `name`, else the file's (or the entry point's).
        stated: whether the class states it, so that a renamed file is the same plugin.
        kind: of `KINDS`.
        path: its source file, or None where an entry point's source cannot be located.
        entry_point: "module:attribute" of an installed foreign plugin, or None.
        attribute: the class or function in the file.
        summary: first line of the documentation. doc: all of it.
        parameters: the signature.
        family: of a metric or variant, "" elsewhere.
        reference: the paper of a variant or sampler, "" elsewhere.
        uses_labels: whether a variant trains on labels.
        values: what a metric reports, in the file's order; empty elsewhere.
        broken: why the plugin cannot be used, or None.
    """

    name: str
    kind: str
    path: Path | None
    entry_point: str | None = None
    attribute: str = ""
    summary: str = ""
    doc: str = ""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    family: str = ""
    reference: str = ""
    uses_labels: bool = False
    values: tuple[Value, ...] = ()
    broken: str | None = None
    stated: bool = False

    @property
    def signature(self) -> dict[str, Any]:
        """Parameter → default, or `REQUIRED`."""
        return {key: parameter.default for key, parameter in self.parameters.items()}

    @property
    def origin(self) -> str:
        """Where it comes from, for messages."""
        return str(self.path or self.entry_point)


def kebab(name: str) -> str:
    """The name as users write it: `stochastic_ae` and `Stochastic-AE` are `stochastic-ae`."""
    return name.replace("_", "-").lower()


def describe_file(
    path: Path, kind: str | None = None, *, name: str | None = None, entry_point: str | None = None, attribute: str = ""
) -> PluginInfo | None:
    """What `path` holds; None where it holds no plugin (of that `kind`).

    Args:
        kind: what it must be; None to tell by its content.
        name: the plugin's name where it is not the file's.
        attribute: the class or function to describe; "" for the only one.
    """
    name = kebab(name or path.stem)
    known: dict[str, Any] = {"name": name, "path": path, "entry_point": entry_point}
    text = ""
    try:
        text = read_source(path).decode("utf-8")
        tree = ast.parse(text, filename=str(path))
    except SyntaxError as error:
        return PluginInfo(kind=kind or _guess(text), broken=f"line {error.lineno}: {error.msg}", **known)
    except UnicodeDecodeError:
        return PluginInfo(kind=kind or "variant", broken="the file is not UTF-8 text", **known)
    except (UsageError, ValueError, MemoryError, RecursionError) as error:
        why = getattr(error.__cause__, "strerror", None) or str(error)
        return PluginInfo(kind=kind or _guess(text), broken=why, **known)
    for candidate in (kind,) if kind else KINDS:
        try:
            info = _describe(tree, candidate, known, attribute)
        except ValueError as error:
            return PluginInfo(
                kind=candidate, broken=str(error), doc=_doc(tree), summary=_first_line(_doc(tree)), **known
            )
        if info is not None:
            return info
    return None


def read_source(path: Path) -> bytes:
    """The source of a plugin; `UsageError` where it is no regular file of at most 4 MB."""
    return read_bytes(path, _LARGEST_FILE)


def _describe(tree: ast.Module, kind: str, known: dict[str, Any], attribute: str) -> PluginInfo | None:
    constants = read_constants(tree)
    if kind == "dataset":
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        found = [node for node in functions if node.name == (attribute or "load")]
        if not found:
            return None
        parameters = read_parameters(found[-1], skip_first=False, constants=constants)
        doc = ast.get_docstring(found[-1]) or ""
        whole = "\n\n".join(part for part in (_doc(tree), doc) if part)
        return _info(kind, known, found[-1].name, _first_line(_doc(tree) or doc), whole, parameters=parameters)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    node = _only_class(classes, _BASES[kind], kind, attribute)
    if node is None:
        return None
    doc = ast.get_docstring(node) or ""
    whole = "\n\n".join(part for part in (_doc(tree), doc) if part)
    summary = _first_line(doc or _doc(tree))
    known = known | _stated_name(node)
    init = _init(node, classes)
    parameters = read_parameters(init, skip_first=True, constants=constants) if init else {}
    if kind == "metric":
        values = {"family": _literal_attribute(node, "family", ""), "values": tuple(_values(tree, constants))}
        return _info(kind, known, node.name, summary, whole, parameters=parameters, **values)
    stated = {name: _literal_attribute(node, name, default) for name, default in _LITERALS[kind].items()}
    return _info(kind, known, node.name, summary, whole, parameters=parameters, **stated)


def _info(kind: str, known: dict[str, Any], attribute: str, summary: str, doc: str, **fields: Any) -> PluginInfo:
    return PluginInfo(kind=kind, attribute=attribute, summary=summary, doc=doc, **known, **fields)


def _only_class(classes: dict[str, ast.ClassDef], bases: set[str], kind: str, wanted: str) -> ast.ClassDef | None:
    """The one concrete class that derives from one of `bases`, directly or through classes of the same file."""

    def derives(node: ast.ClassDef, seen: frozenset[str]) -> bool:
        names = _base_names(node)
        return bool(names & bases) or any(
            derives(classes[name], seen | {name}) for name in names & classes.keys() - seen - bases
        )

    found = {name: node for name, node in classes.items() if name not in bases and derives(node, frozenset({name}))}
    if wanted:
        return classes.get(wanted)
    parents = set().union(*(_base_names(node) for node in found.values()))
    concrete = [node for name, node in found.items() if name not in parents and not name.startswith("_")]
    if len(concrete) > 1:
        names = ", ".join(node.name for node in concrete)
        raise ValueError(f"it holds {len(concrete)} {kind} classes ({names}); one file holds one {kind}")
    return concrete[0] if concrete else None


def _base_names(node: ast.ClassDef) -> set[str]:
    return {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}


def _init(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> ast.FunctionDef | None:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return item
    known = classes | {name: base for name, base in _contract_classes().items() if name not in classes}
    parents = (known[name] for name in _base_names(node) & known.keys() - {node.name})
    return next((init for parent in parents if (init := _init(parent, classes))), None)


@cache
def _contract_classes() -> dict[str, ast.ClassDef]:
    """The base classes of variants, whose `__init__` is that of a class without one of its own."""
    path = Path(__file__).resolve().parents[1] / "contracts" / "variant.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in _BASES["variant"]}


def _stated_name(node: ast.ClassDef) -> dict[str, Any]:
    """The name that a class states for itself, as entries of a `PluginInfo`; {} where it states none.

    Raises:
        ValueError: one that no command line could write.
    """
    name = _literal_attribute(node, "name", "")
    if name and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,60}", name):
        raise ValueError(f"name = {printable(repr(name), 60)} is no plugin name; give letters, digits and -")
    return {"name": kebab(name), "stated": True} if name else {}


def _literal_attribute(node: ast.ClassDef, name: str, default: Any) -> Any:
    """What a class binds `name` to.

    Raises:
        ValueError: something else than a literal of the default's type.
    """
    for item in node.body:
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = getattr(getattr(item, "value", None), "value", None)
            if type(value) is not type(default):
                wanted = "true or false" if isinstance(default, bool) else "text in quotes"
                raise ValueError(f"line {item.lineno}: {name} is no literal; write {wanted}")
            return value
    return default


def _values(tree: ast.Module, constants: dict[str, Any]) -> list[Value]:
    """What the `Value(...)` and `each(...)` calls of a file declare, in order.

    Raises:
        ValueError: an argument that is not a literal, or that the class would refuse; or no call at all.
    """
    found = [value for call in _declarations(tree) for value in _declared(call, constants)]
    names = [value.name for value in found]
    if not found:
        raise ValueError("it declares no values; list Value(...) literals in the class attribute `values`")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two values are called {twice[0]}; give each a name of its own")
    return found


def _declarations(node: ast.AST) -> Iterator[ast.Call]:
    """The outermost calls of `Value` and `each` below a node, as written."""
    waiting = [*ast.iter_child_nodes(node)][::-1]
    while waiting:
        child = waiting.pop()
        if isinstance(child, ast.Call) and getattr(child.func, "id", "") in ("Value", "each"):
            yield child
        else:
            waiting += [*ast.iter_child_nodes(child)][::-1]


def _declared(call: ast.Call, constants: dict[str, Any]) -> tuple[Value, ...]:
    """The value of a call of `Value`, or the values of a call of `each`."""
    from bench.contracts.metric import Value, each

    group = getattr(call.func, "id", "") == "each"
    calls = [list(_declarations(ast.Expression(argument))) for argument in call.args] if group else []
    inner = [value for found in calls for one in found for value in _declared(one, constants)]
    try:
        options = {str(item.arg): _literal(item.value, constants) for item in call.keywords}
        if not all(calls):
            raise ValueError("each(...) holds something else than Value(...) literals")
        if group:
            return each(*inner, **options)
        return (_checked(Value(*(_literal(argument, constants) for argument in call.args), **options)),)
    except (ValueError, TypeError) as error:
        raise ValueError(f"line {call.lineno}: {error}") from None


def _checked(value: Value) -> Value:
    texts = (value.name, value.summary, value.unit, value.range, value.formula, *value.needs)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("Value(...) takes text for name, summary, unit, range, formula and each need")
    return value


def _literal(node: ast.expr, constants: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ValueError("Value(...) holds something else than literals") from None


def _doc(tree: ast.Module) -> str:
    return ast.get_docstring(tree) or ""


def _first_line(doc: str) -> str:
    """The first paragraph in one line."""
    return " ".join(doc.split("\n\n")[0].split())


def _guess(text: str) -> str:
    """The kind of a file that cannot be parsed."""
    for kind, base in (("metric", "Metric"), ("sampler", "Sampler")):
        if re.search(rf"\(\s*(\w+\.)?{base}\s*\)", text):
            return kind
    return "dataset" if re.search(r"^def\s+load\b", text, re.MULTILINE) else "variant"
