"""Figures in several processes: the same figures and data as in one, also where a process is killed."""

import os
import signal
import time

from synthetic import make_run

from bench.reports.model import load_report
from bench.reports.views import figure_files
from bench.reports.views.figure_pool import spread


def where(job):
    """This process waits for another, which takes a while to start on a busy machine."""
    number, folder = job
    (folder / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    return number, os.getpid()


def deadly(job):
    """The number of a job, which costs its process the life unless it is the one named."""
    number, parent = job
    if os.getpid() != parent and number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order_from_this_process_and_others(tmp_path):
    found = spread(where, [(number, tmp_path) for number in range(40)], 3)
    assert [job for job, _ in found] == list(range(40))
    processes = {process for _, process in found}
    assert os.getpid() in processes and 2 <= len(processes) <= 3
    assert spread(where, [(1, tmp_path), (2, tmp_path)], 1) == [(1, os.getpid()), (2, os.getpid())]
    assert spread(where, [], 4) == []


def test_a_process_that_is_killed_costs_no_figure():
    assert spread(deadly, [(number, os.getpid()) for number in range(6)], 2) == list(range(6))


def test_figures_and_their_data_are_the_same_whoever_draws_them(tmp_path, monkeypatch):
    report = load_report(make_run(tmp_path / "run", variants=("ae", "vae"), datasets=("a", "b"), seeds=range(2)))
    files = {}
    for name, large, cores in (("one", 1000, 2), ("two", 1, 2)):
        monkeypatch.setattr(figure_files, "LARGE", large)
        monkeypatch.setattr(figure_files, "usable_cores", lambda cores=cores: cores)
        drawn = figure_files.draw_all(report, tmp_path / name)
        files[name] = [(f.dataset, f.name, f.title, f.caption, f.is_picture, f.csv.read_bytes()) for f in drawn]
        assert all(path.stat().st_size > 1000 for f in drawn for path in (f.png, f.svg))
    assert files["one"] == files["two"] and len(files["one"]) > 8
