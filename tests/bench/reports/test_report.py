"""The report as a whole: same numbers everywhere, nothing hostile gets through, odd runs stay readable."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from synthetic import FakeCell, FakeSpec, make_run, measurement, record

from bench.analysis.numbers import with_interval
from bench.errors import UsageError
from bench.reports import write_report
from bench.reports.header import command, training
from bench.reports.model import load_report
from bench.store.run_store import RunStore


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    failed = FakeCell("vae", "digits", 2)
    failures = {failed: {"status": "diverged", "reason": "the loss was not finite at step 7", "error_type": ""}}
    directory = make_run(tmp_path_factory.mktemp("report") / "run", seeds=range(5), failures=failures)
    write_report(directory)
    return directory


def expected_texts(run):
    """mean ± t interval of every variant and metric, recomputed from cells.jsonl alone."""
    values: dict[tuple[str, str], list[float]] = {}
    for line in (run / "cells.jsonl").read_text().splitlines():
        cell = json.loads(line)
        for name, entry in cell["metrics"].items():
            if entry["value"] is not None:
                values.setdefault((cell["variant_label"], name), []).append(entry["value"])
    texts = {}
    for key, x in values.items():
        half = scipy_stats.t.ppf(0.975, len(x) - 1) * np.std(x, ddof=1) / len(x) ** 0.5
        texts[key] = with_interval(float(np.mean(x)), float(half))
    return texts


def rows_of(table: str) -> dict[str, dict[str, str]]:
    """A Markdown table as {row label: {column: text}}."""
    lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]
    head = [re.sub(r"[\\↑↓]", "", name).partition("(")[0].strip() for name in lines[0]]
    clean = {re.sub(r"[\\⚠✓]", "", line[0]).strip(): line for line in lines[2:]}
    return {label: dict(zip(head, line, strict=True)) for label, line in clean.items()}


def test_markdown_html_and_csv_show_the_numbers_of_the_records(run):
    expected = expected_texts(run)
    text = (run / "report.md").read_text()
    tables = re.findall(r"(?m)(?:^\|.*\n)+", text)
    seen = set()
    for table in (t for t in tables if t.startswith("| Variant | λ | s² | Seeds |")):
        for label, row in rows_of(table).items():
            for metric, shown in row.items():
                if (label, metric) in expected:
                    assert re.sub(r"[*★☆†° ]+$|\*\*", "", shown).strip(" *★☆†°") == expected[label, metric]
                    seen.add((label, metric))
    assert seen == set(expected)

    page = (run / "report.html").read_text()
    for (label, metric), number in expected.items():
        rows = re.findall(r"<tr[^>]*>\s*<th scope=\"row\">.*?</tr>", page, flags=re.S)
        own = [row for row in rows if re.search(rf"</span>{re.escape(label)}\s*(<|$)", row)]
        cells = [cell for row in own for cell in re.findall(rf'data-metric="{re.escape(metric)}"[^>]*>([^<]*)', row)]
        assert cells and {html.unescape(cell).strip() for cell in cells} == {number}

    summary = pd.read_csv(run / "summary.csv").set_index(["variant_label", "metric"])
    for key, number in expected.items():
        row = summary.loc[key]
        assert with_interval(row["mean"], (row["high"] - row["low"]) / 2) == number


def test_the_top_says_who_wins_what_and_the_collapsed_model_wins_nothing(run):
    text = (run / "report.md").read_text()
    top = text.split("## How it was run")[0]
    assert top.index("## Which to take") < top.index("who wins what") and "- For reconstruction" in top
    assert "No mark for vae\\[beta=5\\]: collapsed" in top
    assert "No mark for vae\\[beta=0.2\\]: validation data choose vae." in top
    table = next(t for t in re.findall(r"(?m)(?:^\|.*\n)+", top) if t.startswith("| Variant"))
    best = rows_of(table)["vae[beta=5]"]
    assert not any("★" in cell or "☆" in cell for cell in best.values())
    assert float(best["interp_unevenness"].split(" ± ")[0]) == min(
        float(row["interp_unevenness"].strip("* ☆★°").split(" ± ")[0]) for row in rows_of(table).values()
    )  # it would have won


def test_failed_cells_are_counted_and_listed(run):
    text = (run / "report.md").read_text()
    assert "24 of 25 cells have results." in text
    assert "| vae | digits | 2 | diverged | the loss was not finite at step 7 |" in text
    assert "| 4 of 5 |" in text
    page = (run / "report.html").read_text()
    assert "the loss was not finite at step 7" in page and "24 of 25 cells have results" in page


def test_every_figure_has_png_svg_and_data(run):
    folder = run / "figures"
    names = {path.stem for path in folder.iterdir()}
    assert names == {"tradeoff", "seeds", "reconstructions", "samples-fit", "samples-prior", "interpolation-1",
                     "interpolation-2", "interpolation-3", "latent", "training", "claims"}  # fmt: skip
    for name in names:
        assert (folder / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert "<svg" in (folder / f"{name}.svg").read_text()[:2000]
        assert len(pd.read_csv(folder / f"{name}.csv")) > 0
        assert f"figures/{name}.png" in (run / "report.md").read_text()


def test_the_page_is_one_file_below_5_mb_with_no_reference_outside(run):
    page = (run / "report.html").read_text()
    assert len(page.encode()) < 5_000_000
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", page)
    assert "url(" not in page and "@import" not in page
    assert re.search(r"default-src 'none'", page)


def test_reports_are_the_same_bytes_every_time(run):
    before = {name: (run / name).read_bytes() for name in ("report.md", "report.html", "results.csv", "summary.csv")}
    write_report(run)
    assert {name: (run / name).read_bytes() for name in before} == before


HOSTILE = ['<img src=x onerror="alert(1)">', "</script><script>alert(1)</script>", "a|b`c*d_e", "\x1b[31mred\x07",
           "Ωμέγα 變分 🦊", "{{ 7*7 }}", "'\"><svg/onload=alert(1)>", "../../etc/passwd"]  # fmt: skip


def test_labels_with_markup_stay_text(tmp_path):
    with RunStore.create(tmp_path / "run", FakeSpec({"name": HOSTILE[1], "seeds": [0, 1]})) as store:
        for label in HOSTILE:
            for seed in range(2):
                cell = FakeCell(label, HOSTILE[0], seed)
                metrics = {"test_mse": measurement(1.0 + seed, False), HOSTILE[2]: measurement(None, reason=HOSTILE[0])}
                store.append(record(cell, metrics, variant=label, reason=HOSTILE[1]))
        store.append(record(FakeCell("x", HOSTILE[0], 9), status="error", reason=HOSTILE[0], error_type=HOSTILE[1]))
    write_report(tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    body = page.replace(re.search(r"<script>.*?</script>", page, flags=re.S).group(0), "")
    assert "<script" not in body and 'onerror="' not in body and "<svg/onload" not in body and "<img src=x" not in body
    assert "\x1b" not in page and "49" not in re.sub(r"[^{}0-9 *]", "", "{{ 7*7 }}")
    assert html.escape("{{ 7*7 }}") in page and "Ωμέγα 變分 🦊" in page
    text = (tmp_path / "run" / "report.md").read_text()
    assert "<img" not in text and "<script" not in text and "\x1b" not in text
    assert "a\\|b\\`c\\*d\\_e" in text


def odd_run(path, cells, **spec):
    with RunStore.create(path, FakeSpec({"name": "odd", **spec})) as store:
        for entry in cells:
            store.append(entry)
    write_report(path)
    return (path / "report.md").read_text()


def test_one_seed_has_no_interval_and_no_mark(tmp_path):
    cells = [
        record(FakeCell(v, "digits", 0), {"test_mse": measurement(float(k + 1), False)}) for k, v in enumerate("ab")
    ]
    text = odd_run(tmp_path / "run", cells)
    top = text.split("## How to read")[0]
    assert (
        "±" not in top.split("## How it was run")[0] and "★" not in top and "one seed in common names no winner" in top
    )


def test_a_run_in_which_everything_failed_is_readable(tmp_path):
    cells = [record(FakeCell("ae", "digits", s), status="error", reason="no luck", split={}) for s in range(3)]
    text = odd_run(tmp_path / "run", cells)
    assert "0 of 3 cells have results" in text and "no luck" in text and "nothing to answer" in text


def test_vectors_instead_of_images_and_damaged_arrays(tmp_path):
    from synthetic import arrays, measurements

    with RunStore.create(tmp_path / "run", FakeSpec()) as store:
        for variant in ("ae", "vae"):
            cell = FakeCell(variant, "table", 0)
            store.append(record(cell, measurements(variant, 0)))
            store.save_arrays(cell.cell_id, arrays(variant, 0, latent_dim=2, images=False))
        broken = FakeCell("stochastic-ae", "table", 0)
        store.append(record(broken, measurements("stochastic-ae", 0)))
        store.arrays_path(broken.cell_id).write_bytes(b"garbage")
    write_report(tmp_path / "run")
    names = {path.stem for path in (tmp_path / "run" / "figures").glob("*.png")}
    assert {"reconstructions", "samples-fit", "plane", "latent", "interpolation-1"} <= names


def test_no_cell_at_all_is_one_line(tmp_path):
    with RunStore.create(tmp_path / "run", FakeSpec()):
        pass
    with pytest.raises(UsageError, match="holds no finished cell yet"):
        write_report(tmp_path / "run")
    with pytest.raises(UsageError, match="unknown format 'pdf'"):
        write_report(tmp_path / "run", ["pdf"])


def test_a_partial_run_says_how_much_is_missing(tmp_path):
    plan = [FakeCell("ae", "digits", seed) for seed in range(4)]
    with RunStore.create(tmp_path / "run", FakeSpec(), plan=plan) as store:
        store.append(record(plan[0], {"test_mse": measurement(1.0, False)}))
    assert "3 of 4 planned cells have not run yet" in load_report(tmp_path / "run").notes


def test_200_variants(tmp_path):
    cells = [
        record(FakeCell(f"vae[beta={k}]", "digits", seed), {"test_mse": measurement(1 + k + 0.1 * seed, False)})
        for k in range(200) for seed in range(2)
    ]  # fmt: skip
    text = odd_run(tmp_path / "run", cells)
    assert "120 more rows are in summary.csv" in text


def test_the_command_repeats_the_run():
    spec = {
        "name": "x", "variant": ["ae", "vae[beta=5]"], "dataset": ["file[path=it's mine.csv]"], "seeds": [0, 1, 2],
        "latent-dim": 4, "network": "mlp[hidden=[256],activation=relu]", "steps": 100, "controls": True,
        "baseline": "ae", "plugins": ["/a b/c.py"], "device": "auto", "precision": "float32",
    }  # fmt: skip
    assert command(spec) == (
        "aebench run -m ae -m 'vae[beta=5]' -d 'file[path=it'\"'\"'s mine.csv]' --seeds 3 --steps 100 --latent-dim 4 "
        "--network 'mlp[hidden=[256],activation=relu]' --baseline ae --controls --plugins '/a b/c.py'"
    )
    assert "--seeds 0,3,7" in command({"seeds": [0, 3, 7]})
    assert "--seeds 5," in command({"seeds": [5]})


@pytest.mark.parametrize(
    ("precision", "named"),
    [
        ("float32", ", float32"),
        ("tf32", "on a CPU they are float32"),
        ("bf16", "losses, parameters and optimiser in float32"),
    ],
)
def test_the_precision_is_named_and_repeated(precision, named):
    spec = {"variant": ["ae"], "dataset": ["digits"], "steps": 10, "precision": precision}
    assert named in dict(training(spec))["Training"]
    assert (f"--precision {precision}" in command(spec)) == (precision != "float32")


def test_compiled_steps_are_named_and_repeated():
    spec = {"variant": ["ae"], "dataset": ["digits"], "steps": 10, "compile": True}
    assert "compiled by Inductor" in dict(training(spec))["Training"] and "--compile" in command(spec)
    spec["compile"] = False
    assert "compiled" not in dict(training(spec))["Training"] and "--compile" not in command(spec)


def test_reports_need_no_torch(run):
    code = (
        "import sys\nfrom bench.reports import write_report\n"
        f"write_report({str(run)!r}, ['md', 'html', 'csv'])\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})


def test_a_report_in_a_read_only_folder_says_what_to_do(run, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(UsageError, match=r"read-only; copy the run to a folder that you may write to") as caught:
        write_report(run)
    assert "--output" not in str(caught.value)
