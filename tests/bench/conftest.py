"""The command line called in this process, in a folder of its own."""

import pytest

from bench.cli import main


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """`call("run", "-n")` → (exit code, standard output, standard error); the working directory is `tmp_path`."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as raised:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return raised.value.code, out, err

    return run
