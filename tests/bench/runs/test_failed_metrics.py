"""A metric of one's own that raises for one of three seeds: the number of seeds, the reason, the exit code."""

import pytest
from runs import execute

from bench.reports.model import load_report
from bench.reports.views.markdown import markdown
from bench.runs.runner import RunOutcome
from bench.store.run_store import RunStore

OWN = '''
from bench import Metric, Value

class Fragile(Metric):
    """Fails for seed 1."""
    family = "shape"
    values = (Value("fragile", "A number.", True, formula="1", primary=True),)

    def compute(self, view, rng):
        if SEEN.append(view.model) or len(SEEN) == 2:
            raise ZeroDivisionError("nothing to divide by")
        return {"fragile": 1.0}

SEEN = []
'''


@pytest.fixture(scope="module")
def failed_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fragile")
    (folder / "fragile.py").write_text(OWN)
    settings = {"variant": ["ae"], "plugins": [str(folder / "fragile.py")], "metrics": "test_mse,fragile", "steps": 5}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda directory: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        outcomes = [execute(folder / "run", seeds=3, **settings) for _ in range(2)]
    return folder / "run", outcomes


def test_the_run_says_so_each_time_it_is_called(failed_once):
    _, outcomes = failed_once
    assert all(isinstance(outcome, RunOutcome) for outcome in outcomes)
    assert [(outcome.n_run, outcome.n_failed, outcome.n_incomplete) for outcome in outcomes] == [(3, 0, 1), (0, 0, 1)]


def test_the_report_counts_the_seeds_and_gives_the_reason(failed_once):
    directory, _ = failed_once
    line = "fragile of ae on linear-gaussian[d=6,n=300]: 2 of 3 seeds have a number, because the metric failed"
    (note,) = [note for note in RunStore.open(directory).data().notes if "fragile" in note]
    assert note == f"{line} (ZeroDivisionError: nothing to divide by)"
    text = markdown(load_report(directory), [])
    assert "2 of 3 seeds have a number" in text and "nothing to divide by" in text
