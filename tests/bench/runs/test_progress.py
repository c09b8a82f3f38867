"""Progress: counts, shares and the estimate of what is left; what reaches which kind of stream."""

import io

import pytest

from bench.runs import progress as module
from bench.runs.cells.task import StackTask, label_of
from bench.runs.progress import Progress, duration, report_step
from bench.spec.call import Call
from bench.spec.cells import CellSpec
from bench.spec.training import TrainSettings


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set: `clock[0]`."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_share_and_time_left_count_cells_and_steps_under_way(clock):
    with Progress(10, quiet=True, stream=io.StringIO()) as progress:
        assert progress.seconds_left is None
        progress.stack("ae", 4, 100)
        clock[0] += 10
        progress.advance(50)
        assert progress.share == pytest.approx(0.2)
        assert progress.seconds_left == pytest.approx(40)
        progress.advance(100)
        for _ in range(4):
            progress.done(1, "ok")
        assert progress.share == pytest.approx(0.4)
        progress.stack("vae", 6, 100)
        progress.done(6, "error")
        assert (progress.share, progress.finished, progress.seconds_left) == (1.0, 10, 0.0)


def test_the_share_never_falls_while_a_finished_stack_is_counted(clock):
    progress = Progress(6, quiet=True, stream=io.StringIO())
    shares = []
    for stack in range(2):
        progress.stack(f"s{stack}", 3, 10)
        for step in range(11):
            progress.advance(step)
            shares.append(progress.share)
        for _ in range(3):
            progress.done(1, "ok")
            shares.append(progress.share)
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_plain_lines_say_what_runs_how_far_and_how_long_still(clock):
    stream = io.StringIO()
    with Progress(4, stream=stream) as progress:
        progress.stack("vae on digits", 4, 0)
        progress.stack("vae on digits", 4, 1500)
        clock[0] += 11
        progress.advance(750)
        clock[0] += 1
        progress.advance(760)
        for status in ("ok", "ok", "diverged", "ok"):
            progress.done(1, status)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[0/4] vae on digits: 4 seeds, 1500 steps"
    assert lines[1] == "[0/4, about 11 s left] vae on digits: step 750 of 1500"
    assert lines[2] == "[4/4] vae on digits: 3 ok, 1 diverged"
    assert len(lines) == 3


def test_pieces_of_one_stack_on_several_workers_count_each_for_itself(clock):
    """Two groups of seeds of one variant under way at the same time: one display, one estimate."""
    cells = [CellSpec(Call("vae", {}), Call("digits", {}), seed, TrainSettings()) for seed in range(10)]
    tasks = [StackTask(tuple(cells[:5])), StackTask(tuple(cells[5:]))]
    stream = io.StringIO()
    with Progress(10, stream=stream) as progress:
        for task in tasks:
            progress.stack(label_of(task.cells), len(task.cells), 0)
        clock[0] += 10
        report_step(progress, tasks[0], 500, 1000)
        report_step(progress, tasks[1], 1000, 1000)
        assert progress.share == pytest.approx(0.75)
        for _ in range(5):
            progress.done(1, "ok", label_of(tasks[1].cells))
        assert progress.share == pytest.approx(0.75)
    assert "vae on digits, seeds 0 to 4: 5 seeds, 1000 steps" in stream.getvalue()
    assert stream.getvalue().endswith("[5/10, about 3 s left] vae on digits, seeds 5 to 9: 5 ok\n")


def test_a_long_silence_is_broken(clock):
    stream = io.StringIO()
    with Progress(4, stream=stream) as progress:
        progress.stack("vae, seed 1", 1, 10)
        progress.stack("ae, seed 1", 1, 10)
        before = stream.getvalue()
        clock[0] += 29
        progress.still_there()
        assert stream.getvalue() == before
        clock[0] += 2
        progress.still_there()
        progress.still_there()
    assert stream.getvalue() == before + "[0/4] at work on vae, seed 1; ae, seed 1\n"


def test_quiet_shows_notes_alone():
    stream = io.StringIO()
    with Progress(4, quiet=True, stream=stream) as progress:
        progress.stack("vae", 4, 10)
        progress.note("two cells have results already")
        progress.done(4, "ok")
    assert stream.getvalue() == "two cells have results already\n"


def test_a_terminal_gets_a_bar_with_counts_and_notes():
    stream = Terminal()
    with Progress(4, stream=stream) as progress:
        progress.stack("vae[beta=2]", 4, 10)
        progress.note("a note with [brackets] in it")
        progress.done(3, "error")
        progress.done(1, "ok")
    assert "a note with [brackets] in it" in stream.getvalue()
    assert "vae[beta=2]" in stream.getvalue()
    assert "4/4, 3 failed" in stream.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_control_characters_of_labels_never_reach_the_terminal(stream):
    out = stream()
    with Progress(1, stream=out) as progress:
        progress.stack("evil\x1b]0;title\x07\rname", 1, 1)
        progress.note("note\x1b[2J")
        progress.done(1, "ok")
    assert "\x1b]0" not in out.getvalue() and "\x1b[2J" not in out.getvalue() and "\x07" not in out.getvalue()


def test_nothing_to_do_shows_nothing():
    out = Terminal()
    with Progress(0, stream=out) as progress:
        assert progress.share == 1.0
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (7620, "2 h 07 min")]
)
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words
