"""Whole numbers on the command line: decimal digits, or one line and exit code 2."""

import pytest


@pytest.mark.parametrize("text", ["1_0", "\u0661\u0662", "\uff11", "1.5", "ten", ""])
@pytest.mark.parametrize("option", ["--steps", "--latent-dim", "-b", "--threads"])
def test_other_spellings_are_refused(call, option, text):
    code, _, err = call("run", option, text, "-n")
    assert code == 2 and "is not a whole number; write it with the digits 0 to 9 alone" in err


@pytest.mark.parametrize("text", ["1_0", "\u0661\u0662", "1.5", "ten", "", "0"])
def test_so_are_they_where_auto_may_stand(call, text):
    code, _, err = call("run", "-j", text, "-n")
    assert code == 2 and "is neither a whole number of at least 1 nor auto" in err


def test_digits_are_read(call):
    assert call("run", "--steps", "+10", "-m", "ae", "-n")[0] == 0
