"""The setting that validation chooses, with planted metrics: the criterion, its trap, its test, its warning."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from synthetic import FakeCell, FakeSpec, measurement, record

from bench.errors import BenchError, UsageError
from bench.metrics.validation import calibrated_bound
from bench.reports import write_report
from bench.reports.model import load_report
from bench.spec.call import parse_call
from bench.spec.registry import Registry
from bench.spec.run import RunSpec
from bench.store.run_store import RunStore

SEEDS, D = 8, 64
#: λ → D_q (summed over dimensions) and KL on validation data: error rises with λ, KL falls.
TRADE = {0.01: (0.9, 30.0), 0.05: (1.0, 14.0), 0.2: (2.0, 6.0)}


def bound(error: float, kl: float) -> float:
    """-E ln N(x; Θ(z), s² I) + KL at the best s², from the normal density itself."""
    variance = error / D
    return 0.5 * D * math.log(2 * math.pi * variance) + error / (2 * variance) + kl


def grid_run(path, trade=None, noise=0.01, diversity=None, variant="vae", weights=True, bounds=True, logged=None,
             select=None, lost=(), **cell):  # fmt: skip
    """A run of one variant at several λ; `logged`: loss terms of the history, (error, KL) → dict."""
    rng = np.random.default_rng(1)
    steps = np.arange(0, 101, 20)
    with RunStore.create(path, FakeSpec({"name": "grid", **({"select": select} if select else {})})) as store:
        for weight, (error, kl) in (trade or TRADE).items():
            for seed in range(SEEDS):
                noisy = error * (1 + noise * rng.normal())
                entry = FakeCell(f"{variant}[kl_weight={weight}]", "digits", seed)
                metrics = {
                    "test_mse": measurement(noisy / D, False),
                    "val_mse": measurement(0.9 * noisy / D, False),
                    "val_other": measurement(kl + 0.01 * noisy, True),
                    "diversity_fit": measurement((diversity or {}).get(weight, 0.9), None),
                }
                if bounds and (weight, seed) not in lost:
                    metrics["val_calibrated_neg_elbo"] = measurement(bound(noisy, kl), False, unit="nats")
                changes = {"kl_weight": weight if weights else None, "steps_run": 100, **cell}
                store.append(record(entry, metrics, **changes))
                named = logged(noisy, kl) if logged else {"loss": noisy + kl}
                history = {f"history_validation_{n}": v + 0.0 * steps for n, v in named.items()}
                store.save_arrays(entry.cell_id, {"history_step": steps, **history})
    return path


def only_grid(path):
    (grid,) = load_report(path).grids
    return grid


def test_the_bound_is_that_of_the_normal_decoder_at_its_best_variance():
    error, kl = 1.7, 11.0
    found = calibrated_bound(error, kl, D)
    assert found == pytest.approx(bound(error, kl))
    variances = np.linspace(0.2, 5, 2001) * error / D
    others = 0.5 * D * np.log(2 * np.pi * variances) + error / (2 * variances) + kl
    assert found == pytest.approx(others.min(), abs=1e-4) and found <= others.min() + 1e-12


def test_the_right_setting_is_chosen_and_it_is_not_the_smallest_weight(tmp_path):
    run = grid_run(tmp_path / "run")
    grid = only_grid(run)
    expected = {weight: bound(*terms) for weight, terms in TRADE.items()}
    assert min(expected, key=expected.get) == 0.05
    assert grid.chosen.row.label == "vae[kl_weight=0.05]" and grid.separated
    assert grid.heading == "val_calibrated_neg_elbo ↓" and "always choose the smallest" in grid.explanation
    for setting, value in zip(grid.settings, expected.values(), strict=True):
        assert setting.value.mean == pytest.approx(value, abs=0.5)
    errors = load_report(run).sections[0].values["val_mse"].mean(1)
    assert errors.argmin() == 0  # reconstruction alone would have chosen it


@pytest.mark.parametrize(("kl", "chosen"), [({0.01: 15.0, 0.05: 14.0, 0.2: 13.9}, 0.01),
                                            ({0.01: 90.0, 0.05: 60.0, 0.2: 6.0}, 0.2)])  # fmt: skip
def test_every_place_of_the_grid_can_be_chosen(tmp_path, kl, chosen):
    trade = {weight: (error, kl[weight]) for weight, (error, _) in TRADE.items()}
    assert only_grid(grid_run(tmp_path / "run", trade)).chosen.row.label == f"vae[kl_weight={chosen}]"


def test_what_a_loss_logs_under_any_name_chooses_nothing(tmp_path):
    """A negative log-likelihood logged as "reconstruction" favours another setting; the choice stays the suite's."""
    run = grid_run(tmp_path / "run", logged=lambda error, kl: {"reconstruction": -error * 1e3, "kl": kl})
    assert only_grid(run).chosen.row.label == "vae[kl_weight=0.05]"
    alone = grid_run(tmp_path / "other", bounds=False, logged=lambda error, kl: {"reconstruction": error, "kl": kl})
    assert only_grid(alone).chosen is None


def test_a_choice_that_noise_could_have_made_says_so_with_the_seeds_it_would_take(tmp_path):
    trade = {0.01: (1.0, 14.0), 0.05: (1.002, 14.0), 0.2: (3.0, 6.0)}
    grid = only_grid(grid_run(tmp_path / "run", trade, noise=0.03))
    assert grid.chosen is not None and not grid.separated
    assert "not told apart from" in grid.sentence and "seeds" in grid.sentence and "Holm p =" in grid.sentence


