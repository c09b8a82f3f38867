"""`aebench validity`: files, exit codes, and one line for what cannot be done."""

import csv

import pytest


def test_files_and_exit_code(call, tmp_path):
    code, out, _ = call(
        "validity", "-d", "linear-gaussian[n=900]", "--metrics", "energy_prior", "-o", str(tmp_path / "v"), "-q"
    )
    assert code == 0 and "every metric that ranks keeps its claims" in out
    assert {path.name for path in (tmp_path / "v").iterdir()} == {"validity.csv", "validity.md", "validity.png"}
    with open(tmp_path / "v" / "validity.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["metric"] for row in rows} == {"energy_prior"} and float(rows[0]["strength"]) == 0
    assert {"averaging", "noise"} <= {row["sweep"] for row in rows} and "blur" not in {row["sweep"] for row in rows}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-d", "nothing"), "nothing"),
        (("-d", "digits", "--metrics", "energi"), "energ"),
        (("-d", "digits", "--metrics", "active_units"), "sweeps speak about"),
        (("-d", "digits", "--rows", "3"), "--rows"),
        ((), "--dataset"),
    ],
)
def test_one_line_for_what_cannot_be_done(call, arguments, words):
    code, _, err = call("validity", *arguments)
    assert code == 2 and words in err and len(err.strip().splitlines()) == 1
