"""The setting that validation chooses, with planted loss terms: the criterion, its trap, its test, its warning."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from synthetic import FakeCell, FakeSpec, measurement, record

from bench.analysis.selection import Cost, calibrated_bound, final_terms
from bench.reports import write_report
from bench.reports.model import load_report
from bench.store.run_store import RunStore

SEEDS, D = 8, 64
#: λ → D_q (summed over dimensions) and KL on validation data: error rises with λ, KL falls.
TRADE = {0.01: (0.9, 30.0), 0.05: (1.0, 14.0), 0.2: (2.0, 6.0)}


def bound(error: float, kl: float) -> float:
    """-E ln N(x; Θ(z), s² I) + KL at the best s², from the normal density itself."""
    variance = error / D
    return 0.5 * D * math.log(2 * math.pi * variance) + error / (2 * variance) + kl


def grid_run(path, trade=None, noise=0.01, recon="squared", diversity=None, terms=None, variant="vae", weights=True,
             **cell):  # fmt: skip
    """A run of one variant at several λ; `terms` overrides the stored validation terms, (λ, D_q, KL) → dict."""
    rng = np.random.default_rng(1)
    steps = np.arange(0, 101, 20)
    with RunStore.create(path, FakeSpec({"name": "grid", "recon": recon})) as store:
        for weight, (error, kl) in (trade or TRADE).items():
            for seed in range(SEEDS):
                noisy = error * (1 + noise * rng.normal())
                entry = FakeCell(f"{variant}[kl_weight={weight}]", "digits", seed)
                metrics = {
                    "test_mse": measurement(noisy / D, False),
                    "val_mse": measurement(0.9 * noisy / D, False),
                    "diversity_fit": measurement((diversity or {}).get(weight, 0.9), None),
                }
                changes = {"kl_weight": weight if weights else None, "steps_run": 100, **cell}
                store.append(record(entry, metrics, **changes))
                named = terms(weight, noisy, kl) if terms else {"reconstruction": noisy, "kl": kl, "loss": noisy + kl}
                history = {f"history_validation_{n}": v + 5.0 * (steps < 100) for n, v in named.items()}
                store.save_arrays(entry.cell_id, {"history_step": steps, **history})
    return path


def only_grid(path):
    (grid,) = load_report(path).grids
    return grid


def test_the_bound_is_that_of_the_normal_decoder_at_its_best_variance():
    error, kl = 1.7, 11.0
    found = calibrated_bound(Cost("squared"), error, kl, D)
    assert found == pytest.approx(bound(error, kl))
    variances = np.linspace(0.2, 5, 2001) * error / D
    others = 0.5 * D * np.log(2 * np.pi * variances) + error / (2 * variances) + kl
    assert found == pytest.approx(others.min(), abs=1e-4) and found <= others.min() + 1e-12


def test_the_same_errors_give_the_same_bound_under_a_gaussian_cost():
    scale, error = 0.3, 1.7
    cost = error / (2 * scale**2) + D * math.log(math.sqrt(2 * math.pi) * scale)
    assert calibrated_bound(Cost("gaussian", scale), cost, 11.0, D) == pytest.approx(bound(error, 11.0))
    assert calibrated_bound(Cost("bernoulli"), 20.0, 11.0, D) == 31.0
    assert math.isnan(calibrated_bound(Cost("squared"), 0.0, 11.0, D))


def test_the_right_setting_is_chosen_and_it_is_not_the_smallest_weight(tmp_path):
    run = grid_run(tmp_path / "run")
    grid = only_grid(run)
    expected = {weight: bound(*terms) for weight, terms in TRADE.items()}
    assert min(expected, key=expected.get) == 0.05
    assert grid.chosen.row.label == "vae[kl_weight=0.05]" and grid.separated
    assert grid.criterion == "calibrated negative ELBO" and "always choose the smallest" in grid.explanation
    for setting, value in zip(grid.settings, expected.values(), strict=True):
        assert setting.value.mean == pytest.approx(value, abs=0.5)
    errors = load_report(run).sections[0].values["val_mse"].mean(1)
    assert errors.argmin() == 0  # reconstruction alone would have chosen it


@pytest.mark.parametrize(("kl", "chosen"), [({0.01: 15.0, 0.05: 14.0, 0.2: 13.9}, 0.01),
                                            ({0.01: 90.0, 0.05: 60.0, 0.2: 6.0}, 0.2)])  # fmt: skip
def test_every_place_of_the_grid_can_be_chosen(tmp_path, kl, chosen):
    trade = {weight: (error, kl[weight]) for weight, (error, _) in TRADE.items()}
    assert only_grid(grid_run(tmp_path / "run", trade)).chosen.row.label == f"vae[kl_weight={chosen}]"


def test_a_choice_that_noise_could_have_made_says_so_with_the_seeds_it_would_take(tmp_path):
    trade = {0.01: (1.0, 14.0), 0.05: (1.002, 14.0), 0.2: (3.0, 6.0)}
    grid = only_grid(grid_run(tmp_path / "run", trade, noise=0.03))
    assert grid.chosen is not None and not grid.separated
    assert "not separated from" in grid.sentence and "seeds" in grid.sentence and "Holm p =" in grid.sentence


def test_a_collapsed_setting_is_chosen_only_with_its_warning(tmp_path):
    run = grid_run(tmp_path / "run", diversity={0.05: 0.1})
    grid = only_grid(run)
    assert grid.chosen.row.label == "vae[kl_weight=0.05]" and "⚠ It is collapsed" in grid.sentence
    write_report(run)
    markdown = (run / "report.md").read_text()
    assert "vae\\[kl\\_weight=0.05\\] ⚠ ✓" in markdown and "⚠ It is collapsed" in markdown
    assert "★" not in markdown.split("## Grids")[1].split("##")[0]


def test_settings_of_one_weight_are_chosen_by_validation_error(tmp_path):
    def without_kl(weight, error, kl):
        return {"loss": error}

    run = grid_run(tmp_path / "run", {1: (2.0, 0.0), 5: (1.0, 0.0), 20: (3.0, 0.0)}, terms=without_kl,
                   variant="stochastic-ae", weights=False)  # fmt: skip
    grid = only_grid(run)
    assert grid.criterion == "val_mse" and grid.chosen.row.label == "stochastic-ae[kl_weight=5]"
    assert grid.chosen.value.mean == pytest.approx(0.9 * 1.0 / D, rel=0.02)
    same = grid_run(tmp_path / "same", {1: (2.0, 9.0), 5: (1.0, 30.0)}, kl_weight=0.05)
    assert only_grid(same).criterion == "val_mse"


def test_weights_that_nobody_named_are_not_chosen_by_reconstruction(tmp_path):
    """A foreign variant that logs a KL term but no λ gets the bound; one with another penalty gets no choice."""
    assert only_grid(grid_run(tmp_path / "run", weights=False)).criterion == "calibrated negative ELBO"

    def penalised(weight, error, kl):
        return {"loss": error + kl, "reconstruction": error, "mmd": kl}

    grid = only_grid(grid_run(tmp_path / "other", terms=penalised, weights=False, variant="wae"))
    assert grid.chosen is None and "No setting is chosen" in grid.sentence and "mmd" in grid.sentence


def test_without_stored_terms_no_setting_is_chosen_and_the_reason_is_given(tmp_path):
    grid = only_grid(grid_run(tmp_path / "run", terms=lambda weight, error, kl: {"loss": error}))
    assert grid.chosen is None and "no final reconstruction and KL terms" in grid.sentence
    unknown = only_grid(grid_run(tmp_path / "other", recon="absolute"))
    assert unknown.chosen is None and "cost is not known" in unknown.sentence


def test_terms_are_those_of_the_weights_that_were_kept():
    arrays = {"history_step": np.array([10.0, 20.0, 30.0]), "history_validation_kl": np.array([3.0, 2.0, 9.0]),
              "history_train_kl": np.zeros(3), "history_validation_odd": np.zeros(2)}  # fmt: skip
    assert final_terms(arrays, 20) == {"kl": 2.0}
    assert final_terms(arrays, float("nan")) == {"kl": 9.0}
    assert final_terms({}, 20) == {}


def test_settings_are_compared_over_the_seeds_that_all_have(tmp_path):
    run = grid_run(tmp_path / "run")
    report = load_report(run)
    lost = report.data.cells.query("variant_label == 'vae[kl_weight=0.2]' and seed == 3")["cell_id"].iloc[0]
    report.store.arrays_path(lost).unlink()
    assert [setting.value.n for setting in only_grid(run).settings] == [SEEDS - 1] * 3


def test_markdown_page_and_csv_show_the_choice(tmp_path):
    run = grid_run(tmp_path / "run")
    write_report(run)
    markdown, page = (run / "report.md").read_text(), (run / "report.html").read_text()
    section = markdown.split("## Grids: the setting that validation chooses")[1].split("\n## ")[0]
    assert section.count("✓") == 2 and "Validation chooses vae\\[kl\\_weight=0.05\\], separated" in section
    assert page.count("✓ chosen") >= 2 and 'id="grids"' in page
    table = pd.read_csv(run / "grids.csv")
    assert table.loc[table["chosen"], "setting"].tolist() == ["vae[kl_weight=0.05]"]
    grid = only_grid(run)
    assert table["value"].tolist() == pytest.approx([setting.value.mean for setting in grid.settings])
    for setting in grid.settings:
        assert setting.text in section and setting.text in page


def test_a_run_without_a_grid_has_no_such_section(tmp_path):
    run = grid_run(tmp_path / "run", {0.05: TRADE[0.05]})
    write_report(run)
    assert "Grids" not in (run / "report.md").read_text() and not (run / "grids.csv").exists()
    assert 'id="grids"' not in (run / "report.html").read_text()
