"""The command group: help, lazy commands, exit codes and one-line errors."""

import os
import subprocess
import sys
import types
from pathlib import Path

import click
import pytest

import bench.cli as cli
from bench.errors import PluginError, UsageError

ROOT = Path(__file__).resolve().parents[3]
OFFLINE = (["--help"], ["list"], ["list", "metrics", "-v"], ["run", "--help"], ["report", "no-such-run"])


@pytest.fixture
def command(monkeypatch):
    """Adds the command `probe`, which runs a given function."""

    def add(function):
        module = types.ModuleType("bench.cli.probe")
        module.command = click.Command("probe", callback=function)
        monkeypatch.setitem(sys.modules, "bench.cli.probe", module)
        names = cli._Commands.list_commands
        monkeypatch.setattr(cli._Commands, "list_commands", lambda self, context: [*names(self, context), "probe"])

    return add


def test_every_module_of_the_package_is_a_command(call):
    code, out, _ = call("--help")
    names = sorted(path.stem for path in (ROOT / "bench" / "cli").glob("[a-z]*.py"))
    assert code == 0
    assert [line.split()[0] for line in out.split("Commands:")[1].strip().splitlines()] == names
    for name in names:
        command = cli.group.get_command(click.Context(cli.group), name)
        assert command.name == name and command.short_help and command.short_help in out
        assert call(name, "--help")[0] == 0


def test_without_a_command_there_is_help(call):
    code, out, err = call()
    assert (code, err) == (0, "")
    assert out.startswith("Usage: aebench")


def test_an_unknown_command_or_option_is_one_line_and_code_2(call):
    assert call("rnu") == (2, "", "error: unknown command 'rnu'; did you mean run?\n")
    code, out, err = call("run", "--sead", "3")
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and "--seeds" in err and err.count("\n") == 1


@pytest.mark.parametrize("words", [("run", "--foo"), ("compare", "a"), ("new", "estimator", "x"), ("core", "x")])
def test_words_that_a_command_does_not_take_are_answered_with_where_they_are_listed(call, words):
    code, _, err = call(*words)
    assert code == 2 and err.endswith(f" see aebench {words[0]} --help\n") and err.count("\n") == 1


@pytest.mark.parametrize(
    "error", [UsageError("a\x1b[31m\nb"), PluginError("a\x1b[31m\nb"), click.ClickException("a\nb")]
)
def test_errors_are_one_clean_line(call, command, error):
    def fail():
        raise error

    command(fail)
    code, out, err = call("probe")
    assert (code, out) == (2, "")
    assert err.startswith("error: a") and err.endswith("b\n")
    assert err.count("\n") == 1 and "\x1b" not in err


def test_a_second_ctrl_c_leaves_a_message(call, command):
    def interrupt():
        raise KeyboardInterrupt

    command(interrupt)
    code, _, err = call("probe")
    assert code == 130
    assert "goes on where it stopped" in err


def test_a_defect_is_not_hidden(monkeypatch, command):
    def fail():
        raise ZeroDivisionError("a defect")

    command(fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["probe"])


def test_the_exit_code_of_a_command_is_passed_on(call, command):
    command(lambda: click.get_current_context().exit(1))
    assert call("probe")[0] == 1


@pytest.mark.parametrize("arguments", OFFLINE, ids=" ".join)
def test_torch_is_never_loaded_to_answer(arguments, tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from bench.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    code = end.code
loaded = {{"torch", "torchvision", "sklearn"}} & set(sys.modules)
if {arguments!r} == ["--help"]:
    loaded |= {{"numpy", "pandas", "scipy", "rich", "matplotlib", "yaml"}} & set(sys.modules)
print(code, sorted(loaded), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    expected = 2 if arguments[0] == "report" else 0
    assert done.stderr.splitlines()[-1] == f"{expected} []"


def test_a_reader_that_goes_away_is_answered_by_silence_and_told_by_the_exit_code(tmp_path):
    line = f"cd {tmp_path} && PYTHONPATH={ROOT} {sys.executable} -m bench list -v | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (141, "")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_output_that_cannot_be_written_is_one_line_and_no_success(tmp_path, redirection, reason):
    line = f"cd {tmp_path} && PYTHONPATH={ROOT} {sys.executable} -m bench list presets {redirection}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: what standard output was to get is lost: {reason}\n"


def test_no_file_takes_the_place_of_a_stream_that_is_closed(tmp_path):
    """Without its standard streams, the first file that a process opens would be one of them."""
    code = "import os; from bench.streams import fill_closed; fill_closed(); print(os.open('x', os.O_CREAT) > 2)"
    line = f'cd {tmp_path} && PYTHONPATH={ROOT} {sys.executable} -c "{code}" <&- 2>&-'
    assert subprocess.run(["bash", "-c", line], capture_output=True, text=True).stdout == "True\n"


def test_a_drawing_library_is_told_where_to_draw(tmp_path):
    code = "import contextlib; from bench.cli import main\nwith contextlib.suppress(SystemExit):\n    main()\n"
    command = [sys.executable, "-c", code + "import matplotlib", "list", "presets"]
    environment = {**os.environ, "MPLBACKEND": "nonsense", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_current_folder_that_was_deleted_is_one_line(tmp_path):
    line = f"mkdir {tmp_path}/a && cd {tmp_path}/a && rmdir {tmp_path}/a && PYTHONPATH={ROOT} {sys.executable} -m bench"
    done = subprocess.run(["bash", "-c", f"{line} list presets"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: the current directory is not there any more; change to one that is\n"


@pytest.mark.parametrize("command", [["report"], ["compare", "."], ["check"], ["run", "-n", "--config"]])
@pytest.mark.parametrize("name", ["a" * 300, "/".join(["a" * 200] * 25)], ids=["long name", "long path"])
def test_a_path_that_no_file_can_have_is_one_line(call, command, name):
    code, out, err = call(*command, f"{name}/x.py" if command == ["check"] else name)
    assert (code, out, err.count("\n")) == (2, "", 1) and err.startswith("error: ")


def test_text_that_the_terminal_cannot_show_is_replaced(tmp_path):
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-m", "bench", "list", "variants"], capture_output=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0
    assert b"vae" in done.stdout


def test_version_is_told(call):
    code, out, _ = call("--version")
    assert code == 0 and out.startswith("aebench ")
