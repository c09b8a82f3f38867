"""What is known of a run's metrics: what the run itself says goes before today's code, and outlives a plugin's file."""

import json

import pytest
from runs import execute

from bench.analysis.catalogue import catalogue, declarations
from bench.analysis.compare import compare
from bench.analysis.verdicts import verdicts
from bench.errors import UsageError
from bench.reports.model import load_report
from bench.spec.registry import Registry
from bench.spec.run import FACTS
from bench.store.measurements import MetricInfo
from bench.store.run_store import RunStore

OWN = '''
from bench import Metric, Value

class Spread(Metric):
    """How far decodes lie apart."""
    family = "shape"
    values = (
        Value("own_spread", "How far decodes lie apart.", True, formula="E", needs=("decode",), primary=True),
        Value("own_noise", "Never asked for.", None),
    )

    def compute(self, view, rng):
        return {"own_spread": float(view.reconstructions("test").std())}
'''


@pytest.fixture(scope="module")
def own_metric_gone(tmp_path_factory):
    """Two runs with a metric of one's own, whose file was deleted afterwards."""
    folder = tmp_path_factory.mktemp("own")
    plugin = folder / "spread.py"
    plugin.write_text(OWN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda directory: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        for name in ("base", "new"):
            execute(folder / name, plugins=[str(plugin)], metrics="test_mse,own_spread", steps=5, seeds=3)
    plugin.unlink()
    return folder


def test_ones_own_metric_stays_among_the_winners_when_its_file_is_gone(own_metric_gone):
    (section,) = load_report(own_metric_gone / "new").sections
    metric = section.metrics["own_spread"]
    assert (metric.family, metric.primary, metric.summary) == ("shape", True, "How far decodes lie apart.")
    assert {verdict.metric for verdict in verdicts(section)} == {"test_mse", "own_spread"}


def test_ones_own_metric_is_compared_when_its_file_is_gone(own_metric_gone):
    changes = compare(own_metric_gone / "base", own_metric_gone / "new").changes
    assert {change.metric for change in changes} == {"test_mse", "own_spread"}
    assert {change.mark for change in changes} == {"~"}


def test_a_run_says_what_it_measured_and_no_more(own_metric_gone):
    assert set(RunStore.open(own_metric_gone / "new").load_metrics()) == {"test_mse", "own_spread", *FACTS}


def test_what_a_run_says_goes_before_todays_code():
    stored = declarations(Registry.discover())
    stored["test_mse"] |= {"summary": "As it was.", "family": "collapse", "primary": False}
    infos = [MetricInfo("test_mse", "per dim", False), MetricInfo("kl[0]", "nats", None)]
    then, now = catalogue(infos, {"test_mse": stored["test_mse"]}), catalogue(infos, {})
    assert (then["test_mse"].summary, then["test_mse"].family, then["test_mse"].primary) == (
        "As it was.",
        "collapse",
        False,
    )
    assert (now["test_mse"].family, now["test_mse"].primary) == ("reconstruction", True)
    assert then["kl[0]"] == now["kl[0]"]
    assert then["kl[0]"].family == "collapse"


def test_todays_code_is_not_even_read_where_the_run_says_all(monkeypatch):
    stored = declarations(Registry.discover())
    monkeypatch.setattr(Registry, "discover", lambda *arguments: pytest.fail("read"))
    assert catalogue([MetricInfo("test_mse", "", False), MetricInfo("kl[3]", "", None)], stored)["kl[3]"].formula


def test_one_plugin_that_is_gone_does_not_hide_another(tmp_path):
    (tmp_path / "spread.py").write_text(OWN)
    paths = [str(tmp_path / "gone.py"), str(tmp_path / "spread.py")]
    assert catalogue([MetricInfo("own_spread", "", True)], {}, paths)["own_spread"].primary


@pytest.mark.parametrize("change", [{"summary": 3}, {"needs": "encode"}, {"primary": "yes"}, {"higher_is_better": 1}])
def test_edited_declarations_are_one_line_and_written_anew(own_metric_gone, tmp_path, change):
    store = RunStore(tmp_path, {}, lock=object())
    store.save_metrics(RunStore.open(own_metric_gone / "new").load_metrics())
    content = json.loads((tmp_path / "metrics.json").read_text())
    content["metrics"]["test_mse"] |= change
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="is damaged; run the same command again"):
        store.load_metrics()
    store.save_metrics(declarations(Registry.discover(), "test_fvu"))
    assert set(store.load_metrics()) == {"test_fvu"}