def test_a_collapsed_setting_is_chosen_only_with_its_warning(tmp_path):
    run = grid_run(tmp_path / "run", diversity={0.05: 0.1})
    grid = only_grid(run)
    assert grid.chosen.row.label == "vae[kl_weight=0.05]" and "⚠ It is collapsed" in grid.sentence
    write_report(run, ["md"])
    markdown = (run / "report.md").read_text()
    assert "vae\\[kl\\_weight=0.05\\] ⚠ ✓" in markdown and "⚠ It is collapsed" in markdown
    assert "★" not in markdown.split("## Grids")[1].split("##")[0]


def test_a_variant_without_a_bound_has_a_choice_too(tmp_path):
    """By validation error, with the caveat; --select names another criterion for it and for everybody else."""
    trade = {1: (2.0, 0.0), 5: (1.0, 0.5), 20: (3.0, 1.0)}
    run = grid_run(tmp_path / "run", trade, variant="wae", weights=False, bounds=False)
    grid = only_grid(run)
    assert grid.criterion == "val_mse" and grid.chosen.row.label == "wae[kl_weight=5]"
    assert "favours the least" in grid.explanation
    assert grid.chosen.value.mean == pytest.approx(0.9 * 1.0 / D, rel=0.02)
    other = only_grid(grid_run(tmp_path / "other", trade, variant="wae", bounds=False, select="val_other"))
    assert other.chosen.row.label == "wae[kl_weight=20]" and other.heading == "val_other ↑"
    vae = only_grid(grid_run(tmp_path / "vae", select="val-mse"))
    assert vae.chosen.row.label == "vae[kl_weight=0.01]" and vae.explanation == "named by --select"


def test_without_the_criterion_no_setting_is_chosen_and_none_competes(tmp_path):
    run = grid_run(tmp_path / "run", bounds=False)
    grid = only_grid(run)
    assert grid.chosen is None and "val_mse would always choose the smallest" in grid.sentence
    assert load_report(run).sections[0].leads["test_mse"].leader is None
    missing = only_grid(grid_run(tmp_path / "other", select="val_gone"))
    assert missing.chosen is None and "val_gone, which --select names" in missing.sentence


def test_settings_are_compared_over_the_seeds_that_all_have(tmp_path):
    grid = only_grid(grid_run(tmp_path / "run", lost=[(0.2, 3)]))
    assert [setting.value.n for setting in grid.settings] == [SEEDS - 1] * 3


def test_markdown_page_and_csv_show_the_choice(tmp_path):
    run = grid_run(tmp_path / "run")
    write_report(run)
    markdown, page = (run / "report.md").read_text(), (run / "report.html").read_text()
    section = markdown.split("## Grids: the setting that validation chooses")[1].split("\n## ")[0]
    assert section.count("✓") == 2 and "Validation chooses vae\\[kl\\_weight=0.05\\], told apart" in section
    assert page.count("✓ chosen") >= 2 and 'id="grids"' in page
    table = pd.read_csv(run / "grids.csv")
    assert table.loc[table["chosen"], "setting"].tolist() == ["vae[kl_weight=0.05]"]
    grid = only_grid(run)
    assert table["value"].tolist() == pytest.approx([setting.value.mean for setting in grid.settings])
    for setting in grid.settings:
        assert setting.text in section and setting.text in page
    results = pd.read_csv(run / "results.csv").drop_duplicates("cell_id")
    assert set(results["select"]) == {"val_calibrated_neg_elbo"}
    means = results.groupby("variant_label", sort=False)["select_value"].mean()
    assert means.tolist() == pytest.approx(table["value"].tolist())


def test_a_run_without_a_grid_has_no_such_section(tmp_path):
    run = grid_run(tmp_path / "run", {0.05: TRADE[0.05]})
    write_report(run)
    assert "Grids" not in (run / "report.md").read_text() and not (run / "grids.csv").exists()
    assert 'id="grids"' not in (run / "report.html").read_text()
    assert pd.read_csv(run / "results.csv")["select"].isna().all()


def spec_of(*variants, **changes):
    return RunSpec(variants=tuple(map(parse_call, variants)), **changes)


def test_a_run_with_a_grid_evaluates_what_chooses():
    assert spec_of("ae", "vae", metrics="test_mse").evaluated == "test_mse,collapsed,blurred"
    grid = spec_of("ae", "vae", "vae[beta=5]", metrics="test_mse")
    assert grid.evaluated == "test_mse,collapsed,blurred,val_calibrated_neg_elbo,val_mse"
    assert (
        spec_of("vae", "vae[beta=5]", metrics="test_mse", select="val_mse").evaluated
        == "test_mse,collapsed,blurred,val_mse"
    )


def test_select_takes_validation_metrics_with_a_direction():
    registry = Registry.discover()
    chosen = spec_of("vae", "vae[beta=5]", select="val-mse").validate(registry)
    assert chosen.select == "val_mse" and RunSpec.from_dict(chosen.to_dict()).select == "val_mse"
    with pytest.raises(UsageError, match="cannot choose"):
        spec_of("vae", select="test_mse").validate(registry)
    with pytest.raises(BenchError, match="did you mean val_mse"):
        spec_of("vae", select="val_msee").validate(registry)
    assert "select" not in spec_of("vae").to_dict()
