"""`aebench list`: what it shows of every kind, short and long, broken plugins included."""

import re

import pytest

from bench.spec.presets import preset_names
from bench.spec.registry import Registry


def test_everything_is_listed_without_an_argument(call):
    code, out, err = call("list")
    assert (code, err) == (0, "")
    titles = ["variants", "datasets", "metrics", "samplers", "presets"]
    assert [line for line in out.splitlines() if line in titles] == titles


@pytest.mark.parametrize(("what", "kind"), [("variants", "variant"), ("datasets", "dataset"), ("samplers", "sampler")])
def test_plugins_are_listed_with_their_summaries(call, what, kind):
    _, out, _ = call("list", what)
    registry = Registry.discover()
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == registry.names(kind)
    for line, name in zip(lines, registry.names(kind), strict=True):
        assert line.split(maxsplit=1)[1][:20] == registry.info(kind, name).summary[:20]


def test_the_long_list_has_signature_origin_and_documentation(call):
    _, out, _ = call("list", "variants", "-v")
    assert "vae[kl_weight=auto,beta=1,samples=1]\n" in out
    assert "stochastic_ae.py" in out
    assert "(eq. 2)" in out
    assert "broken" not in out
    assert "file[path=…,label=none" in call("list", "datasets", "-v")[1]


def test_metrics_are_explained_in_full(call):
    _, out, _ = call("list", "metrics", "-v")
    block = out.split("\ntest_mse\n")[1].split("\n\n")[0]
    assert "lower is better" in block
    for word in ("family:", "formula:", "needs:", "gauge:", "set:"):
        assert word in block
    energy = out.split("\nenergy_fit\n")[1].split("\n\n")[0]
    assert "sweeps:    sees averaging, blur" in energy and "not memorised" in energy
    assert "best at 0.5" in out.split("\ntwo_sample_fit\n")[1].split("\n\n")[0]
    values = [
        v for name in Registry.discover().names("metric") for v in Registry.discover().info("metric", name).values
    ]
    names = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert sorted(names) == sorted(value.name + ("[…]" if value.vector else "") for value in values)
    assert all(value.formula and value.summary for value in values)


def test_presets_are_listed_with_their_settings(call):
    _, short, _ = call("list", "presets")
    assert [line.split()[0] for line in short.splitlines()] == preset_names()
    assert "    steps: 300" in call("list", "presets", "-v")[1]


def test_broken_plugins_are_listed_with_the_reason_and_others_stay(call, tmp_path):
    (tmp_path / "bad.py").write_text("class Bad(Variant):: pass\n")
    (tmp_path / "fails.py").write_text("import no_such_package_anywhere\nclass Fails(Variant): ...\n")
    (tmp_path / "evil.py").write_text('class Evil(Variant):\n    "Red \\x1b[31m text"\n')
    code, out, _ = call("list", "variants", "--plugins", ".")
    assert code == 0
    assert re.search(r"^bad +broken; see -v$", out, re.M)
    assert "vae  " in out and "\x1b" not in out
    code, out, _ = call("list", "variants", "-v", "--plugins", ".")
    assert code == 0 and "\x1b" not in out
    assert "    broken: line 1" in out
    assert "    broken: variant 'fails'" in out and "no_such_package_anywhere" in out


def test_an_unknown_kind_is_refused(call):
    code, _, err = call("list", "models")
    assert code == 2 and "variants" in err


def test_primary_metrics_come_first_then_the_other_core_ones(call):
    _, out, _ = call("list", "metrics")
    sets = [words[1] if (words := line.split())[1] in ("primary", "core") else "" for line in out.splitlines()]
    assert sets == sorted(sets, key=["primary", "core", ""].index) and set(sets) == {"primary", "core", ""}
