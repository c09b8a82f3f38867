"""What is wrong with the modules that a plugin imports from beside it is told in one line with the file's name."""

import sys

import pytest

from bench.errors import PluginError
from bench.spec.plugin_path import folders_open
from bench.spec.registry import Registry

VARIANT = """
from bench import Variant
{line}
class Mine(Variant):
    \"\"\"Mine.\"\"\"
    def loss(self, batch, draw):
        return {{"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}}
    def encode(self, x):
        return self.encoder(x)
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("from own_first import ONE", "own_(first|second).*circular import"),
        ("import own_missing", "No module named 'own_missing'"),
        ("from own_second import THREE", "THREE|circular import"),
    ],
)
def test_imports_that_fail_are_told(tmp_path, monkeypatch, line, words):
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "own_first.py").write_text("from own_second import TWO\nONE = TWO\n")
    (tmp_path / "own_second.py").write_text("from own_first import ONE\nTWO = ONE\n")
    (tmp_path / "mine.py").write_text(VARIANT.format(line=line))
    plugins = (str(tmp_path / "mine.py"),)
    with folders_open(plugins), pytest.raises(PluginError, match=words) as raised:
        Registry.discover(plugins).load("variant", "mine")
    assert "mine.py" in str(raised.value) and "\n" not in str(raised.value)
    for name in ("own_first", "own_second"):
        sys.modules.pop(name, None)
