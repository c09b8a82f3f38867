"""`aebench sources`: what a run keeps of foreign code, and that a text cannot steer the terminal."""

import pytest
from runs import execute

pytestmark = pytest.mark.usefixtures("no_report")

MINE = """
from bench import Variant
class Mine(Variant):
    \"\"\"Mine. \x1b[31m\"\"\"
    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}
    def encode(self, x):
        return self.encoder(x)
"""


def test_sources_are_listed_shown_compared_and_written(call, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    execute(tmp_path / "run", variant=["mine"], plugins=[tmp_path / "mine.py"], seeds=1, steps=2)
    code, out, _ = call("sources", "run")
    assert code == 0 and out.startswith("variant mine (") and out.endswith("): mine.py\n")
    code, out, _ = call("sources", "run", "--show", "mine")
    assert "class Mine(Variant):" in out and "\x1b" not in out
    (tmp_path / "mine.py").write_text(MINE.replace("return {", "return { "))
    code, out, _ = call("sources", "run", "--compare", "mine.py")
    assert code == 0 and "+        return { " in out
    assert call("sources", "run", "-o", "out")[1].endswith("1 files written below out\n")
    code, _, err = call("sources", "run", "--show", "mien")
    assert code == 2 and "did you mean mine" in err


def test_a_run_of_built_in_code_says_so(call, tmp_path):
    execute(tmp_path / "run", variant=["ae"], seeds=1, steps=2)
    assert call("sources", "run") == (0, "all code behind this run comes with the package\n", "")
