"""SIGTERM and SIGHUP: raised at once, but where something is written; then told to whoever handled them before."""

import os
import signal
import threading

import pandas as pd
import pytest
from runs import execute, n_records

from bench.errors import Terminated
from bench.runs.interrupt import ENDING, StopRequest


@pytest.fixture
def heard():
    """The signals that reach the handlers that were there before."""
    numbers, before = [], {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        signal.signal(number, lambda number, frame: numbers.append(number))
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_what_runs_and_is_passed_on(heard, number):
    with pytest.raises(Terminated) as caught, StopRequest() as stop:
        os.kill(os.getpid(), number)
        raise AssertionError("goes on")
    assert (caught.value.number, stop.ended_by, stop.requested, heard) == (number, number, True, [number])


@pytest.mark.parametrize("number", ENDING)
def test_what_is_being_written_is_finished_first(heard, number):
    with StopRequest() as stop:
        with stop.undisturbed():
            os.kill(os.getpid(), number)
            assert (stop.ended_by, heard) == (number, [])
    assert heard == [number]


def test_a_second_signal_disturbs_nothing_that_the_first_has_begun(heard):
    with StopRequest() as stop:
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.ended_by == signal.SIGTERM and heard == [signal.SIGTERM]


def test_after_a_write_a_signal_is_heard_again(heard):
    with pytest.raises(Terminated), StopRequest() as stop:
        with stop.undisturbed():
            pass
        os.kill(os.getpid(), signal.SIGTERM)


def test_from_the_report_on_nothing_is_interrupted(heard):
    with StopRequest() as stop:
        stop.hold()
        os.kill(os.getpid(), signal.SIGTERM)
        with stop.undisturbed():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_a_run_that_is_to_survive_its_terminal_does(heard):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
    assert (stop.ended_by, signal.getsignal(signal.SIGHUP)) == (0, signal.SIG_IGN)


def test_outside_of_the_main_thread_the_callers_handling_stays(heard):
    def run():
        with StopRequest():
            handlers.append(signal.getsignal(signal.SIGTERM))

    handlers, mine = [], signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [mine] and signal.getsignal(signal.SIGTERM) is mine


def test_nothing_is_begun_after_the_minutes_and_the_same_command_goes_on(tmp_path, no_report, capsys):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StopRequest, "out_of_time", property(lambda stop: n_records(tmp_path / "run") >= 2))
        outcome = execute(tmp_path / "run", n_jobs=1, steps=3, max_minutes=30)
    assert (outcome.n_run, outcome.n_failed, outcome.interrupted) == (2, 2, True)
    assert "the minutes are over: 2 of 4 cells were not begun" in capsys.readouterr().err
    assert list(pd.read_csv(tmp_path / "run" / "results.csv").variant.unique()) == ["ae"]
    again = execute(tmp_path / "run", n_jobs=1, steps=3, max_minutes=30)
    assert (again.n_run, again.n_failed, again.interrupted) == (2, 0, False)


def test_the_minutes_are_counted():
    assert not StopRequest().requested and not StopRequest(1).requested
    stop = StopRequest(1e-9)
    assert (stop.requested, stop.out_of_time, stop.asked) == (True, True, False)
