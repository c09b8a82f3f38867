"""What stacking costs is told as a ratio of two steps, and of what does not stack as what it is."""

import pytest

from bench.conformance import stacking
from bench.conformance.variant import Subject
from bench.spec.registry import Registry

AE = Registry.discover().load("variant", "ae")


class Apart(AE):
    stackable = False


def test_the_ratio_is_of_a_stack_to_one_seed(monkeypatch):
    monkeypatch.setattr(stacking, "seconds_per_step", lambda subject, seeds: 1e-3 * (1 if seeds == 1 else 2.5))
    said = stacking.stacking_cost(Subject(AE, {}))
    assert said.startswith("a step of 8 seeds takes 2.5 × that of one (2.50 ms and 1.00 ms, batch 128)")
    assert stacking.stacking_cost(Subject(Apart, {})) == "declared as not stackable: 8 seeds cost 8 × the time of one"


def test_a_step_is_timed_between_marks_of_the_second_half(monkeypatch):
    """A clock that runs a tenth as fast in the second half: what recording costs at the start does not count."""
    done = [0]

    def train(models, seeds, rows, few, plan, device, on_step):
        assert len(models) == len(seeds) == 3 and plan.batch_size == 128 and len(rows) >= 4 * 128
        for step in range(0, 48, 4):
            done.append(step)
            on_step(step)

    monkeypatch.setattr(stacking, "train", train)
    monkeypatch.setattr(stacking.time, "perf_counter", lambda: 10.0 * done[-1] if done[-1] < 20 else 180 + done[-1])
    assert stacking.seconds_per_step(Subject(AE, {}), 3) == pytest.approx(1.0)
