"""What is told to somebody who gives a path where a name is expected."""

from pathlib import Path

import pytest

from bench.spec.call import parse_call
from bench.spec.path_given import data_file, path_given
from bench.spec.values import read_calls


@pytest.mark.parametrize("key", ["label=species", "", "drop=a,test=0.3"])
@pytest.mark.parametrize("name", ["iris.csv", "a b/Iris.CSV", "a,b.npy", "rows [1].npz", "it's.tsv", "a.parquet"])
def test_an_existing_file_of_data_is_its_reader_with_that_path(tmp_path, monkeypatch, name, key):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    (call,) = read_calls("dataset", f"{name}[{key}]" if key and "[" not in name else name)
    wanted = dict(pair.split("=") for pair in key.split(",") if pair and "[" not in name)
    assert call.name == "file" and {k: str(v) for k, v in call.params.items()} == {"path": name} | wanted
    assert read_calls("dataset", [str(tmp_path / name)])[0].params == {"path": str(tmp_path / name)}
    assert read_calls("dataset", Path(name)) == read_calls("dataset", name)


def test_several_settings_of_one_file_are_a_grid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").touch()
    assert [call.params["split_seed"] for call in read_calls("dataset", "t.csv[split_seed=[0,1]]")] == [0, 1]


@pytest.mark.parametrize("text", ["gone.csv", "there/gone.npy[label=x]", "/nowhere/a.npz", "~nobody.csv"])
def test_a_file_that_is_not_there_is_said_to_be(text):
    name = text.partition("[")[0]
    assert str(path_given("dataset", text)).startswith(f"{name!r} does not exist (looked in ")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("../gone", "file[path=../gone]"),
        ("here", "image-folder[path=here]"),
        ("here/[size=8]", "image-folder[path=here/,size=8]"),
        ("here/notes.txt", "file[path=here/notes.txt]"),
    ],
)
def test_what_is_to_be_written_is_a_call_of_the_reader_with_that_path(tmp_path, monkeypatch, text, written):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    message = str(path_given("dataset", text))
    assert message.endswith(f"write '{written}'")
    assert parse_call(written).params["path"] == text.partition("[")[0]
    assert data_file(text) is None


@pytest.mark.parametrize("text", ["digits", "digts", "vae.v2", "", "a\0b", "a\0b.csv", "x" * 5000, "vae[beta=1/2]"])
def test_a_name_is_no_path(text):
    assert path_given("dataset", text) is None and path_given("variant", text) is None
