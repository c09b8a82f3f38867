"""`aebench reference`: what it writes it can check, and what is wrong is a line and an exit code."""

from synthetic import make_run

from bench.analysis.catalogue import declarations
from bench.spec.registry import Registry
from bench.store.references import RESULTS
from bench.store.run_store import RunStore


class Spec:
    def __init__(self, values):
        self.to_dict = lambda: values


def test_a_run_becomes_a_reference_that_is_fine_until_somebody_edits_it(call, tmp_path):
    run = make_run(tmp_path / "run", ("ae", "vae"), seeds=range(2), with_arrays=False)
    with RunStore.create(run, Spec(RunStore.open(run).spec)) as store:
        store.save_metrics(declarations(Registry.discover()))
    code, out, _ = call("reference", run, "-o", "mine")
    assert (code, out.splitlines()) == (0, ["mine/results.csv.gz", "mine/reference.json"])
    code, out, _ = call("reference", "--check", "mine")
    assert (code, out) == (0, "mine is fine: 2 rows, 4 cells, 20 metrics\n")
    (tmp_path / "mine" / RESULTS).write_bytes(b"")
    code, out, _ = call("reference", "--check", "mine")
    assert code == 1 and len(out.splitlines()) == 1 and "results.csv.gz" in out


def test_what_is_to_be_done_must_be_said(call, tmp_path):
    for arguments in (["x"], ["x", "--check", "-o", "y"]):
        code, _, err = call("reference", *arguments)
        assert code == 2 and "give either -o DIR" in err
    code, _, err = call("reference", tmp_path / "none", "-o", "y")
    assert code == 2 and "there is no directory" in err
    code, _, err = call("run", "--against", "none", "-m", "ae", "-n")
    assert code == 2 and "there are no reference results 'none'" in err
