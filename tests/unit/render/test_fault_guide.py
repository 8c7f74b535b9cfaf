"""Every code of a fault is described, and its examples are right."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import layerlens
from layerlens.cli import run
from layerlens.errors import LayerlensError, ScenarioError, UsageError
from layerlens.fault_codes import Code
from layerlens.render.fault_guide import GROUPS, guide, render_code, render_page
from layerlens.scenario.reading.scenarios import read_scenarios

GUIDE = guide()
#: What no file or command line alone can show.
WITHOUT_EXAMPLE = {
    Code.FIXED_MODEL,
    Code.MEMORY,
    Code.MODEL_RAISES,
    Code.MODEL_UNUSABLE,
    Code.NOT_INSTALLED,
    Code.USAGE,
    Code.NO_SCRIPT,
    Code.CANNOT_DRAW,
    Code.INTERNAL,
}
READ = [code for code, entry in GUIDE.items() if entry.wrong and not entry.runs]
RUN = [code for code, entry in GUIDE.items() if entry.wrong and entry.runs]
CALLS = [code for code, entry in GUIDE.items() if entry.wrong_python]
COMMANDS = [code for code, entry in GUIDE.items() if entry.wrong_command]
PACKAGE = Path(layerlens.__file__).parent


def completed(part: str) -> str:
    """Return a part of a scenario with an input and two models, where it has none."""
    if "input" not in part.partition(":")[0] and "\ninput" not in part:
        part += "\ninput: {shape: [4]}"
    if "models:" not in part:
        part += "\nmodels: {a: [Dense: 2], b: [Dense: 2]}"
    return f"{part}\n"


@pytest.fixture
def write(tmp_path: Path) -> Iterator[object]:
    def write_part(part: str) -> Path:
        path = tmp_path / "scenario.yaml"
        path.write_text(completed(part), encoding="utf-8")
        return path

    return write_part


def codes_of(error: LayerlensError) -> set[Code]:
    return {fault.code for fault in error.faults}


def test_every_code_is_described() -> None:
    assert list(GUIDE) == sorted(Code)
    for code, entry in GUIDE.items():
        assert entry.title[0].islower() or entry.title[0] in "`P"
        assert entry.text.endswith(".")
        assert code[2] in GROUPS
        examples = (entry.wrong, entry.wrong_command, entry.wrong_python)
        assert (not any(examples)) == (code in WITHOUT_EXAMPLE)


@pytest.mark.parametrize("code", READ)
def test_a_wrong_example_has_its_fault_and_no_other(write, code: Code) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_scenarios(write(GUIDE[code].wrong))
    assert codes_of(caught.value) == {code}


@pytest.mark.parametrize("code", [code for code in READ if GUIDE[code].right])
def test_a_right_example_has_no_fault(write, code: Code) -> None:
    assert read_scenarios(write(GUIDE[code].right))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("code", RUN)
def test_an_example_that_runs(write, code: Code) -> None:
    wrong = layerlens.compare(write(GUIDE[code].wrong)).to_dict()
    assert {error["code"] for error in wrong["scenarios"][0]["errors"]} == {code}
    if GUIDE[code].right:
        right = layerlens.compare(write(GUIDE[code].right)).to_dict()
        assert right["scenarios"][0]["errors"] == []


@pytest.mark.parametrize("code", COMMANDS)
def test_an_example_of_a_command(
    code: Code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "notes.txt").write_text("a note")
    (tmp_path / "nets.py").write_text("def build(): ...")
    (tmp_path / "damaged.json").write_text('{"class_name": "Sequential"')
    (tmp_path / "scenario.yaml").write_text(completed(""))
    if code is Code.BAD_SETTINGS:
        (tmp_path / "pyproject.toml").write_text("[tool.layerlens]\nallow-code = true\n")
    assert run((GUIDE[code].wrong_command or "").split()[1:]) == 2
    assert f" {code} " in capsys.readouterr().err
    if GUIDE[code].right_command:
        assert run((GUIDE[code].right_command or "").split()[1:]) == 0


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("code", CALLS)
def test_an_example_in_python(code: Code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenario.yaml").write_text(completed(""))
    entry = GUIDE[code]
    names = {"keras": keras, "layerlens": layerlens}
    with pytest.raises(LayerlensError) as caught:
        exec(entry.wrong_python or "", dict(names))
    assert codes_of(caught.value) == {code}
    exec(entry.right_python or "", dict(names))


def test_a_code_is_described_in_the_terminal() -> None:
    text = render_code("ll301", 60)
    assert text.startswith("LL301: an unknown layer\n\nThe name is not a class of `keras.layers`")
    assert "Wrong:\n\n    models: {a: [Linear: 2], b: [Dense: 2]}\n" in text
    assert "Right:\n\n    models: {a: [Dense: 2], b: [Dense: 2]}\n" in text


@pytest.mark.parametrize(
    ("text", "near"), [("LL30", "LL3"), ("LL300", "LL30"), ("LL999", "LL901"), ("LL2011", "LL201")]
)
def test_an_unknown_code_has_the_nearest_as_its_hint(text: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"there is no code {text}") as caught:
        render_code(text, 80)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(f"did you mean {near}")


def test_the_page_of_the_documentation_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs" / "errors.md"
    if "LAYERLENS_WRITE_DOCS" in os.environ:
        page.write_text(render_page(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == render_page(), "set LAYERLENS_WRITE_DOCS=1 once"


def test_every_code_is_given_to_a_fault() -> None:
    used = {
        node.attr
        for path in PACKAGE.rglob("*.py")
        if path.name != "fault_codes.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Code"
    }
    assert used == set(Code.__members__)


def test_few_faults_have_only_the_code_of_their_class() -> None:
    """A closer code than LL501 fits nearly every fault of a command or call."""
    closer = general = 0
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            coded = any(item.arg == "code" for item in node.keywords)
            given = bool(node.args) and ast.unparse(node.args[0]).startswith("Code.")
            if name == "UsageError" and not coded:
                general += 1
            elif name == "UsageError" or given:
                closer += 1
    assert general < 0.05 * (closer + general)
