"""Configuration files and presets: reading, precedence, and errors with line and column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.spec.call import parse_call
from bench.spec.config import build_run, combine, parse_config, read_config, read_duration
from bench.spec.presets import for_member, over_preset, preset_members, preset_names, read_preset
from bench.spec.registry import Registry
from bench.spec.run import RunSpec
from bench.text import printable


def test_a_file_has_the_command_lines_keys(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("variants: [ae, 'vae[beta=[1,2]]']\nlatent-dim: 3\nseeds: 0,4\noutput: out\ntimeout: 10m\n")
    spec, options = build_run(read_config(path))
    assert [str(call) for call in spec.variants] == ["ae", "vae[beta=1]", "vae[beta=2]"]
    assert (spec.name, spec.train.latent_dim, spec.seeds) == ("mine", 3, (0, 4))
    assert (str(options.output), options.timeout) == ("out", 600.0)


def test_later_layers_win_and_steps_replace_epochs():
    combined = combine({"epochs": 5, "seeds": 3, "variant": "ae"}, {"steps": 7, "seeds": None})
    assert combined == {"steps": 7, "seeds": 3, "variant": "ae"}
    assert combine({"steps": 7}, {"epochs": 5}) == {"epochs": 5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: [1, 2\nsteps: 3", "here, line 2, column 6, is not valid YAML"),
        ("seeds: 1\n  steps: 3", "line 2, column 8"),
        ("\tseeds: 1", "line 1, column 1"),
        ("seeds: 1\nseeds: 2", "line 2, column 1, is not valid YAML: key 'seeds' is given twice"),
        ("latent-dim: 1\nlatent_dim: 2", "key 'latent_dim' is given twice"),
        ("a: &a [1]\nb: *a", "line 2, column 4, is not valid YAML: aliases"),
        ("seeds: !!python/object/apply:os.getcwd []", "line 1, column 8"),
        ("- 1", "here holds a list"),
        ("just text", "here holds a str"),
        ("sead: 1", "here: unknown key 'sead'; did you mean seeds"),
        ("? [1, 2]\n: 3", "line 1, column 3, is not valid YAML: a key is not a word"),
        ("steps: 1\nepochs: 1", "both steps and epochs"),
        ("seeds: \x00", "is not valid YAML"),
        ("variant: " + "[" * 5000, "is not valid YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_with_its_place(text, expected):
    with pytest.raises(UsageError) as raised:
        parse_config(text, "here")
    assert expected in str(raised.value)


@given(st.text(max_size=60) | st.text(alphabet="seds: 1[]{},-#&*!|>\n\t'\"?%@", max_size=60))
def test_arbitrary_text_is_read_or_refused_in_one_line(text):
    try:
        build_run(parse_config(text, "here"))
    except UsageError as error:
        assert "\n" not in printable(error)


def test_an_empty_file_is_the_default_run(tmp_path):
    (tmp_path / "digits.yaml").write_text("")
    spec, _ = build_run(read_config(tmp_path / "digits.yaml"))
    assert spec == RunSpec()


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\xfe")
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    for name, expected in [
        ("gone.yaml", "No such file"),
        ("latin.yaml", "not UTF-8"),
        ("large.yaml", "1 MB"),
        (".", ""),
    ]:
        with pytest.raises(UsageError) as raised:
            read_config(tmp_path / name)
        assert str(tmp_path) in str(raised.value) and expected in str(raised.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), (90, 90), ("30s", 30), ("10m", 600), ("1.5h", 5400), (0.5, 0.5)]
)
def test_durations(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", 0, "-1", "10d", "m", "1e3", "nan", True, None, "1 m m", [10]])
def test_durations_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError, match="timeout"):
        read_duration(text)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_valid_run_and_says_what_it_is(name):
    settings = read_preset(name)
    assert settings["description"].endswith(".")
    if members := preset_members(name):
        assert set(members) <= set(preset_names()) - {name}
        return
    spec, _ = build_run(settings)
    assert spec.name == name
    assert spec.cells(Registry.discover())


def test_the_default_preset_is_the_run_without_arguments():
    spec, _ = build_run(read_preset("default"))
    assert spec.hash == RunSpec().hash


def test_a_data_set_keeps_the_parameters_of_the_presets_data_set_of_that_name():
    preset = {"dataset": ["fashion-mnist[validation=0,limit=500]", "digits"]}
    later = over_preset(preset, {"dataset": ("fashion_mnist[root=here,limit=9]", "ring"), "steps": 3})
    assert [str(call) for call in later["dataset"]] == ["fashion-mnist[validation=0,limit=9,root=here]", "ring"]
    assert later["steps"] == 3
    assert over_preset(preset, {"dataset": "digits[split_seed=2]"})["dataset"] == [parse_call("digits[split_seed=2]")]
    assert over_preset(preset, {"dataset": None, "steps": 3}) == {"dataset": None, "steps": 3}
    assert over_preset({}, {"dataset": "digits"}) == {"dataset": "digits"}


def test_every_part_of_a_preset_that_uses_a_data_set_learns_where_its_files_are():
    preset = {"dataset": ["mnist[limit=100]", "mnist[limit=200]", "digits"]}
    later = over_preset(preset, {"dataset": "mnist[root=here]"})
    assert [str(call) for call in later["dataset"]] == ["mnist[limit=100,root=here]", "mnist[limit=200,root=here]"]


def test_data_given_for_several_presets_concern_the_members_that_use_them():
    members = [{"dataset": "digits"}, {"dataset": ["mnist[limit=9]", "digits"]}, {}]
    given = {"dataset": ("mnist[root=here]",), "steps": 3}

    def told(member, given):
        return [str(call) for call in for_member(member, members, given).get("dataset", [])]

    assert [told(member, given) for member in members] == [[], ["mnist[root=here]"], []]
    assert all(for_member(member, members, given)["steps"] == 3 for member in members)
    assert for_member({}, members, {"steps": 3}) == {"steps": 3}
    others = {"dataset": ("mnist[root=here]", "ring")}  # ring belongs to none: it is meant for all
    assert all(told(member, others) == ["mnist[root=here]", "ring"] for member in members)


def test_a_preset_of_several_runs_is_no_run_itself():
    with pytest.raises(UsageError, match="anchors stands for several runs; give one of them: anchor-"):
        build_run(read_preset("anchors"))


def test_keys_of_presets_are_refused_in_a_configuration(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("anchor: {source: me}\n")
    with pytest.raises(UsageError, match="unknown key 'anchor'"):
        read_config(path)


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="unknown preset 'quik'; did you mean quick"):
        read_preset("quik")


@pytest.mark.parametrize("output", [5, "", "a\0b", ["x"]])
def test_an_output_that_is_no_path_is_refused(output):
    with pytest.raises(UsageError, match="is not a path"):
        build_run({"output": output})


def test_plugin_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec, _ = build_run({"plugins": ["mine.py"]})
    assert spec.plugins == (str(tmp_path / "mine.py"),)


def test_what_a_user_types_over_a_preset_stays_as_typed():
    layer = over_preset({"dataset": "mnist[limit=5]"}, {"dataset": "mnist[root=1.10]"})
    resolved = Registry.discover().resolve("dataset", layer["dataset"][0])
    assert resolved.params["root"] == "1.10" and resolved.params["limit"] == 5


@pytest.mark.parametrize("text", ["1_0", "010", "1:30", "0x10", "0b1"])
def test_numbers_of_a_file_are_decimal_or_refused(text):
    with pytest.raises(UsageError, match=r"steps='.*' is not a whole number"):
        build_run({"name": "x", **parse_config(f"steps: {text}", "here")})
    assert parse_config("steps: 10\ntimeout: 1.5", "here") == {"steps": 10, "timeout": 1.5}
