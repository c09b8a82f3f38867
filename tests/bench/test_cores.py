"""Cores, spinning, and whether a process had its cores to itself."""

import os
import subprocess
import sys
import time

import pytest

from bench.cores import LOOKS, Reading, bounded_spin, undisturbed, usable_cores


def span(wall, own, busy, threads=1, cores=2):
    """Whether `wall` seconds with `own` processor seconds of this process and `busy` of the machine are undisturbed."""
    return undisturbed(Reading(100.0, 10.0, 500.0), Reading(100.0 + wall, 10.0 + own, 500.0 + busy), threads, cores)


@pytest.mark.parametrize(
    ("case", "valid"),
    [
        ({"wall": 10, "own": 10, "busy": 10}, True),  # alone
        ({"wall": 10, "own": 9.9, "busy": 19.8}, True),  # a second worker has the other core
        ({"wall": 10, "own": 6, "busy": 20}, False),  # three processes on two cores
        ({"wall": 10, "own": 10, "busy": 22}, False),  # more work than cores
        ({"wall": 10, "own": 5, "busy": 5}, True),  # it waited for its disk, nobody else computed
        ({"wall": 10, "own": 5, "busy": 15, "cores": 64}, False),  # confined to a core that another one shares
        ({"wall": 10, "own": 20, "busy": 20, "threads": 2}, True),
        ({"wall": 10, "own": 14, "busy": 14, "threads": 2}, True),  # its second thread idles in between
        ({"wall": 10, "own": 12, "busy": 20, "threads": 2}, False),
        ({"wall": 0.02, "own": 0.02, "busy": 0.04}, True),  # the system's clock is too coarse to tell
    ],
)
def test_a_timing_is_valid_where_the_process_had_its_cores(case, valid):
    assert span(**case) is valid


def test_readings_move_with_work():
    before = Reading()
    while time.process_time() - before.own < 0.2:
        pass
    after = Reading()
    assert after.own - before.own >= 0.2 and after.wall - before.wall >= 0.2
    assert after.all - before.all >= 0.1


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_spinning_is_bounded_but_where_the_user_said_something(name):
    assert bounded_spin({"PATH": "/bin"}) == {"GOMP_SPINCOUNT": LOOKS}
    assert bounded_spin({name: "passive"}) == {}


def test_cores_follow_the_affinity():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this system")
    program = "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]); " \
              "from bench.cores import usable_cores; print(usable_cores())"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n" and usable_cores() >= 1


def environment_after(program, **changes):
    """GOMP_SPINCOUNT of a process after `program`; "" for none."""
    clean = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    program += "\nimport os, sys; print(os.environ.get('GOMP_SPINCOUNT', ''), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=clean | changes, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


COMMAND = (
    "import sys; sys.argv = ['aebench', 'list', 'presets']\nfrom bench.cli import main\n"
    "try: main()\nexcept SystemExit: pass"
)


def test_the_command_bounds_it_before_torch_and_importing_bench_changes_nothing():
    assert environment_after("import bench; bench.run") == " False"
    assert environment_after(COMMAND) == f"{LOOKS} False"
    assert environment_after(COMMAND, GOMP_SPINCOUNT="77") == "77 False"
