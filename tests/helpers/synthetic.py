"""Makes run directories with invented numbers, so that everything behind the store is tested without training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.store.run_store import RunStore

DIRECTIONS = {"test_mse": False, "val_mse": False, "train_mse": False, "test_fvu": False, "coverage_fit": True,
              "recall_fit": True, "diversity_fit": None, "interp_unevenness": False, "interp_realism": False,
              "signal_fraction": None, "active_units": None, "val_calibrated_neg_elbo": False}  # fmt: skip
#: Of the settings of vae validation chooses the middle one.
BOUNDS = {"vae[beta=0.2]": 30.0, "vae": 20.0, "vae[beta=5]": 40.0}
CENTRES = {
    "ae": {"test_mse": 0.0121, "test_fvu": 0.165, "coverage_fit": 0.73, "recall_fit": 0.72, "diversity_fit": 0.93,
           "interp_unevenness": 1.03, "interp_realism": 0.956, "active_units": 8.0},
    "stochastic-ae": {"test_mse": 0.01205, "test_fvu": 0.164, "coverage_fit": 0.74, "recall_fit": 0.70,
                      "diversity_fit": 0.92, "interp_unevenness": 1.03, "interp_realism": 0.95, "active_units": 8.0},
    "vae[beta=0.2]": {"test_mse": 0.0119, "test_fvu": 0.16, "coverage_fit": 0.81, "recall_fit": 0.64,
                      "diversity_fit": 0.9, "interp_unevenness": 1.02, "interp_realism": 0.93, "active_units": 8.0},
    "vae": {"test_mse": 0.0124, "test_fvu": 0.17, "coverage_fit": 0.86, "recall_fit": 0.55, "diversity_fit": 0.86,
            "interp_unevenness": 1.01, "interp_realism": 0.91, "active_units": 8.0},
    "vae[beta=5]": {"test_mse": 0.0480, "test_fvu": 0.66, "coverage_fit": 0.26, "recall_fit": 0.02,
                    "diversity_fit": 0.3, "interp_unevenness": 1.0, "interp_realism": 0.85, "active_units": 2.0},
}  # fmt: skip


@dataclass
class FakeSpec:
    """Looks like `bench.spec.run.RunSpec` to the store."""

    values: dict[str, Any] = field(default_factory=lambda: {"name": "synthetic", "seeds": list(range(10))})

    def to_dict(self) -> dict[str, Any]:
        return dict(self.values)


@dataclass(frozen=True)
class FakeCell:
    """Looks like `bench.spec.cells.CellSpec` to the store."""

    variant_label: str
    dataset_label: str
    seed: int
    split_number: int = 0

    @property
    def cell_id(self) -> str:
        text = f"{self.variant_label}|{self.dataset_label}|{self.seed}" + f"|{self.split_number}" * bool(
            self.split_number
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def measurement(value: float | None, direction: bool | None = None, status: str = "ok", reason: str = "", **more):
    """One entry of a record's `metrics`."""
    entry = {"value": value, "unit": "", "higher_is_better": direction, "status": status, "reason": reason or None}
    return {**entry, "error": None, **more}


