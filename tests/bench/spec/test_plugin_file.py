"""What is read from plugin files without running them."""

import pytest

from bench.contracts.metric import Value
from bench.spec.plugin_file import describe_file, kebab

VARIANT = '''"""The module's equation.

More.
"""
import a_package_that_does_not_exist
from bench.contracts.variant import Variant

class Helper:
    pass

class Mine(Variant):
    """One line
    in two."""
    def __init__(self, weight: float = 1, mode: str = "x"):
        super().__init__()
'''
METRIC = '''
from bench.contracts.metric import Metric, Value
NEEDS = ("encode", "labels")
class Probe(Metric):
    """A probe."""
    family = "downstream"
    values = (
        Value("acc", "Accuracy " "in short.", True, unit="", range="[0, 1]", needs=NEEDS, core=True),
        Value(name="per_class", summary="s", higher_is_better=None, vector=True),
    )
'''


@pytest.fixture
def write(tmp_path):
    def write(text, name="plugin.py"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_variant_is_described_without_importing_what_it_imports(write):
    info = describe_file(write(VARIANT, "my_variant.py"))
    assert (info.kind, info.name, info.attribute, info.broken) == ("variant", "my-variant", "Mine", None)
    assert info.signature == {"weight": 1.0, "mode": "x"}
    assert info.summary == "One line in two."
    assert info.doc.startswith("The module's equation.")


def test_a_dataset_is_a_function_load(write):
    info = describe_file(write('"""Title.\n\nBody."""\ndef load(path: str, n=3):\n    """Rows."""'))
    assert (info.kind, info.attribute, info.summary) == ("dataset", "load", "Title.")
    assert list(info.signature) == ["path", "n"]


def test_a_metric_declares_its_values(write):
    info = describe_file(write(METRIC))
    assert (info.kind, info.family) == ("metric", "downstream")
    assert info.values == (
        Value("acc", "Accuracy in short.", True, range="[0, 1]", needs=("encode", "labels"), core=True),
        Value("per_class", "s", None, vector=True),
    )


GROUPED = """
from bench.contracts.metric import Metric, Value, each
DRAWS = {"1": "1 draw", "10": "10 draws"}
class Probe(Metric):
    family = "downstream"
    values = (
        Value("first", "s", None),
        *each(
            Value("a_{source}_{k}", "{source}, {k}", True),
            *each(Value("b_{source}_{k}", "s", None, range="[0, 1]"), core=True),
            source=("prior", "fit"), k=DRAWS, unit="nats",
        ),
        Value("last", "s", None),
    )
"""


def test_a_group_of_values_is_read_as_the_class_expands_it(write):
    space = {}
    exec(GROUPED, space)
    info = describe_file(write(GROUPED))
    assert info.broken is None
    assert info.values == space["Probe"].values
    assert [value.name for value in info.values][:3] == ["first", "a_prior_1", "b_prior_1"]
    assert len(info.values) == 10


def test_positional_values_follow_the_order_of_the_class(write):
    arguments = ("a", "s", False, "nats", "[0, 1]", "f", ("encode",), "dependent", True, True, True)
    source = f"class M(Metric):\n    values = (Value{arguments!r},)"
    assert describe_file(write(source)).values == (Value(*arguments),)


@pytest.mark.parametrize("text", ["", "x = 1", "class A: pass", "class B(Base): pass", "def loads(): pass"])
def test_files_without_a_plugin_are_none(write, text):
    assert describe_file(write(text)) is None


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("class A(Variant):\n  def x(:\n", "variant", "line 2"),
        ("def load(:\n  pass", "dataset", "line 1"),
        ("class A(Metric)\n  pass", "metric", "line 1"),
        (b"\xff\xfe\x00", "variant", "not UTF-8"),
        ("x = '\0'\n", "variant", ""),
        ("class A(Variant): pass\nclass B(GaussianVariant): pass", "variant", "2 variant classes (A, B)"),
        ("class A(Variant):\n  def __init__(self, **options): pass", "variant", "name every parameter"),
        ("class A(Metric):\n  values = ()", "metric", "declares no values"),
        ("class A(Metric):\n  values = (Value(f'a{1}', 's', True),)", "metric", "line 2"),
        ("class A(Metric):\n  values = (\n    Value('a', 's', True, colour=1),)", "metric", "line 3: "),
        ("class A(Metric):\n  values = Value('a', 's', 1), Value('a', 's', 1)", "metric", "two values are called a;"),
        ("class A(Metric):\n  values = (Value('a'),)", "metric", "line 2: "),
        ("class A(Metric):\n  values = (Value('a', 3, None),)", "metric", "takes text for name, summary"),
        ("class A(Metric):\n  values = each(\n    Value('a', f(), True), core=True)", "metric", "line 3: Value("),
        ("class A(Metric):\n  values = each(*OTHERS, core=True)", "metric", "line 2: each(...) holds something else"),
        ("class A(Metric):\n  values = each(Value('a', 's', None), source=('f',))", "metric", "known: fit, mixture"),
        ("x = " + "(" * 500 + ")" * 500, "variant", ""),
    ],
)
def test_broken_files_are_described_with_the_reason(write, text, kind, reason):
    info = describe_file(write(text))
    assert info.kind == kind
    assert info.broken and reason in info.broken and "\n" not in info.broken


def test_a_missing_file_is_broken(tmp_path):
    assert describe_file(tmp_path / "gone.py").broken == "No such file or directory"


def test_bases_of_the_same_file_are_followed_and_are_no_plugins_themselves(write):
    source = """
import bench.contracts.variant as contract
class Base(contract.Variant):
    def __init__(self, width: int = 2): pass
class _Private(Base): pass
class Mine(Base): pass
"""
    info = describe_file(write(source))
    assert (info.attribute, info.signature) == ("Mine", {"width": 2})


def test_classes_that_derive_from_each_other_in_a_circle_end(write):
    assert describe_file(write("class A(B): pass\nclass B(A): pass")) is None


def test_kebab():
    assert kebab("Stochastic_AE") == kebab("stochastic-ae") == "stochastic-ae"


def test_a_variant_states_family_paper_and_labels_in_literals(write):
    stated = '    family = "flow"\n    reference = "A 2000, " "B"\n    uses_labels = True\n    def __init__'
    text = VARIANT.replace("    def __init__", stated)
    info = describe_file(write(text))
    assert (info.family, info.reference, info.uses_labels) == ("flow", "A 2000, B", True)
    plain = describe_file(write(VARIANT))
    assert (plain.family, plain.reference, plain.uses_labels) == ("", "", False)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("family = NAME", "family is no literal; write text in quotes"),
        ("uses_labels = 1", "uses_labels is no literal; write true or false"),
    ],
)
def test_what_is_no_literal_is_told(write, line, words):
    info = describe_file(write(f"class A(Variant):\n    {line}\n"))
    assert info.broken == f"line 2: {words}"


def test_a_class_without_init_has_the_parameters_of_its_base(write):
    assert describe_file(write("class A(ElboVariant): pass")).signature == {"kl_weight": "auto", "beta": 1.0}
    assert describe_file(write("class A(GaussianVariant): pass")).signature == {}
    own = "class A(ElboVariant):\n    def __init__(self, samples: int = 2): pass"
    assert describe_file(write(own)).signature == {"samples": 2}
