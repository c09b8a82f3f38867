"""Whole numbers on the command line: written with the digits 0 to 9 and nothing else."""

from __future__ import annotations

import re
from typing import Any

import click


class WholeNumber(click.ParamType):
    """As `int`, without what Python's reading also takes: 1_0 for 10, digits of other scripts."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", value.strip()):
            self.fail(f"{value!r} is not a whole number; write it with the digits 0 to 9 alone", param, context)
        return int(value)


WHOLE = WholeNumber()


class WholeNumbers(WholeNumber):
    """One whole number, several separated by commas, which become a list, or auto."""

    name = "integers"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        if isinstance(value, (int, list)) or value == "auto":
            return value
        found = [super(WholeNumbers, self).convert(part, param, context) for part in value.split(",")]
        return found[0] if len(found) == 1 else found


WHOLE_LIST = WholeNumbers()
