"""The estimate of a run's time: its arithmetic by hand, a training that is cut off, and what it says."""

import re

import pytest
from runs import SMALL

from bench.runs import minutes
from bench.runs.preview import duration, look
from bench.spec.request import resolve


def asked(tmp_path, **settings):
    return resolve({**SMALL, "output": tmp_path / "run", **settings})


def test_a_training_is_its_uneven_steps_and_the_rest_at_the_usual_pace():
    clock = minutes._Clock(1.0)
    clock.times = [0.0, *(float(step) for step in range(1, 10)), 9.1, 9.2, 9.3, 14.3, 14.4]  # nine seconds, then tenths
    assert clock.whole(109) == pytest.approx(9 + 1.1 * 100 * 0.1)
    clock.times = [0.0, 4.0, 4.5, 5.0]  # slow ones, the first of which waits for what is loaded once
    assert clock.whole(10) == pytest.approx(4 + 1.1 * 9 * 0.5)


def test_a_training_is_cut_off_after_its_time_and_not_before_it_goes_evenly(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(minutes.time, "perf_counter", lambda: now[0])
    clock, done = minutes._Clock(1.0), 0
    with pytest.raises(minutes._Enough):
        for _ in range(100):
            now[0] += 0.1
            clock.due()
            done += 1
    assert done == minutes.UNEVEN + minutes.EVEN - 1
    slow, done = minutes._Clock(1.0), 0
    with pytest.raises(minutes._Enough):  # steps of two seconds are not waited for so long
        for _ in range(100):
            now[0] += 2.0
            slow.due()
            done += 1
    assert done == 3  # of which the first does not count


def test_the_whole_is_the_sum_of_stacks_and_evaluations_shared_by_workers(tmp_path, monkeypatch):
    run = asked(tmp_path, seeds=12)  # 12 seeds are three stacks of a variant
    monkeypatch.setattr(
        minutes, "_training", lambda workshop, cells, *_: {"ae": 10.0, "vae": 30.0}[cells[0].variant.name]
    )
    monkeypatch.setattr(minutes, "_evaluation", lambda *_: (5.0, 2.0))
    found = minutes.expected(run.registry, run.cells, [], "cpu", 2)
    seconds = (3 * 10 + 3 * 30 + 24 * 2.0) / 2 + 3.0 + minutes.START
    low, high = minutes.SURE
    assert (found.low, found.high) == pytest.approx((low * seconds, high * seconds + minutes.REPORT))
    assert (found.tried, found.of) == (2, 2)
    again = minutes.expected(run.registry, [], run.cells, "cpu", 1)  # evaluated again, not trained
    assert again.low == pytest.approx(low * (24 * 2.0 + 3.0))
    assert minutes.expected(run.registry, [], [], "cpu", 1) is None


def test_of_many_kinds_some_are_tried_and_it_is_said(tmp_path, monkeypatch):
    grid = [f"vae[beta={number}]" for number in range(1, 41)]
    run, seen = asked(tmp_path, variant=grid, seeds=1), []
    monkeypatch.setattr(minutes, "_training", lambda workshop, cells, *_: seen.append(cells[0].variant_label) or 1.0)
    monkeypatch.setattr(minutes, "_evaluation", lambda *_: (1.0, 1.0))
    found = minutes.expected(run.registry, run.cells, [], "cpu", 1)
    assert found.tried == len(seen) == 15 and found.of == 40 and seen[0] == "vae" and seen[-1] == "vae[beta=40]"
    assert found.low == pytest.approx(minutes.UNSURE[0] * (40 * 1.0 + 40 * 1.0))
    assert str(found).endswith("(an estimate, from a probe of seconds on this machine, 15 of 40 kinds of cells tried)")


@pytest.mark.durations
def test_a_run_of_hours_is_timed_in_seconds_and_nothing_is_written(tmp_path, monkeypatch, one_thread):
    monkeypatch.setattr(minutes, "MOST", 0.1)
    monkeypatch.setattr(minutes, "LEAST", 0.1)
    run = asked(tmp_path, variant=["ae", "control:constant"], seeds=1, steps=10**8)
    (line,) = duration(run, look(run))
    found = re.fullmatch(
        r"time:      about (\d+)–(\d+) hours \(an estimate, from a probe of seconds on this machine\)", line
    )
    assert found and int(found[1]) < int(found[2]) and [*tmp_path.iterdir()] == []


@pytest.mark.durations
def test_what_cannot_be_known_is_not_said(tmp_path, monkeypatch):
    monkeypatch.setattr(minutes, "expected", lambda *_, **__: pytest.fail("it was timed"))
    (tmp_path / "mine.py").write_text("raise SystemExit('it ran')")
    for settings in ({"engine": "dask"}, {"device": "cuda:77"}, {"variant": ["control:none"]}):
        run = asked(tmp_path, **{key: value for key, value in settings.items() if key != "variant"})
        seen = look(run) if "engine" not in settings else look(asked(tmp_path))
        assert duration(run, seen if "variant" not in settings else seen._replace(train=[], evaluate=[])) == []
    run = asked(tmp_path, network="own_nets:make")
    assert duration(run, look(asked(tmp_path)), trusted=False) == []


def test_a_device_that_is_not_there_and_what_it_cannot_do_are_said(tmp_path):
    assert any(
        line.startswith("cannot be run here: ") and "cuda:77" in line
        for line in look(asked(tmp_path, device="cuda:77")).lines
    )
    (line,) = look(asked(tmp_path, precision="tf32", device="cpu")).lines
    assert line == "cannot be run here: precision tf32 needs a GPU, and this run is on the CPU; give float32 or bf16"


def test_a_missing_file_and_a_network_that_cannot_be_built_are_said(tmp_path):
    gone = look(asked(tmp_path, dataset=[f"file[path={tmp_path / 'gone.csv'}]"]))
    assert "does not exist" in gone.lines[0] and not gone.train
    for network, words in (("conv", "conv"), ("no_such_module:make", "no_such_module")):
        seen = look(asked(tmp_path, network=network))
        assert words in seen.lines[0] and not seen.train, seen.lines
