"""`--against` takes one callable, in a repository, and with permission."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerlens.errors import LayerlensError, RevisionError, UnsafeCodeError, UsageError
from layerlens.scenario.at_revision import callable_against, refuse_unless_callable
from layerlens.scenario.spec import Scenario
from tests.unit.git.repository import Repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repository = Repository(tmp_path)
    repository.commit("Add nets", nets_py="def build(): ...", pkg__m_py="def build(): ...")
    monkeypatch.chdir(tmp_path)
    return repository


def against(argument: str, revision: str = "HEAD", *, allow_code: bool = True) -> Scenario:
    return callable_against(argument, revision, None, allow_code=allow_code)


def test_the_revision_is_the_reference(repository: Repository) -> None:
    scenario = against("nets.py:build")
    assert [model.name for model in scenario.models] == ["build@HEAD", "build"]
    assert scenario.reference == "build@HEAD"
    assert scenario.title.startswith("nets.py:build since HEAD (")
    before, now = scenario.models
    assert now.runtime is None
    assert before.runtime is not None
    assert before.runtime.revision is not None
    assert before.runtime.revision.subject == "Add nets"
    assert scenario.expect is not None
    assert scenario.expect.verdicts == {"build": {"inference": "equivalent"}}


@pytest.mark.parametrize("target", ["nets:build", "pkg.m:build"])
def test_a_module_of_the_current_folder(repository: Repository, target: str) -> None:
    runtime = against(target).models[0].runtime
    assert runtime is not None
    assert runtime.revision is not None
    assert runtime.revision.working_tree == str(repository.folder)


def test_git_does_not_run_without_permission(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        UnsafeCodeError, match=r"model `build` runs the Python code `nets.py:build`"
    ):
        against("nets.py:build", allow_code=False)
    with pytest.raises(RevisionError, match="git is not installed"):
        against("nets.py:build")


def test_what_is_not_there(
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    for argument, message in (
        ("absent.py:build", "absent.py"),
        ("nets.py", "which of its functions returns the model?"),
        ("absent:build", "there is no module `absent`"),
    ):
        with pytest.raises(LayerlensError) as caught:
            against(argument)
        assert message in caught.value.message
    outside = tmp_path_factory.mktemp("outside")
    (outside / "installed_nets.py").write_text("def build(): ...")
    monkeypatch.syspath_prepend(str(outside))
    with pytest.raises(RevisionError, match=r"is not in a git repository"):
        against("installed_nets:build")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ["a.py:f", "b.py:g"],
            "--against REV compares one callable with itself, and 2 were",
            "one",
        ),
        ([], "and none was named", "one"),
        (
            ["golden.keras"],
            "--against takes a callable, and golden.keras is a saved model",
            "`git show REV:./golden.keras > before.keras`, and then "
            "`layerlens compare before.keras golden.keras`",
        ),
        (["s.yaml"], "--against takes a callable, and s.yaml is a scenario", "one"),
        (["."], "--against takes a callable, and . is a folder", "one"),
        (["nothing"], "there is no callable nothing", "one"),
    ],
)
def test_anything_else_is_refused(
    arguments: list[str], message: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        refuse_unless_callable(arguments, "REV")
    assert message in caught.value.message
    assert hint in str(caught.value.hint)