def record(cell: FakeCell, metrics: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A complete record of `cell`; `changes` override entries."""
    name = cell.variant_label.partition("[")[0]
    weight = {"vae": 0.054, "vae[beta=0.2]": 0.0108, "vae[beta=5]": 0.27}.get(cell.variant_label)
    base = {
        "schema": 1, "run_id": "synthetic", "cell_id": cell.cell_id, "stack_id": cell.cell_id[:8],
        "variant": name, "variant_params": {}, "variant_label": cell.variant_label,
        "dataset": cell.dataset_label.partition("[")[0], "dataset_params": {}, "dataset_label": cell.dataset_label,
        "seed": cell.seed, "split_number": cell.split_number, "status": "ok", "reason": None, "metrics": metrics or {},
        "metric_seconds": {"reconstruction": 0.05, "coverage": 0.4}, "metrics_hash": "m1",
        "split": {"n_train": 1078, "n_validation": 359, "n_test": 360, "data_shape": [1, 8, 8],
                  "checksum": "0123456789abcdef", "description": "8x8 images of handwritten digits"},
        "kl_weight": weight, "decoder_variance": None if weight is None else weight / 2,
        "t_train": 1.2, "t_eval": 0.6, "peak_rss": 400_000_000, "peak_cuda": None, "n_params": 37_000,
        "flops": 74_000, "samples_per_second": 160_000.0, "timing_valid": True, "code_hash": "c1", "git_sha": None,
        "env_hash": "e1", "engine": "local", "device": "cpu", "num_threads": 1,
        "started_at": "2026-01-01T00:00:00+00:00", "error_type": None, "error": None, "traceback": None,
        "diverged_step": None, "steps_run": 1500,
    }  # fmt: skip
    return {**base, **changes}


def measurements(variant: str, seed: int, spread: float = 0.03) -> dict[str, Any]:
    """Plausible metrics of a variant: common seed effects, so that pairing has something to find."""
    rng = np.random.default_rng([seed, int.from_bytes(variant.encode()[:8], "big") % 2**31])
    common = np.random.default_rng(seed).normal(size=len(DIRECTIONS))
    centres = CENTRES[variant]
    values = {**centres, "val_mse": centres["test_mse"] * 0.98, "train_mse": centres["test_mse"] * 0.8}
    if not variant.startswith("ae"):
        values["signal_fraction"] = 0.9
    if variant in BOUNDS:
        values["val_calibrated_neg_elbo"] = BOUNDS[variant]
    metrics = {}
    for index, (name, direction) in enumerate(DIRECTIONS.items()):
        if name not in values:
            metrics[name] = measurement(None, direction, "n/a", "the variant declares no posterior q(z|x)")
            continue
        noise = spread * (0.5 * common[index] + rng.normal())
        unit = "per dim" if name.endswith("mse") else ""
        metrics[name] = measurement(values[name] * (1 + noise), direction, unit=unit)
    if variant.startswith("vae"):
        for j in range(8):
            kl = max(0.0, float(2.0 - 0.2 * j + rng.normal(scale=0.1)))
            metrics[f"kl[{j}]"] = measurement(kl, None, unit="nats")
    return metrics


def arrays(variant: str, seed: int, latent_dim: int = 8, images: bool = True) -> dict[str, np.ndarray]:
    """Figure arrays and history as a run stores them, invented."""
    rng = np.random.default_rng([seed, len(variant)])
    shape = (1, 8, 8) if images else (64,)
    labels = rng.integers(10, size=360)
    codes = rng.normal(size=(360, latent_dim)) + 2 * np.eye(10)[labels][:, :latent_dim].repeat(1, axis=0)
    blobs = rng.uniform(size=(40, *shape))
    steps = np.arange(0, 1501, 50)
    curve = 0.8 + 3 * np.exp(-steps / 150) + 0.02 * rng.normal(size=len(steps))
    out = {
        "codes": codes, "code_labels": labels, "originals": blobs[:8], "reconstructions": blobs[:8] * 0.9,
        "fit_samples": blobs[8:24], "strips": rng.uniform(size=(4, 9, *shape)),
        "strip_ends": rng.uniform(size=(4, 2, *shape)),
        "strip_unevenness": rng.uniform(1, 1.2, size=4), "strip_realism": rng.uniform(0.8, 1.2, size=4),
        "history_step": steps, "history_epoch": steps / 9,
        "history_train_loss": curve, "history_validation_loss": curve + 0.05,
    }  # fmt: skip
    if variant.startswith("vae"):
        out["prior_samples"] = blobs[24:40]
        out["history_train_kl"] = 5 * (1 - np.exp(-steps / 200))
    if latent_dim == 2:
        out["grid"] = rng.uniform(size=(12, 12, *shape))
        out["grid_x"], out["grid_y"] = np.linspace(-2, 2, 12), np.linspace(2, -2, 12)
    if variant != "ae":
        out["log_median_sigma"] = np.linspace(0, -2, len(steps))
    return {k: v if k == "code_labels" else v.astype(np.float32) for k, v in out.items()}


def make_run(directory: Path, variants=tuple(CENTRES), datasets=("digits",), seeds=range(10), with_arrays=True,
             failures: dict[FakeCell, dict] | None = None, shift: dict[str, float] | None = None) -> Path:  # fmt: skip
    """A finished run; `failures` maps cells to the entries of a failed record, `shift` scales metrics by name."""
    cells = [FakeCell(v, d, s) for d in datasets for v in variants for s in seeds]
    spec = FakeSpec({"name": "synthetic", "variants": list(variants), "datasets": list(datasets), "seeds": list(seeds),
                     "baseline": "ae"})  # fmt: skip
    with RunStore.create(directory, spec, plan=cells) as store:
        for cell in cells:
            if failures and cell in failures:
                store.append(record(cell, **failures[cell]))
                continue
            metrics = measurements(cell.variant_label, cell.seed)
            for name, factor in (shift or {}).items():
                metrics[name]["value"] *= factor
            store.append(record(cell, metrics))
            if with_arrays:
                store.save_arrays(cell.cell_id, arrays(cell.variant_label, cell.seed))
    return directory
