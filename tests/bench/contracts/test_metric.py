"""What values of a metric declare together."""

import re
from dataclasses import replace

import pytest

from bench.contracts.metric import WORDS, Value, each


def test_a_group_is_the_same_as_its_values_written_out():
    grouped = each(
        Value("kid_{source}", "Distance of decodes of {source}.", False, formula="z ~ {source}", core=True),
        Value("seen_{source}", "Seen of {source}.", True, unit="nats", formula="#{j: x}", needs=("images",)),
        source=("fit", "prior"),
        range="[0, 1]",
        needs=("labels",),
    )
    fit, prior = ("encode", "decode", "labels"), ("decode", "prior", "labels")
    words = "Distance of decodes of N(m, S) of the codes."
    dependent = "Distance of decodes of the prior."
    expected = (
        Value("kid_fit", words, False, "", "[0, 1]", "z ~ N(m, S)", fit, core=True),
        Value("seen_fit", "Seen of N(m, S) of the codes.", True, "nats", "[0, 1]", "#{j: x}", (*fit, "images")),
        Value("kid_prior", dependent, False, "", "[0, 1]", "z ~ prior", prior, "dependent", True),
        Value("seen_prior", "Seen of the prior.", True, "nats", "[0, 1]", "#{j: x}", (*prior, "images"), "dependent"),
    )
    sources = ("fit", "fit", "prior", "prior")
    assert grouped == tuple(replace(one, drawn_from=at) for one, at in zip(expected, sources, strict=True))


def test_the_first_place_is_the_outermost_and_words_of_ones_own_are_a_mapping():
    names = {"1": ("1 draw", "1 weight"), "10": ("10 draws", "10 weights")}
    values = each(Value("{of}_{k}", "{of}, {k}.", None, formula="mean of {k}"), of={"a": "an A", "b": "a B"}, k=names)
    assert [value.name for value in values] == ["a_1", "a_10", "b_1", "b_10"]
    assert values[1].summary == "an A, 10 draws."
    assert values[1].formula == "mean of 10 weights"


def test_a_stated_field_wins_over_a_shared_one():
    first, second = each(Value("a", "s", None, unit="nats"), Value("b", "s", None), unit="dims", primary=True)
    assert (first.unit, second.unit) == ("nats", "dims")
    assert first.primary and second.primary


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"source": ("fit", "priors")}, "no words for source 'priors'; known: fit, mixture, prior"),
        ({"colour": ("red",)}, "no words for colour 'red'; give a mapping"),
        ({"core_": True}, "core_=True is neither a field of Value nor a list of tags"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(given, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        each(Value("a", "s", None), **given)


def test_a_group_takes_values_only():
    with pytest.raises(ValueError, match=r"each.* holds 'a'"):
        each("a", core=True)


def test_known_words_hold_no_places():
    """Otherwise what is filled in would depend on the order of places."""
    assert not any("{" in text for words in WORDS.values() for word in words.values() for text in word[:2])
