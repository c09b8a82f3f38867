"""`aebench validity`: files, exit codes, and one line for what cannot be done."""

import csv

import pytest

BROKEN = """
from bench import Metric, Value
class Broken(Metric):
    family = "broken"
    values = (Value("broken", "A number.", True),)
    def __init__(self):
        raise KeyError("no")
"""


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
        (("-d", "rows.csv"), "'rows.csv' does not exist"),
        (("-d", "linear-gaussian[n=[300,400]]"), "names 2 data sets"),
        (("-d", "faulty", "--plugins", "faulty.py"), "data set faulty failed to load: KeyError: 'no'"),
        (("-d", "digits", "--metrics", "broken", "--plugins", "broken.py"), "metric 'broken' cannot be built: KeyErr"),
        (
            ("-d", "digits", "--metrics", "energy_fit", "-o", "a-file"),
            "cannot create a-file: File exists; a file",
        ),
    ],
)
def test_one_line_for_what_cannot_be_done(call, tmp_path, arguments, words):
    (tmp_path / "a-file").write_text("kept")
    (tmp_path / "faulty.py").write_text("def load():\n    raise KeyError('no')\n")
    (tmp_path / "broken.py").write_text(BROKEN)
    code, _, err = call("validity", *arguments)
    assert code == 2 and words in err and len(err.strip().splitlines()) == 1  # nothing was measured before
    assert (tmp_path / "a-file").read_text() == "kept" and not (tmp_path / "results").exists()
