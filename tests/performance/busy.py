"""How long a run takes on an idle machine, beside one busy core, and with two runs at once: settings × states.

    python tests/performance/busy.py [--rounds 3] [--only auto,one] [--states idle,busy] [-- -m vae --steps 300]

What follows `--` is given to `aebench run`; without it the default run is measured. "again" is the same command a
second time, when there is nothing left to do. Whole processes, seconds of the wall clock, medians with the range over
rounds, as a Markdown table.
Needs an idle machine: the default run takes about a minute, and this starts it some fifty times.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: name → (what the table calls it, options of the command, environment).
SETTINGS: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "auto": ("`aebench run`", [], {}),
    "one": ("`-j 1`", ["-j", "1"], {}),
    "wide": ("`-j 1 --threads 2`", ["-j", "1", "--threads", "2"], {}),
    "spin": ("`-j 1 --threads 2`, GOMP_SPINCOUNT=300000", ["-j", "1", "--threads", "2"], {"GOMP_SPINCOUNT": "300000"}),
    "passive": ("`-j 1 --threads 2`, OMP_WAIT_POLICY=passive", ["-j", "1", "--threads", "2"],
                {"OMP_WAIT_POLICY": "passive"}),
    "two": ("`-j 2`", ["-j", "2"], {}),
}  # fmt: skip
STATES = {"idle": "idle", "busy": "one core busy", "pair": "two runs at once (each)", "again": "again"}


def main() -> None:
    own, _, given = " ".join(["", *sys.argv[1:], ""]).partition(" -- ")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(SETTINGS), help="comma-separated settings")
    parser.add_argument("--states", default=",".join(STATES), help="comma-separated states")
    options = parser.parse_args(own.split())
    chosen, states = options.only.split(","), options.states.split(",")
    for what, names, known in (("settings", chosen, SETTINGS), ("states", states, STATES)):
        if unknown := set(names) - set(known):
            parser.error(f"unknown {what} {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    found: dict[tuple[str, str], list[float]] = {(name, state): [] for name in chosen for state in states}
    for number in range(options.rounds):
        for name, state in found:
            print(f"round {number + 1} of {options.rounds}: {name}, {state}", file=sys.stderr)
            found[name, state] += seconds(name, state, given.split())
    print(table(found, chosen, states))


def seconds(name: str, state: str, given: list[str]) -> list[float]:
    """Wall-clock seconds of the run in that state, one for each run at once."""
    with tempfile.TemporaryDirectory() as folder:
        if state == "again":
            timed(name, folder, given, 1)
        with busy_core() if state == "busy" else contextlib.nullcontext():
            return timed(name, folder, given, 2 if state == "pair" else 1)


def timed(name: str, folder: str, given: list[str], runs: int) -> list[float]:
    """Start so many runs at the same time, and take the time of each."""
    _, arguments, changes = SETTINGS[name]
    environment = {key: value for key, value in os.environ.items() if key not in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT")}
    environment |= {"PYTHONPATH": str(ROOT), **changes}
    command = [sys.executable, "-m", "bench", "run", "-q", *arguments, *given]
    started = time.perf_counter()
    children = [
        subprocess.Popen([*command, "-o", f"{folder}/{number}"], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
        for number in range(runs)
    ]
    ends: dict[int, float] = {}
    while len(ends) < runs:
        for number, one in enumerate(children):
            if number not in ends and one.poll() is not None:
                ends[number] = time.perf_counter() - started
        time.sleep(0.02)
    if any(one.returncode for one in children):
        raise SystemExit(f"busy.py: a run of {name} ended with code {max(one.returncode for one in children)}")
    return list(ends.values())


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """Another process that keeps one core busy."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def table(found: dict[tuple[str, str], list[float]], names: list[str], states: list[str]) -> str:
    """Settings as rows, states as columns: median and range, and the ratio to the first setting's idle run."""
    base = statistics.median(found[names[0], states[0]])
    lines = ["| | " + " | ".join(STATES[state] for state in states) + " |", "|---|" + "--:|" * len(states)]
    for name in names:
        cells = []
        for state in states:
            times = found[name, state]
            middle = statistics.median(times)
            cells.append(f"{middle:.1f} ({min(times):.1f} – {max(times):.1f}), {middle / base:.2f} ×")
        lines.append(f"| {SETTINGS[name][0]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
