"""What mkdocs makes of the pages: generated parts are filled in, and the reference results join them.

Pages link to `../results/reference/`, as is right in the repository; in the built documents those files are `results/`.
"""

from __future__ import annotations

import html
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "results" / "reference"
sys.path.insert(0, str(ROOT))

import click  # noqa: E402

from bench.analysis.validity_sweeps import measured_as  # noqa: E402
from bench.cli import group  # noqa: E402
from bench.cli.list import declared  # noqa: E402
from bench.spec.registry import Registry  # noqa: E402

_SIGNS = {"✓": "sees", "·": "blind to", "~": "unsteady under", "✗": "won by"}


def metrics() -> str:
    """Every value that the built-in metrics report, by family, with what it declares and what its sweeps showed."""
    registry, families = Registry.discover(), {}
    for info in (registry.info("metric", name) for name in registry.names("metric")):
        for value in info.values:
            families.setdefault(info.family, []).append((info, value))
    found, lines = dict(sweeps()), []
    for family, entries in sorted(families.items()):
        lines += [f"## {family.capitalize()}", ""]
        for info, value in entries:
            shown = found.get(measured_as(value.name), {})
            facts = declared(info, value) | {"measured": "; ".join(f"{data}: {text}" for data, text in shown.items())}
            lines += [f"### {_text(value.name)}{'[…]' if value.vector else ''}", "", _text(value.summary), ""]
            lines += [f"- {key}: {_cell(key, text)}" for key, text in facts.items() if text] + [""]
    return "\n".join(lines)


def sweeps() -> Iterator[tuple[str, dict[str, str]]]:
    """Per value in the documents of validity: data set → what the sweeps of real held-out data showed."""
    results: dict[str, dict[str, str]] = {}
    data, names = "", []
    for line in (REFERENCE / "validity.md").read_text(encoding="utf-8").splitlines():
        if title := re.match(r"## Validity sweeps: ([^,]+)", line):
            data = title[1]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| Metric |"):
            names = cells[1:]
        elif line.startswith("| `") and "Ranks" in names:
            signs = dict(zip(names, cells[1:], strict=True))
            words = [
                f"{word} {', '.join(name for name, sign in signs.items() if sign == mark)}"
                for mark, word in _SIGNS.items()
                if mark in signs.values()
            ]
            verdict = "ranks" if signs["Ranks"] == "yes" else "ranks nobody"
            results.setdefault(cells[0].strip("`"), {})[data] = f"{', '.join(words)} ({verdict})"
    yield from results.items()


def commands() -> str:
    """The help of every command, as the command line prints it."""
    context, lines = click.Context(group, info_name="aebench"), []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        own = click.Context(command, info_name=name, parent=context, terminal_width=100, max_content_width=100)
        lines += [f"### aebench {name}", "", "```text", command.get_help(own), "```", ""]
    return "\n".join(lines)


def house() -> str:
    """The floors of `bench`, from the contract in pyproject.toml, as a drawing."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    floors = next(c["layers"] for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    width, height, parts = 720, 34, []
    for row, floor in enumerate(floors):
        rooms = [room.strip() for room in floor.split("|")]
        each = (width - 4 * (len(rooms) - 1)) / len(rooms)
        for place, room in enumerate(rooms):
            x, y = place * (each + 4), row * height
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{each:.1f}" height="28" rx="4" fill="#3f51b5"/>')
            parts.append(
                f'<text x="{x + each / 2:.1f}" y="{y + 19}" fill="#fff" text-anchor="middle">{html.escape(room)}</text>'
            )
    size = f'viewBox="0 0 {width} {len(floors) * height}" style="max-width:100%"'
    label = 'role="img" aria-label="The rooms of bench on their floors, the command line on top"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label} font-size="13">{"".join(parts)}</svg>'


def shown(path: str) -> str:
    """A file of the repository, as a block of code."""
    return f'```python title="{path}"\n{(ROOT / path).read_text(encoding="utf-8")}```'


GENERATED = {"metrics": metrics, "commands": commands, "house": house}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """mkdocs calls this with every page's text."""
    depth = "" if page.file.src_uri.startswith("results/") else "results/"
    markdown = markdown.replace("](../results/reference/", f"]({depth}").replace(
        "](../CONTRIBUTING.md)", "](contributing.md)"
    )
    markdown = re.sub(r"\]\(docs/(\w[\w-]*\.md)\)", r"](\1)", markdown)  # of CONTRIBUTING
    markdown = re.sub(r"\[([^\]]+)\]\([\w./-]+/\)", r"\1", markdown)  # a folder is no page
    markdown = re.sub(r"<!-- shown: ([\w/]+\.py) -->", lambda found: shown(found[1]), markdown)
    return re.sub(r"<!-- generated: (\w+) -->", lambda found: GENERATED[found[1]](), markdown)


def on_files(files: Any, config: Any) -> Any:
    """mkdocs calls this with the files of the documents: what lies elsewhere in the repository joins them."""
    from mkdocs.structure.files import File

    for path in sorted((*REFERENCE.glob("*.md"), *REFERENCE.glob("*.png"))):
        files.append(File.generated(config, f"results/{path.name}", abs_src_path=str(path)))
    files.append(File.generated(config, "contributing.md", abs_src_path=str(ROOT / "CONTRIBUTING.md")))
    return files


def _text(text: str) -> str:
    """A text in which nothing is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text)


def _cell(key: str, text: str) -> str:
    return f"`{text}`" if key in ("formula", "range", "unit") else _text(text)
