"""What README and `docs/` show is true: code runs, commands are ones, numbers are measured ones, links land."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import matplotlib.pyplot as plt
import numpy as np
import pytest
from runs import execute

from bench.cli import group

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}
REFERENCE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "results" / "reference").glob("*.md"))


def commands(text):
    """The command lines of aebench in shell blocks and between backticks, as words after `aebench`."""
    blocks = "\n".join(re.findall(r"^```(?:sh|console)\n(.*?)^```", text, flags=re.M | re.S)).replace("\\\n", " ")
    lines = [
        *blocks.split("\n"),
        *re.findall(r"`(aebench [^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)),
    ]
    lines = [part.strip() for line in lines for part in line.split("&&")]
    found = [line.removeprefix(".venv/bin/") for line in lines if re.match(r"(\.venv/bin/)?aebench ", line)]
    return [shlex.split(line, comments=True)[1:] for line in found if "|" not in line and "…" not in line]


def refusal(words):
    """Why the command line would not take `words`, or "", as for the bare name of a command."""
    if len(words) == 1 and words[0] in group.list_commands(click.Context(group)):
        return ""
    try:
        context = click.Context(group, info_name="aebench")
        _, command, rest = group.resolve_command(context, list(words))
        command.make_context(command.name, rest, parent=context)
    except click.exceptions.Exit as end:
        return "" if end.exit_code == 0 else "exit"
    except Exception as error:
        return str(error)
    return ""


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_command_is_one(page):
    assert {" ".join(words): why for words in commands(PAGES[page]) if (why := refusal(words))} == {}


def test_commands_are_found_and_wrong_ones_are_refused():
    assert sum(len(commands(text)) for text in PAGES.values()) >= 40
    text = "`aebench run --sees 3` and\n```sh\naebench run -m ae \\\n  --steps ten && aebench rum\n```\n"
    assert [bool(refusal(words)) for words in commands(text)] == [True, True, True]


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    """A small finished run with models, as a reader of the pages has one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda directory: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        return execute(tmp_path_factory.mktemp("run") / "run", metrics="test_mse,energy_fit,kl").directory


@pytest.mark.parametrize("page", sorted(name for name, text in PAGES.items() if "```python" in text))
def test_the_code_of_a_page_runs_from_top_to_bottom(page, a_run, tmp_path, monkeypatch, no_report):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGES[page], flags=re.M | re.S)
    for name in set(re.findall(r'"(results/[\w-]+)"', "".join(blocks))):
        shutil.copytree(a_run, tmp_path / name)
    rng = np.random.default_rng(0)
    names = {"X": rng.normal(size=(200, 6)).astype(np.float32), "y": np.arange(200) % 2}
    for block in blocks:
        exec(compile(block, f"{page}.md", "exec"), names)
    plt.close("all")


@pytest.mark.parametrize("page", sorted(PAGES))
def test_measured_numbers_stand_in_the_reference_results(page):
    """Numbers with an interval, and in the pages of results every number with a fraction."""
    text = re.sub(r"^```.*?^```|`[^`]*`", "", PAGES[page], flags=re.M | re.S)
    shown = set(re.findall(r"\d[\d.e+-]* ± \d[\d.e+-]*", text))
    shown |= set(re.findall(r"(?<![\d.])\d+\.\d+(?![\d.]|\))", text)) if page in ("README", "measured") else set()
    allowed = {"0.0123 ± 0.0004", "3.11", "2.14"}  # how a cell looks, versions
    assert {number for number in shown - allowed if number.strip(".") not in REFERENCE} == set()


def test_links_land():
    for page, text in PAGES.items():
        folder = ROOT if page == "README" else ROOT / "docs"
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"`[^`]*`", "", text)):
            assert link.startswith("http") or (folder / link).exists(), f"{page}: {link}"


def test_the_readme_is_one_screen_of_promise():
    readme = PAGES["README"]
    assert len(readme.splitlines()) <= 60
    assert readme.count("```sh") == 2 and readme.count("| :---") == 1 and readme.count("![") == 1


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_on_metrics_has_every_value_and_what_its_sweeps_showed(generate):
    from bench.spec.registry import Registry

    registry, page = Registry.discover(), generate.metrics()
    values = [value for name in registry.names("metric") for value in registry.info("metric", name).values]
    missing = [value.name for value in values if f"### {value.name}".replace("_", r"\_") not in page]
    assert missing == [] and len(values) > 50
    density = dict(generate.sweeps())["density_prior"]["digits"]
    assert density == (
        "sees noise, shift, blind to memorised, unsteady under classes, "
        "won by averaging, blur, contrast, duplicates (ranks nobody)"
    )
    (shown,) = re.findall(r"### density\\_prior\n.*?- measured: (.*?)\n", page, flags=re.S)
    assert density in shown


def test_the_page_on_commands_has_every_option(generate):
    page = generate.commands()
    context = click.Context(group)
    for name in group.list_commands(context):
        options = [o for p in group.get_command(context, name).params if isinstance(p, click.Option) for o in p.opts]
        part = page.split(f"### aebench {name}\n")[1].split("### aebench")[0]
        assert [option for option in options if option not in part] == []


def test_the_worked_examples_are_all_shown_as_they_stand(generate):
    files = set(re.findall(r"<!-- shown: ([\w/.]+) -->", PAGES["worked-examples"]))
    assert files == {path.relative_to(ROOT).as_posix() for path in (ROOT / "examples" / "methods").glob("*.py")}
    page = type("Page", (), {"file": type("File", (), {"src_uri": "worked-examples.md"})})
    built = generate.on_page_markdown(PAGES["worked-examples"], page)
    assert all((ROOT / name).read_text(encoding="utf-8") in built for name in files) and "<!--" not in built


def test_the_figure_of_the_house_has_every_room(generate):
    rooms = {path.stem for path in (ROOT / "bench").iterdir() if path.is_dir() or path.suffix == ".py"}
    drawn = set(re.findall(r">(\w+)</text>", generate.house()))
    assert drawn and drawn <= rooms | {"variants", "datasets"} and {"cli", "train", "metrics", "store"} <= drawn


def test_the_documents_build_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra: pip install -e '.[docs]'")
    pytest.importorskip("mkdocstrings", reason="needs the extra: pip install -e '.[docs]'")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = {path: (tmp_path / path / "index.html").read_text(encoding="utf-8") for path in ("api", "metrics", "house")}
    assert "latent_dim" in built["api"] and "energy_prior" in built["metrics"] and "<svg" in built["house"]
    assert "<!-- generated" not in "".join(built.values())
