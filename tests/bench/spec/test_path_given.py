"""What is told to somebody who gives a path where a name is expected."""

import pytest

from bench.spec.call import parse_call
from bench.spec.path_given import path_given


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("iris.csv", "file[path=iris.csv]"),
        ("iris.csv[]", "file[path=iris.csv]"),
        ("a b/Iris.CSV[label=species]", "file[path=a b/Iris.CSV,label=species]"),
        ("a,b.npy", 'file[path="a,b.npy"]'),
        ("../gone", "file[path=../gone]"),
        ("here", "image-folder[path=here]"),
        ("here/[size=8]", "image-folder[path=here/,size=8]"),
    ],
)
def test_what_is_to_be_written_is_a_call_of_the_reader_with_that_path(tmp_path, monkeypatch, text, written):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    message = str(path_given("dataset", text))
    assert message.endswith(f"write '{written}'")
    assert parse_call(written).params["path"] == text.partition("[")[0]


@pytest.mark.parametrize("text", ["digits", "digts", "vae.v2", "", "a\0b", "vae[beta=1/2]"])
def test_a_name_is_no_path(text):
    assert path_given("dataset", text) is None and path_given("variant", text) is None
