"""A callable at a git revision is built from the files of that revision alone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

import layerlens
from layerlens.errors import RevisionError, UsageError
from layerlens.report.run import ScenarioReport
from tests.unit.git.repository import Repository

pytestmark = pytest.mark.usefixtures("backend")

NETS = """\
import keras
from pathlib import Path
from blocks import head, Scaled
def build():
    size = int((Path(__file__).parent / "size.txt").read_text())
    inputs = keras.Input((6, 4), name="x")
    hidden = keras.layers.GRU(size, name="gru")(inputs)
    first, second = (keras.layers.Dense(8, name=n)(hidden) for n in {order})
    return keras.Model(inputs, head()(Scaled(name="scaled")(first - second)))
"""
BLOCKS = """\
import keras
class Scaled(keras.layers.Layer):
    def call(self, inputs):
        return inputs * {scale}
def head():
    return keras.layers.Dense(3, activation="{activation}", name="head")
"""


def nets(order: tuple[str, str] = ("a", "b")) -> str:
    return NETS.format(order=order)


def blocks(activation: str = "softmax", scale: float = 2.0) -> str:
    return BLOCKS.format(activation=activation, scale=scale)


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repository = Repository(tmp_path)
    repository.commit("Add nets", nets_py=nets(), blocks_py=blocks(), size_txt="8")
    monkeypatch.chdir(tmp_path)
    return repository


def report_of(target: str = "nets.py:build", against: str = "HEAD", **how: Any) -> ScenarioReport:
    report = layerlens.compare(target, against=against, allow_code=True, **how)
    (scenario,) = report.scenarios
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
    return scenario


def test_modules_and_data_come_from_the_revision(repository: Repository) -> None:
    """The order of equal layers changed too: weights are paired by path."""
    for name, text in (("nets.py", nets(("a", "b"))), ("blocks.py", blocks("sigmoid"))):
        (repository.folder / name).write_text(text)
    (repository.folder / "unrelated").mkdir()
    before = repository.state()
    scenario = report_of()
    assert repository.state() == before
    (pair,) = scenario.pairs
    assert (pair.verdict, pair.reference, pair.candidate) == ("different", "build@HEAD", "build")
    assert pair.causes == ("`activation: softmax → sigmoid` in `head`",)
    assert pair.counterexample is not None
    assert pair.first_divergence is not None
    assert pair.first_divergence.reference_layer == "head"
    assert "(Add nets) and ran in float64 too" in pair.explanation
    assert "`build` is from the working tree, with uncommitted changes" in pair.explanation
    reference = scenario.models[0]
    assert reference.runtime is not None
    assert reference.runtime.weights == "open"
    assert reference.runtime.revision is not None
    assert reference.runtime.revision.subject == "Add nets"
    assert [row.name for row in reference.layers] == [row.name for row in scenario.models[1].layers]


def test_the_code_of_a_layer_is_compared(repository: Repository) -> None:
    """Its configuration is the same at both times."""
    (repository.folder / "blocks.py").write_text(blocks(scale=2.5))
    (pair,) = report_of().pairs
    assert pair.verdict == "different"
    assert pair.causes == ("the code of `Scaled.call` in blocks.py",)
    (repository.folder / "blocks.py").write_text(f"# A comment.\n{blocks()}")
    (pair,) = report_of("nets:build").pairs
    assert (pair.verdict, pair.strength, pair.causes) == ("equivalent", "tested", ())
    assert pair.rounding is not None
    assert pair.rounding.float64_max_abs is not None
    assert pair.transfer is not None
    assert pair.transfer.method == "by_name"


def test_a_src_layout_that_is_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path)
    code = "import keras\nfrom acme.parts import units\ndef build():\n    return keras.Sequential("
    code += "[keras.Input((4,)), keras.layers.Dense(units)])\n"
    repository.commit(src__acme__nets_py=code, src__acme__parts_py="units = 2")
    (tmp_path / "src" / "acme" / "parts.py").write_text("units = 3")
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))
    monkeypatch.chdir(tmp_path)
    scenario = report_of("acme.nets:build")
    assert [model.output_shape for model in scenario.models] == [(None, 2), (None, 3)]


def test_what_the_revision_does_not_have(repository: Repository) -> None:
    folder = repository.folder
    (folder / "added.py").write_text("def build(): ...")
    (error,) = report_of("added.py:build").errors
    assert error.code == "LL514"
    assert error.message.startswith("added.py was not there at HEAD (")
    assert error.hint is not None
    assert error.hint.startswith("`git log --follow -- added.py` lists the commits")
    (folder / "nets.py").write_text(f"{nets()}\ndef later(): return build()\n")
    (error,) = report_of("nets.py:later").errors
    assert ", nets.py has no `later`" in error.message
    assert error.message.startswith("at HEAD (")
    repository.commit("Break it", blocks_py="import nothing_of_the_kind")
    (folder / "blocks.py").write_text(blocks())
    (pair,) = report_of().pairs
    assert pair.verdict == "build_error"
    assert "No module named 'nothing_of_the_kind'" in pair.explanation
    assert "raised ModuleNotFoundError at blocks.py:1; only the files that git" in pair.explanation


def test_a_callable_that_gives_no_input(repository: Repository) -> None:
    code = "import keras\ndef build(): return keras.Sequential([keras.layers.Dense(2)])\n"
    repository.commit("Give no input", nets_py=code)
    hints = [model.error and model.error.hint for model in report_of().models]
    assert (
        hints
        == [
            "let the callable return a model that does, such as `keras.Model(x, model(x))` with "
            "`x = keras.Input((2,))`"
        ]
        * 2
    )


def test_a_file_that_was_renamed(repository: Repository) -> None:
    repository.run("mv", "nets.py", "models.py")
    scenario = report_of("models.py:build")
    assert scenario.pairs[0].verdict == "equivalent"
    assert scenario.models[0].notes == ("the file was nets.py",)


def test_arguments_that_do_not_go_together(repository: Repository) -> None:
    for how, message in (
        ({"reference": "build"}, "reference= has no meaning with against="),
        ({"weights": "saved"}, "weights= has no meaning with against="),
    ):
        with pytest.raises(UsageError, match=message):
            layerlens.compare("nets.py:build", against="HEAD", allow_code=True, **how)
    with pytest.raises(UsageError, match="against= takes a callable by its name"):
        layerlens.compare(lambda: None, against="HEAD", allow_code=True)
    with pytest.raises(RevisionError, match="there is no revision HAED"):
        layerlens.compare("nets.py:build", against="HAED", allow_code=True)
    (error,) = report_of(mode="training").errors
    assert "`build@HEAD` is a model at a git revision, which has no outputs in training" in str(
        error.message
    )
