"""YAML that somebody else may have written: no aliases, no repeated keys, no deep nesting, no objects."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from bench.errors import UsageError
from bench.text import printable
from bench.untrusted import as_unicode, check_depth, read_bytes

#: Bytes of a configuration or of a run's `spec.yaml`.
MOST_YAML = 1_000_000
_WHOLE, _NUMBER = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"


def read_yaml(path: Path) -> dict[Any, Any]:
    """The mapping that the `spec.yaml` of a run holds.

    Raises:
        UsageError: as `open_regular`; not YAML, with aliases or repeated keys, or no mapping.
    """
    try:
        content = parse_yaml(read_bytes(path, MOST_YAML).decode("utf-8", errors="replace"))
        if not isinstance(content, dict):
            raise ValueError("no mapping")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = printable(" ".join(str(error).split()), 160)
        raise UsageError(f"{printable(path)} is damaged ({why}); restore it or give a new --output") from error
    return content


def parse_yaml(text: str) -> Any:
    """What YAML `text` of at most `MOST_YAML` characters says, read safely.

    Raises:
        yaml.YAMLError: not YAML, aliases, repeated keys, keys that are no words.
        ValueError, RecursionError: values that cannot be read, nesting beyond `DEPTH`.
    """
    content = yaml.load(text, _Loader)
    check_depth(content)
    return as_unicode(content)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, without aliases (a few lines of them make gigabytes) and without repeated keys.

    Numbers are decimal: YAML 1.1 would read 1_0 as 10, 010 as 8 and 1:30 as 90.
    """

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_WHOLE, _NUMBER)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is not a word", problem_mark=key.start_mark)
            if key.value in seen:
                problem = f"key {key.value!r} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(_WHOLE, re.compile(r"[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _NUMBER, re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$"), list("-+.0123456789")
)
