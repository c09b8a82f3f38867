"""Published numbers beside ours: every committed block reads, and planted runs get the verdict they deserve."""

import math

import numpy as np
import pytest
import yaml
from synthetic import measurement, record

from bench.errors import UsageError
from bench.reports import write_report
from bench.reports.reference.published_document import document, main
from bench.reports.studies import published_numbers
from bench.reports.studies.published_numbers import (
    FAIL,
    NOT_RUN,
    NOTED,
    PASS,
    anchor_names,
    read_anchor,
    verdict_lines,
    verdicts,
)
from bench.spec import presets
from bench.spec.call import parse_call
from bench.spec.config import build_run
from bench.spec.presets import over_preset, read_preset
from bench.spec.registry import Registry
from bench.store.run_store import RunStore

PRESET = {
    "description": "Planted.",
    "variant": ["vae[kl_weight=1]", "ae"],
    "dataset": "mnist[validation=0]",
    "seeds": 3,
    "epochs": 2,
    "anchor": {
        "source": "A paper | with a bar.",
        "setup": "As published.",
        "values": [
            {"quantity": "negative ELBO, nats", "metrics": "test_neg_elbo", "published": 105.6, "tolerance": 0.5},
            {"quantity": "a sum", "metrics": {"iwae_1": 1, "iwae_10": -1}, "published": [1, 2], "tolerance": 0.25},
            {"quantity": "last training loss", "history": "train_loss", "published": [106.3, 106.4]},
            {"quantity": "AE's error", "variant": "ae", "metrics": "test_mse", "published": 0.5, "tolerance": 0},
        ],
    },
}
NUMBERS = {"test_neg_elbo": 105.6, "iwae_1": 3.0, "iwae_10": 1.5, "test_mse": 0.5}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Writes the planted preset and a run of it: `planted(values, changes=…, given=…, left=…) -> directory`.

    Args of the function: `values` (seed → metrics), `changes` (seed → entries of the record), `given` as on the
    command line, `left` cells that stay unrun, `preset` instead of `PRESET`.
    """

    def write(values=None, changes=None, given=None, left=(), preset=PRESET):
        monkeypatch.setattr(presets, "FOLDER", tmp_path)
        (tmp_path / "planted.yaml").write_text(yaml.safe_dump(preset))
        layer = read_preset("planted")
        registry = Registry.discover()
        spec, _ = build_run({**layer, **over_preset(layer, given or {"dataset": "mnist[root=somewhere]"})})
        spec = spec.validate(registry)
        cells = spec.cells(registry)
        directory = tmp_path / "run"
        with RunStore.create(directory, spec, plan=cells) as store:
            for cell in cells:
                if (cell.variant.name, cell.seed) in left:
                    continue
                numbers = {**NUMBERS, **(values or {}).get(cell.seed, {})}
                metrics = {name: measurement(value, reason="" if value else "why") for name, value in numbers.items()}
                own = {"variant": cell.variant.name, "variant_params": cell.variant.params}
                store.append({**record(cell, metrics, **own), **(changes or {}).get(cell.seed, {})})
                curve = np.array([150.0, 106.0 + cell.seed], np.float32)
                store.save_arrays(cell.cell_id, {"history_train_loss": curve})
        return directory

    return write


def statuses(directory):
    return [verdict.status for verdict in verdicts(directory)]


@pytest.mark.parametrize("name", anchor_names())
def test_every_committed_block_names_rows_and_metrics_that_its_preset_measures(name):
    anchor = read_anchor(name)
    settings = read_preset(name)
    registry = Registry.discover()
    spec = build_run(settings)[0].validate(registry)
    labels = {registry.label("variant", variant) for variant in spec.variants}
    measured = {value for _, values in registry.metrics_for(spec.metrics) for value in values}
    assert anchor.quantities and len(anchor.source) > 20 and len(anchor.setup) > 20
    assert any(quantity.tolerance is not None for quantity in anchor.quantities)
    for quantity in anchor.quantities:
        assert registry.label("variant", registry.resolve("variant", parse_call(quantity.variant))) in labels
        assert set(quantity.weights) <= measured
        assert quantity.low <= quantity.high


def test_the_convolutional_anchor_trains_as_long_as_the_publication_and_compares_the_sum():
    spec = build_run(read_preset("anchor-keras"))[0].validate(Registry.discover())
    (data,) = spec.datasets
    assert (data.params["validation"], data.params["test_trains"]) == (0, True)  # all 70,000 images
    assert spec.train.epochs * math.ceil(70_000 / spec.train.batch_size) == 16_410 and len(spec.seeds) >= 3
    total, *parts = read_anchor("anchor-keras").quantities
    assert (total.history, total.low, total.high, total.tolerance) == ("train_loss", 146.94, 150.4, 0)
    assert [(part.history, part.tolerance) for part in parts] == [("train_reconstruction", None), ("train_kl", None)]


def test_adam_on_means_of_a_batch_is_the_published_one_on_sums():
    train = build_run(read_preset("anchor-iwae"))[0].validate(Registry.discover()).train
    assert train.optimizer.params["eps"] * train.batch_size == pytest.approx(1e-4)


def test_the_sequence_holds_every_anchor():
    assert sorted(read_preset("anchors")["presets"]) == anchor_names()


def test_a_run_that_meets_its_numbers_passes(planted):
    found = verdicts(planted({0: {"test_neg_elbo": 105.1}, 1: {"test_neg_elbo": 106.0}}))
    assert [verdict.status for verdict in found] == [PASS, PASS, NOTED, PASS]
    assert found[0].values == (105.1, 106.0, 105.6)
    assert found[0].mean == pytest.approx(105.5667, abs=1e-4)
    assert found[0].ours_text == "105.57 ± 1.12 (3 seeds)"
    assert (found[0].published_text, found[0].tolerance_text) == ("105.6", "± 0.5")
    assert (found[1].mean, found[1].published_text) == (1.5, "1 to 2")
    assert found[2].values == (106.0, 107.0, 108.0)
    assert (found[2].published_text, found[2].tolerance_text) == ("106.3 to 106.4", "–")


@pytest.mark.parametrize(
    ("ours", "status"),
    [(105.1, PASS), (106.1, PASS), (105.0999, FAIL), (106.1001, FAIL), (0.0, FAIL), (1e9, FAIL)],
)
def test_the_mean_over_seeds_decides_with_both_ends_included(planted, ours, status):
    assert statuses(planted({seed: {"test_neg_elbo": ours} for seed in range(3)}))[0] == status


@pytest.mark.parametrize(("ours", "status"), [(0.75, PASS), (0.74, FAIL), (2.25, PASS), (2.26, FAIL)])
def test_a_range_is_met_within_the_tolerance_of_its_ends(planted, ours, status):
    assert statuses(planted({seed: {"iwae_1": ours, "iwae_10": 0.0} for seed in range(3)}))[1] == status


def test_no_tolerance_at_all_means_equality(planted):
    assert statuses(planted({2: {"test_mse": 0.5001}}))[3] == FAIL


def test_a_seed_without_result_fails_what_the_others_would_pass(planted):
    found = verdicts(planted(changes={1: {"status": "diverged", "reason": "non-finite", "metrics": {}}}))
    assert [verdict.status for verdict in found] == [FAIL, FAIL, NOTED, FAIL]
    assert found[0].reason == "1 of 3 seeds: diverged (non-finite)"
    assert len(found[0].values) == 2


def test_a_metric_without_value_says_why(planted):
    directory = planted({0: {"test_neg_elbo": None}})
    assert verdicts(directory)[0].status == FAIL
    assert verdicts(directory)[0].reason == "1 of 3 seeds: test_neg_elbo has no value (why)"


def test_what_has_not_run_yet_is_not_judged(planted):
    found = verdicts(planted(left=[("vae", 2), ("ae", 0), ("ae", 1), ("ae", 2)]))
    assert [(verdict.status, verdict.reason) for verdict in found] == [
        (NOT_RUN, "1 of 3 seeds have not run yet"),
        (NOT_RUN, "1 of 3 seeds have not run yet"),
        (NOT_RUN, "1 of 3 seeds have not run yet"),
        (NOT_RUN, "3 of 3 seeds have not run yet"),
    ]
    assert math.isnan(found[0].mean)
    assert found[0].ours_text == "–"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epochs": 1}, "epochs is 1, not 2"),
        ({"steps": 5, "epochs": None}, "epochs is not set, not 2"),
        ({"optimizer": "adam[lr=1e-3]"}, "optimizer is adam"),
        ({"network": "mlp[hidden=[8]]"}, "network is mlp[hidden=[8]"),
        ({"variant": "ae"}, "vae[kl_weight=1] is not among the variants"),
        ({"dataset": "mnist[limit=100]"}, "the data are mnist[root=data,download=false,validation=0,limit=100"),
        ({"dataset": "digits"}, "the data are digits"),
    ],
)
def test_another_set_up_is_not_compared(planted, given, words):
    found = verdicts(planted(given=given))
    assert {verdict.status for verdict in found} == {NOT_RUN}
    assert words in found[0].reason


def test_fewer_seeds_further_variants_and_the_place_of_the_files_do_not_matter(planted):
    given = {
        "seeds": 2,
        "variant": ["vae[kl_weight=1]", "ae", "stochastic-ae"],
        "dataset": "mnist[root=x,download=true]",
    }
    assert statuses(planted(given=given)) == [PASS, PASS, NOTED, PASS]


def test_runs_without_published_numbers_have_no_verdict(planted):
    assert verdicts(planted(preset={key: value for key, value in PRESET.items() if key != "anchor"})) == []
    with pytest.raises(UsageError, match="there is no directory"):
        verdicts("nowhere")


@pytest.mark.parametrize(
    "block",
    [
        {"source": "x", "values": []},
        {"values": PRESET["anchor"]["values"]},
        {"source": "x"},
        {"source": "x", "value": 3, "values": PRESET["anchor"]["values"]},
        {"source": "x", "values": [{"quantity": "q", "published": 1}]},
        {"source": "x", "values": [{"quantity": "q", "metrics": "a", "history": "b", "published": 1}]},
        {"source": "x", "values": [{"quantity": "q", "metrics": "a", "published": "many"}]},
        {"source": "x", "values": [{"quantity": "q", "metrics": "a", "publisht": 1}]},
    ],
)
def test_a_block_that_lacks_something_is_refused(planted, block):
    with pytest.raises(UsageError, match="its anchor cannot be read"):
        verdicts(planted(preset={**PRESET, "anchor": block}))


def test_lines_for_a_terminal(planted):
    lines = verdict_lines([planted({0: {"test_mse": 1.0}})])
    assert lines[0] == ""
    assert lines[1].split() == ["Anchor", "Quantity", "Published", "Tolerance", "Ours", "Verdict"]
    assert [line[-7:].strip() for line in lines[2:]] == ["✓ pass", "✓ pass", "· noted", "✗ fail"]
    assert len({line.index(mark) for line, mark in zip(lines[2:], "✓✓·✗", strict=True)}) == 1
    assert verdict_lines([]) == []


def test_the_page_has_every_anchor_and_counts_what_is_judged(planted, capsys):
    directory = planted({0: {"test_mse": 1.0}})
    (directory.parent / "waiting.yaml").write_text(yaml.safe_dump(PRESET))
    assert main([str(directory)]) == 0
    page = capsys.readouterr().out
    assert page == document([directory])
    assert "2 pass, 1 fail, 3 not run." in page
    assert "| [planted](#planted) | AE's error | 0.5 | ± 0 | 0.67 ± 0.72 (3 seeds) | ✗ fail |" in page
    assert "| [waiting](#waiting) | a sum | 1 to 2 | ± 0.25 | – | – not run |" in page
    assert r"Source: A paper \| with a bar." in page
    assert "aebench run --preset planted -d 'mnist[root=PATH]'" in page
    assert "6 cells: 7.2 s of training, 3.6 s of evaluation." in page
    assert main(["nowhere"]) == 2
    assert "there is no directory" in capsys.readouterr().err


def test_the_report_puts_ours_beside_theirs(planted):
    directory = planted({0: {"test_mse": 1.0}})
    write_report(directory, ("md", "html"))
    markdown = (directory / "report.md").read_text()
    assert "## Published numbers and ours" in markdown
    assert "| AE's error | 0.5 | ± 0 | 0.67 ± 0.72 (3 seeds) | ✗ fail |" in markdown
    assert r"Source: A paper \| with a bar." in markdown
    html = (directory / "report.html").read_text()
    assert '<span class="badge sure">pass</span>' in html
    assert '<span class="badge bad">fail</span>' in html
    assert "A paper | with a bar." in html


def test_a_report_without_published_numbers_does_not_speak_of_them(planted):
    directory = planted(preset={key: value for key, value in PRESET.items() if key != "anchor"})
    write_report(directory, ("md", "html"))
    assert "Published numbers" not in (directory / "report.md").read_text() + (directory / "report.html").read_text()


def test_no_torch_is_needed():
    assert not [name for name in vars(published_numbers) if name in ("torch", "train")]
