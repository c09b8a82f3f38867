"""The grammar of `NAME[p=v]`: readings, spellings, the round trip, and errors that name the place."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.spec.call import Call, as_grid, expand_grid, format_call, parse_call, split_list

NAMES = st.from_regex(r"[a-z][a-z0-9_.:-]{0,12}", fullmatch=True)
KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["true", "None", "1", "1e5", "-0.5", ".5", " a", "a,b", "[x]", "it's", 'a"b', "C:\\data", "=", "007"]
    )
)
VALUES = st.recursive(SCALARS, lambda items: st.lists(items, max_size=3), max_leaves=6)
CALLS = st.builds(Call, NAMES, st.dictionaries(KEYS, VALUES, max_size=4))


def same(a: object, b: object) -> bool:
    """Equality that tells truth values from numbers (1 == True in Python) but not whole floats from ints."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b and isinstance(a, bool) == isinstance(b, bool)


@given(CALLS)
def test_every_call_survives_writing_and_reading(call):
    text = format_call(call)
    again = parse_call(text)
    assert again.name == call.name
    assert list(again.params) == list(call.params)
    assert all(same(again.params[key], value) for key, value in call.params.items())
    assert format_call(again) == text
    assert text.isprintable()


@given(st.text(max_size=40))
def test_arbitrary_text_is_read_or_refused_in_one_line(text):
    try:
        call = parse_call(text)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert parse_call(format_call(call)) == call


@given(st.text(alphabet="ab[]=,'\" 1.e-\\", max_size=25))
def test_text_made_of_the_grammars_own_characters_never_breaks_it(tail):
    try:
        call = parse_call("n[" + tail)
    except UsageError:
        return
    assert parse_call(format_call(call)) == call


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("vae", {}),
        ("vae[]", {}),
        (" vae [ beta = 0.5 , samples=2 ] ", {"beta": 0.5, "samples": 2}),
        ("vae[kl-weight=auto]", {"kl_weight": "auto"}),
        ("vae[a=3e-3,b=1E2,c=-1,d=+2,e=.5,f=5.]", {"a": 0.003, "b": 100.0, "c": -1, "d": 2, "e": 0.5, "f": 5.0}),
        ("vae[a=true,b=False,c=none,d=NULL]", {"a": True, "b": False, "c": None, "d": None}),
        ("vae[p=/data/my file.csv,q=C:\\x]", {"p": "/data/my file.csv", "q": "C:\\x"}),
        ("vae[p='a,b]',q=\"c\\td\"]", {"p": "a,b]", "q": "c\td"}),
        ("vae[p='1',q=007,r=1_0]", {"p": "1", "q": "007", "r": "1_0"}),
        ("vae[p=inf,q=nan,r=1e999]", {"p": "inf", "q": "nan", "r": "1e999"}),
        ("vae[p=[1,[2,x]],q=[]]", {"p": [1, [2, "x"]], "q": []}),
        ("vae[p=a=b]", {"p": "a=b"}),
    ],
)  # fmt: skip
def test_readings(text, params):
    call = parse_call(text)
    assert call.params == params
    assert [type(value) for value in call.params.values()] == [type(value) for value in params.values()]


def test_a_network_of_ones_own_keeps_its_name():
    assert parse_call("my_pkg.nets:Conv_Net[width=3]").name == "my_pkg.nets:Conv_Net"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("vae[beta=5", "character 4 is never closed"),
        ("vae[p=[1,2]", "character 4 is never closed"),
        ("vae[p=[1,2", "character 7 is never closed"),
        ("vae]", "']' at character 4"),
        ("vae[beta=5]x", "'x' at character 12"),
        ("vae[beta=]", "character 10"),
        ("vae[beta]", "'beta' has no value"),
        ("vae[beta=1,beta=2]", "'beta' is given twice"),
        ("vae[kl-weight=1,kl_weight=2]", "'kl_weight' is given twice"),
        ("vae[p='a]", "character 7 is never closed"),
        ('vae[p="a]', "character 7"),
        ("vae[=1]", "a parameter name is expected at character 5"),
        ("", "a name is expected"),
        ("5[x=1]", "a name is expected at character 1"),
        ("a[p=" + "[" * 50, "more than 20 deep"),
    ],
)
def test_errors_name_the_place(text, place):
    with pytest.raises(UsageError, match="cannot be read") as raised:
        parse_call(text)
    assert place in str(raised.value)


def test_order_of_parameters_does_not_matter_for_equality_and_hash():
    first, second = parse_call("v[a=1,b=[2,3]]"), parse_call("v[b=[2,3],a=1.0]")
    assert first == second
    assert hash(first) == hash(second)
    assert first != parse_call("v[a=1,b=[3,2]]")


def test_one_spelling_for_equal_numbers():
    assert format_call(Call("v", {"a": 5.0, "b": 0.1, "c": 1e22, "d": 3e-3})) == "v[a=5,b=0.1,c=1e+22,d=0.003]"


def test_numpy_scalars_and_paths_become_plain(tmp_path):
    call = Call("v", {"a": np.float32(0.5), "b": np.int64(3), "c": (1, 2), "d": tmp_path})
    assert call.params == {"a": 0.5, "b": 3, "c": [1, 2], "d": str(tmp_path)}


@pytest.mark.parametrize("value", [math.nan, math.inf, {"x": 1}, object(), 2**63, [math.nan]])
def test_values_that_cannot_be_written_are_refused(value):
    with pytest.raises(UsageError, match="v: a"):
        Call("v", {"a": value})


def test_grid_has_every_combination_with_the_last_parameter_fastest():
    grid = expand_grid(parse_call("v[a=[1,2],b=x,c=[3,4]]"))
    assert [format_call(call) for call in grid] == [
        "v[a=1,b=x,c=3]",
        "v[a=1,b=x,c=4]",
        "v[a=2,b=x,c=3]",
        "v[a=2,b=x,c=4]",
    ]


def test_a_list_as_a_value_is_a_grid_of_one():
    assert expand_grid(parse_call("v[a=[[1,2]]]")) == [Call("v", {"a": [1, 2]})]


@given(CALLS)
def test_as_grid_is_undone_by_expansion(call):
    assert expand_grid(parse_call(format_call(as_grid(call)))) == [call]


def test_empty_grid_is_refused():
    with pytest.raises(UsageError, match="empty grid"):
        expand_grid(parse_call("v[a=[]]"))


def test_split_list_respects_brackets_and_quotes():
    assert split_list(" a, b[x=1,y=[2,3]] ,,'c,d' ") == ["a", "b[x=1,y=[2,3]]", "'c,d'"]


def test_windows_paths_are_shown_as_typed_with_a_hint_on_quotes():
    assert parse_call("file[path=C:\\new\\1.csv]").params["path"] == "C:\\new\\1.csv"
    with pytest.raises(UsageError) as caught:
        parse_call('file[path="C:\\data\\x.csv"]')
    assert r'file[path="C:\data\x.csv"]' in str(caught.value) and r"C:\\data" not in str(caught.value)
    assert "without quotes or in '…'" in str(caught.value)
