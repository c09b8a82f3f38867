"""`aebench core`: refusals come before anything is timed."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "a-file"), "cannot create a-file: File exists; a file is in its place"),
        (("-o", "a-file/below"), "cannot create a-file/below: Not a directory; a part of the path is a file"),
        (("--dim", "0"), "dimension 0 is not a whole number of at least 1"),
        (("--device", "gpu"), "device 'gpu' is not known; give auto, cpu, cuda or cuda:N"),
        (("--device", "cuda:x"), "device 'cuda:x' is not known"),
        (("-m", "vea"), "'vea'"),
        (("--recon", "l1"), "'l1'"),
    ],
)
def test_one_line_and_nothing_measured(call, tmp_path, arguments, words):
    (tmp_path / "a-file").write_text("kept")
    code, out, err = call("core", "--quick", *arguments)
    assert (code, out) == (2, "") and words in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]
