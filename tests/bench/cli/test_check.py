"""`aebench check`: passing plugins, planted faults of each kind, and refusals."""

import pytest

DATASET = """
import numpy as np
from bench.contracts.dataset import Split
def load(n: int = 30):
    \"\"\"Rows.\"\"\"
    rows = np.linspace(0, 1, n * 2, dtype=np.float32).reshape(n, 2)
    split = dict(train=rows[:10], validation=rows[10:20], test=rows[20:], description="rows")
    {change}
    return Split(**split)
"""
METRIC = """
from bench.contracts.metric import Metric, Value
class Probe(Metric):
    \"\"\"A probe.\"\"\"
    family = "probe"
    values = (Value("probe", "A number.", None, needs=("decode",)),)
    def compute(self, view, rng):
        {body}
"""
VARIANT = """
from bench.contracts.variant import Variant
import torch
class Mine(Variant):
    \"\"\"Mine.\"\"\"
    def loss(self, batch, draw):
        {body}
    def encode(self, x):
        return self.encoder(x)
"""


def failed(out):
    return [line.split("FAIL")[1].strip() for line in out.splitlines() if "FAIL" in line]


def test_what_aebench_new_writes_passes(call):
    for kind in ("variant", "dataset"):
        call("new", kind, f"mine-{kind}")
        code, out, err = call("check", f"mine_{kind}.py")
        assert (code, err, failed(out)) == (0, "", [])
        assert out.startswith(f"{kind} mine-{kind}\n") and out.endswith("all checks passed\n")


def test_known_plugins_are_checked_by_name_and_parameters(call):
    code, out, _ = call("check", "linear-gaussian[n=200]")
    assert code == 0 and out.startswith("dataset linear-gaussian[n=200]\n")
    assert call("check", "reconstruction")[0] == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("", None),
        ("return rows", "return a Split"),
        ("raise KeyError('no')", "KeyError"),
        ("split['test'] = rows[:0]", "the test part has no rows"),
        ("split['test'] = np.zeros((5, 3), np.float32)", "rows of shape (3,) where train has (2,)"),
        (
            "split = {k: v if k == 'description' else v[:, None, None, None] for k, v in split.items()}",
            "expected (N, D), (N, C, T) or (N, C, H, W)",
        ),
        ("split['test'] = rows.astype(float)", "float64"),
        ("split['validation'] = rows * np.float32(np.nan)", "row 0, column 0 is nan"),
        ("split.update(test=rows * 3, likelihoods=('bernoulli',))", "values outside [0, 1]"),
        ("split['likelihoods'] = ('poisson',)", "likelihoods ['poisson']"),
        ("split['train_labels'] = np.zeros(10, int)", "labels for some parts but not for validation and test"),
        (
            "split.update({f'{p}_labels': np.zeros(9, int) for p in ('train', 'validation', 'test')})",
            "labels of shape (9,)",
        ),
        (
            "split.update({f'{p}_labels': np.zeros(10) for p in ('train', 'validation', 'test')})",
            "type float64; expected one whole number",
        ),
        (
            "split.update({f'{p}_labels': np.full(10, -1) for p in ('train', 'validation', 'test')})",
            "labels from -1 to -1",
        ),
        (
            "split.update({f'{p}_factors': np.full((10, 1), np.nan) for p in ('train', 'validation', 'test')})",
            "expected finite",
        ),
        ("split['description'] = ''", "description is empty"),
        ("split['train'] = split['train'] + np.float32(np.random.default_rng().normal())", "returned other data"),
        ("np.random.seed(3)", "global random generator"),
    ],
)
def test_planted_faults_of_a_dataset_are_found(call, tmp_path, change, expected):
    (tmp_path / "rows.py").write_text(DATASET.format(change=change))
    code, out, _ = call("check", "rows.py")
    if expected is None:
        assert (code, failed(out)) == (0, [])
    else:
        assert code == 1 and out.endswith("failed\n")
        assert any(expected in line for line in failed(out)), out


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return {'probe': 1.0}", None),
        ("return {'probe': float(rng.normal())}", None),
        ("return {}", "did not return probe"),
        ("raise ValueError('no')", "ValueError: no"),
        ("import random; return {'probe': random.random()}", "gave other numbers"),
    ],
)
def test_planted_faults_of_a_metric_are_found(call, tmp_path, body, expected):
    (tmp_path / "probe.py").write_text(METRIC.format(body=body))
    code, out, _ = call("check", "probe.py")
    assert code == (1 if expected else 0)
    assert not failed(out) if expected is None else any(expected in line for line in failed(out)), out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('family = "probe"', 'family = ""'), "`family` is empty"),
        (('("decode",)', '("decoder",)'), "needs decoder; known: "),
        (('Value("probe"', 'Value("Probe"'), "not snake_case"),
        (("    def compute", "    values = ()\n    def compute"), "differs from the Value"),
    ],
)
def test_planted_faults_of_a_declaration_are_found(call, tmp_path, change, expected):
    (tmp_path / "probe.py").write_text(METRIC.replace(*change).format(body="return {'probe': 1.0, 'Probe': 1.0}"))
    code, out, _ = call("check", "probe.py")
    assert code == 1 and any(expected in line for line in failed(out)), out


@pytest.mark.parametrize(
    ("body", "check"),
    [
        ("return {'loss': self.reconstruction_cost(self.encode(batch.x), batch.x).mean()}", "per-example terms"),
        (
            "z = self.encode(batch.x); return {'loss': self.reconstruction_cost(z + torch.randn_like(z), batch.x)}",
            "draw",
        ),
        ("batch.x.mul_(0.5); return {'loss': self.reconstruction_cost(self.encode(batch.x), batch.x)}", "untouched"),
    ],
)
def test_planted_faults_of_a_variant_are_found(call, tmp_path, body, check):
    (tmp_path / "mine.py").write_text(VARIANT.format(body=body))
    code, out, _ = call("check", "mine.py")
    assert code == 1 and any(check in line for line in failed(out)), out


