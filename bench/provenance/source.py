"""One source file as fingerprints see it: its syntax without comments, formatting and documentation, and its imports.

The syntax tree is written out by field names and values, leaving out what is empty, so that the text is the same for
every version of Python that parses the file to the same tree.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.provenance.kept import Kept
from bench.spec.registry import PACKAGE


class Import(NamedTuple):
    """One import statement.

    Attributes:
        module: what follows `import` or `from`, without leading dots. level: the number of these dots.
        names: what is imported from it; None for `import module`.
        bound: what each of `names` is called in the file.
    """

    module: str
    level: int = 0
    names: tuple[str, ...] | None = None
    bound: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """What a file holds.

    Attributes:
        digest: 16 hex digits of its syntax; of its bytes where it cannot be parsed.
        imports: what running it may import, inside functions too.
        typing: what it imports for type checkers alone.
    """

    digest: str
    imports: tuple[Import, ...] = ()
    typing: tuple[Import, ...] = ()


#: What was found in sources of this package, by any process.
KEPT = Kept(Path(__file__))


def source_of(path: Path) -> Source:
    """The source in `path`: of this package as it was first read, since that is what runs; of others as it is now."""
    stat = path.stat()
    of_package = path.is_relative_to(PACKAGE)
    return _read(path, None if of_package else (stat.st_mtime_ns, stat.st_size))


@functools.lru_cache(maxsize=4096)
def _read(path: Path, stamp: tuple[int, int] | None) -> Source:
    content = path.read_bytes()
    if stamp is not None:
        return _found(content)
    name = hashlib.sha256(content).hexdigest()
    if (entry := KEPT.get(name)) is not None:
        with contextlib.suppress(TypeError, ValueError):
            digest, *statements = entry
            return Source(digest, *(tuple(_import_of(one) for one in found) for found in statements))
    source = _found(content)
    KEPT.set(name, [source.digest, source.imports, source.typing])
    return source


def _import_of(entry: list) -> Import:
    module, level, names, bound = entry
    return Import(module, level, None if names is None else tuple(names), tuple(bound))


def _found(content: bytes) -> Source:
    try:
        with _no_collection():
            visit = _Visitor()
            visit(ast.parse(content))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Source(hashlib.sha256(content).hexdigest()[:16])
    digest = hashlib.sha256("\n".join(visit.words).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Source(digest, tuple(dict.fromkeys(visit.imports)), tuple(dict.fromkeys(visit.typing)))


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection, which takes half the time while a tree is built and finds nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Visitor:
    """Writes a tree as `words` and collects its imports."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.imports: list[Import] = []
        self.typing: list[Import] = []
        self._names_of_package = {"bench"}

    def __call__(self, node: ast.AST) -> None:
        kind = node.__class__
        write = self.words.append
        write(kind.__name__)
        if type(node) is ast.Constant:
            write(repr(node.value))
            return
        if kind in _NOTED:
            _NOTED[kind](self, node)
        for name in kind._fields:
            value = getattr(node, name, None)
            if value is None or name == "ctx":  # the context of a name follows from where it stands
                continue
            if value.__class__ is list:
                self._list(name, value[1:] if name == "body" and _has_docstring(node) else value)
            else:
                write(name)
                self(value) if isinstance(value, ast.AST) else write(repr(value))
        write(")")

    def _list(self, name: str, values: list[Any]) -> None:
        if not values:
            return
        self.words.append(name)
        for value in values:
            self(value) if isinstance(value, ast.AST) else self.words.append(repr(value))
        self.words.append("]")

    def _import(self, node: ast.Import) -> None:
        self.imports += [Import(alias.name) for alias in node.names if alias.name != "bench"]
        self._names_of_package |= {alias.asname or "bench" for alias in node.names if alias.name == "bench"}

    def _import_from(self, node: ast.ImportFrom) -> None:
        names = tuple(alias.name for alias in node.names)
        bound = tuple(alias.asname or alias.name for alias in node.names)
        self.imports.append(Import(node.module or "", node.level, names, bound))

    def _if(self, node: ast.If) -> None:
        """What stands under `if TYPE_CHECKING` is set apart."""
        if getattr(node.test, "id", getattr(node.test, "attr", "")) != "TYPE_CHECKING":
            return
        inside = _Visitor()
        for statement in node.body:
            inside(statement)
        self.typing += inside.imports
        node.body = []

    def _attribute(self, node: ast.Attribute) -> None:
        """`bench.split_arrays` imports what the package offers under that name."""
        if getattr(node.value, "id", None) in self._names_of_package:
            self.imports.append(Import("bench", 0, (node.attr,), (node.attr,)))

    def _call(self, node: ast.Call) -> None:
        """`importlib.import_module("name")`."""
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
            self.imports.append(Import(str(node.args[0].value)))


_NOTED: dict[type, Callable[[_Visitor, Any], None]] = {
    ast.Import: _Visitor._import,
    ast.ImportFrom: _Visitor._import_from,
    ast.If: _Visitor._if,
    ast.Attribute: _Visitor._attribute,
    ast.Call: _Visitor._call,
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _has_docstring(node: ast.AST) -> bool:
    if not isinstance(node, _DOCUMENTED) or not node.body:
        return False
    first = node.body[0]
    return isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
