"""Signatures read from source agree with `inspect`, and values are converted or refused by the annotation."""

import ast
import inspect

import pytest

from bench.errors import UsageError
from bench.spec.call import Call, expand_grid, format_call, parse_call
from bench.spec.signature import REQUIRED, Parameter, fill_parameters, read_constants, read_parameters

SOURCE = """
from typing import Literal, Optional
LIMIT = 2_000
def f(a, b: int = 3, c: float = 1, d: "float | str" = "auto", e: list[int] = (1, 2), *, g: str | None = None,
      h: bool = False, i=-0.5, j: Optional[int] = LIMIT, k: Literal["sum", "mean", 1] = "sum"):
    pass
"""


@pytest.fixture
def parameters():
    tree = ast.parse(SOURCE)
    return read_parameters(tree.body[-1], skip_first=False, constants=read_constants(tree))


def test_names_and_defaults_are_those_of_the_running_function(parameters):
    space: dict = {}
    exec(SOURCE, space)
    for key, truth in inspect.signature(space["f"]).parameters.items():
        expected = REQUIRED if truth.default is inspect.Parameter.empty else truth.default
        found = parameters[key].default
        assert found == (list(expected) if isinstance(expected, tuple) else expected)
    assert list(parameters) == list(inspect.signature(space["f"]).parameters)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("f[a=x]", "a", "x"),
        ("f[a=x]", "b", 3),
        ("f[a=x,c=2]", "c", 2.0),
        ("f[a=x,d=2]", "d", 2.0),
        ("f[a=x,d=auto]", "d", "auto"),
        ("f[a=x,d=none]", "d", "none"),
        ("f[a=x,e=[3]]", "e", [3]),
        ("f[a=x,g=2024]", "g", "2024"),
        ("f[a=x,g=true]", "g", "true"),
        ("f[a=x,g=True]", "g", "True"),
        ("f[a=x,g=1.10]", "g", "1.10"),
        ("f[a=x,g=1.0]", "g", "1.0"),
        ("f[a=x,g=1e3]", "g", "1e3"),
        ("f[a=x,g=+7]", "g", "+7"),
        ('f[a=x,g="none"]', "g", "none"),
        ("f[a=x,g=none]", "g", None),
        ("f[a=x,h=true]", "h", True),
        ("f[a=x,i=2]", "i", 2.0),
        ("f[a=x,j=none]", "j", None),
        ("f[a=x]", "j", 2000),
        ("f[a=x,k=mean]", "k", "mean"),
        ("f[a=x,k=1]", "k", 1),
    ],
)
def test_values_take_the_annotated_type(parameters, text, key, value):
    filled = fill_parameters("f", parse_call(text), parameters)
    assert filled.params[key] == value
    assert type(filled.params[key]) is type(value)
    assert list(filled.params) == list(parameters)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f", "f needs a value for 'a'"),
        ("f[a=1,b=1.5]", "b=1.5 has the wrong type; give a whole number"),
        ("f[a=1,b=true]", "b=true has the wrong type"),
        ("f[a=1,b=none]", "b=none has the wrong type"),
        ("f[a=1,c=fast]", "c=fast has the wrong type; give a number"),
        ("f[a=1,h=1]", "h=1 has the wrong type; give true or false"),
        ("f[a=1,e=3]", "e=3 has the wrong type; give a list"),
        ("f[a=1,g=[1]]", "g=[1] has the wrong type; give text"),
        ("f[a=1,k=max]", "k=max has the wrong type; give sum or mean or 1"),
        ("f[a=1,k=true]", "k=true has the wrong type"),
        ("f[a=1,bb=1]", "unknown parameter of f 'bb'; did you mean b?"),
    ],
)
def test_wrong_calls_are_refused_with_what_is_expected(parameters, text, expected):
    with pytest.raises(UsageError) as raised:
        fill_parameters("f", parse_call(text), parameters)
    assert expected in str(raised.value)


def test_a_function_without_parameters_says_so():
    with pytest.raises(UsageError, match="ae takes no parameters, but 'x' is given"):
        fill_parameters("ae", Call("ae", {"x": 1}), {})


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("**options", "name every parameter"),
        ("*values", "name every parameter"),
        ("a=compute()", "'a' is not a literal"),
        ("a={'x': 1}", "'a' cannot be written"),
        ("a=1e999", "'a' cannot be written"),
    ],
)
def test_signatures_that_cannot_be_configured_are_refused(signature, reason):
    tree = ast.parse(f"def f({signature}): pass")
    with pytest.raises(ValueError, match=reason):
        read_parameters(tree.body[0], skip_first=False, constants={})


def test_unknown_annotations_accept_anything():
    tree = ast.parse("def f(a: torch.Tensor = 1, b: list[int] | Foo = 2): pass")
    found = read_parameters(tree.body[0], skip_first=False, constants={})
    assert found == {"a": Parameter(1, None), "b": Parameter(2, None)}


def test_constants_of_the_contracts_are_followed_through_imports():
    from bench.data.split_arrays import MEMORY_LIMIT

    source = (
        "from bench.data.split_arrays import MEMORY_LIMIT as LIMIT, split_arrays\ndef load(limit: int = LIMIT): pass"
    )
    tree = ast.parse(source)
    found = read_parameters(tree.body[-1], skip_first=False, constants=read_constants(tree))
    assert found["limit"].default == MEMORY_LIMIT
    assert read_constants(ast.parse("from bench.nowhere import X\nfrom .bench import Y\nimport bench")) == {}


TEXT = "def load(path: str, label: str | None = None): pass"


@pytest.mark.parametrize("word", ["1.10", "0.10", "1e3", "1.0", "True", "None", "NULL", "007", "+5", "1e999", ".5"])
def test_what_is_text_takes_what_was_typed_also_in_grids_and_when_written_and_read_again(word):
    tree = ast.parse(TEXT)
    known = read_parameters(tree.body[0], skip_first=False, constants={})
    for call in (parse_call(f"load[path={word}]"), *expand_grid(parse_call(f"load[path=[{word},{word}]]"))):
        filled = fill_parameters("load", call, known)
        assert filled.params["path"] == word
        assert fill_parameters("load", parse_call(format_call(filled)), known) == filled
    assert len(expand_grid(parse_call("load[path=[1.10,1.1]]"))) == 2


def test_how_a_number_was_typed_does_not_tell_calls_apart():
    assert parse_call("v[a=1.0]") == parse_call("v[a=1]") and hash(parse_call("v[a=1.0]")) == hash(parse_call("v[a=1]"))


@pytest.mark.parametrize(
    "later, filled", [(("b",), "f[a=1]"), ((), "f[a=1,b=2]"), (5, "f[a=1,b=2]"), ("b", "f[a=1,b=2]")]
)
def test_parameters_that_came_later_are_written_only_where_they_differ(later, filled):
    function = ast.parse("def f(a: int = 1, b: int = 2): pass").body[0]
    known = read_parameters(function, skip_first=False, constants={"LATER": later})
    for text in ("f", "f[b=2]"):
        assert format_call(fill_parameters("f", parse_call(text), known)) == filled
    assert format_call(fill_parameters("f", parse_call("f[b=3]"), known)) == "f[a=1,b=3]"