def test_a_plugin_that_cannot_be_imported_fails_with_the_reason(call, tmp_path):
    (tmp_path / "mine.py").write_text("import no_such_package_anywhere\n" + VARIANT.format(body="pass"))
    (tmp_path / "bad.py").write_text("class Bad(Variant):: pass\n")
    code, out, _ = call("check", ".")
    assert code == 1 and out.endswith("2 checks failed\n")
    assert "no_such_package_anywhere" in out and "line 1" in out


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        ("vea", "unknown plugin 'vea'; did you mean vae"),
        ("gone.py", "error: gone.py: no such file or folder; give a .py file"),
        ("vae[bta=1]", "did you mean beta?"),
        ("vae[beta=-1]", "beta=-1.0 is out of range"),
        ("", "a name is expected"),
    ],
)
def test_what_cannot_be_checked_is_refused(call, plugin, expected):
    code, _, err = call("check", plugin)
    assert code == 2 and expected in err and err.count("\n") == 1


QUAD = """
from bench import Variant
from bench.errors import Incompatible
class Quad(Variant):
    \"\"\"Codes in fours.\"\"\"
    def setup(self, context):
        if context.latent_dim % 4:
            raise Incompatible(f"latent dimension {context.latent_dim} is not a multiple of 4")
    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}
    def encode(self, x):
        return self.encoder(x)
"""


def test_what_could_not_be_tried_is_no_pass(call, tmp_path):
    (tmp_path / "quad.py").write_text(QUAD)
    code, out, _ = call("check", "quad.py")
    assert code == 1 and "passed" not in out
    assert out.endswith("17 could not be tried; give another --latent-dim, --network or --dataset\n")
    assert out.count("\n  none  ") == 17 and "latent dimension 3 is not a multiple of 4" in out
    code, out, _ = call("check", "quad.py", "--latent-dim", "4")
    assert (code, failed(out)) == (0, []) and out.endswith("all checks passed\n")


def test_a_check_that_does_not_apply_is_counted_and_no_failure(call, tmp_path):
    body = "return {'loss': self.reconstruction_cost(self.encode(batch.x), batch.x)}"
    (tmp_path / "mine.py").write_text(
        VARIANT.format(body=body).replace("    def loss", "    stackable = False\n    def loss")
    )
    code, out, _ = call("check", "mine.py")
    assert code == 0 and out.endswith("all checks that apply passed (1 does not)\n")


def test_network_and_data_of_ones_own_are_what_a_variant_is_tried_with(call, tmp_path):
    body = "assert tuple(batch.x.shape[1:]) == (1, 8, 8), 'shape'; assert self.encoder[1].out_features == 4; "
    seen = "return {'loss': self.reconstruction_cost(self.encode(batch.x), batch.x) + 0 * batch.y}"
    (tmp_path / "mine.py").write_text(VARIANT.format(body=body + seen))
    assert call("check", "mine.py")[0] == 1
    code, out, _ = call("check", "mine.py", "-d", "digits", "--network", "mlp[hidden=[4]]", "--latent-dim", "2")
    assert code == 0, out
    code, out, _ = call("check", "mine.py", "-d", "linear-gaussian[n=60]", "--network", "conv")
    assert code == 1 and "conv needs images" in out


def test_options_that_say_nothing_are_refused(call, tmp_path):
    for words, expected in (
        (("digits", "--latent-dim", "3"), "--latent-dim says nothing to the check of a dataset"),
        (("reconstruction", "--network", "conv"), "--network says nothing to the check of a metric"),
        (("ae", "--network", "vgg"), "unknown network 'vgg'"),
        (("ae", "-d", "digit"), "did you mean digits"),
        (("ae", "--latent-dim", "0"), "latent_dim=0"),
    ):
        code, _, err = call("check", *words)
        assert code == 2 and expected in err and err.count("\n") == 1, err


def test_a_metric_without_a_number_on_any_model_did_not_pass(call, tmp_path):
    (tmp_path / "probe.py").write_text(
        METRIC.format(body="return {'probe': 1.0}").replace('("decode",)', '("manifold",)')
    )
    code, out, _ = call("check", "probe.py")
    assert code == 1 and "no control model has a number: the data set's true manifold is not known" in out
    code, out, _ = call("check", "probe.py", "--dataset", "ring")
    assert (code, failed(out)) == (0, []), out


def test_a_metric_that_needs_pictures_or_factors_gets_them(call, tmp_path):
    (tmp_path / "probe.py").write_text(
        METRIC.format(body="return {'probe': 1.0}").replace('("decode",)', '("images", "factors")')
    )
    code, out, _ = call("check", "probe.py")
    assert code == 0, out


def test_options_of_a_metric_reach_it(call, tmp_path):
    text = METRIC.format(body="return {'probe': self.scale / 0.0 if self.scale == 3 else 1.0}")
    init = "    def __init__(self, scale: int = 1):\n        self.scale = scale\n    def compute"
    (tmp_path / "probe.py").write_text(text.replace("    def compute", init))
    assert call("check", "probe[scale=2]", "--plugins", "probe.py")[0] == 0
    code, out, _ = call("check", "probe[scale=3]", "--plugins", "probe.py")
    assert code == 1 and "ZeroDivisionError" in out
    code, _, err = call("check", "probe[scael=3]", "--plugins", "probe.py")
    assert code == 2 and "did you mean scale" in err
