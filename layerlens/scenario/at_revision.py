"""Compare a callable with itself at a git revision, as the command line names both."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from layerlens.errors import Fault, ScenarioError, UnsafeCodeError, UsageError, Where
from layerlens.fault_codes import Code
from layerlens.git.revision import find_revision
from layerlens.plain.printable import one_line
from layerlens.scenario.from_arguments import is_model, model_spec_of, short_names
from layerlens.scenario.python_target import PythonTarget, parse_target
from layerlens.scenario.spec import Expectations, ModelSpec, RuntimeSpec, Scenario
from layerlens.vocabulary import Verdict

_A_CALLABLE = "name one callable: `path/to/file.py:callable` or `module:callable`"


def refuse_unless_callable(arguments: Sequence[str], name: str) -> None:
    """Refuse anything but one callable.

    Raises:
        UsageError: nothing, several models, a scenario or a saved file is named.
    """
    shown = one_line(name)
    if len(arguments) != 1:
        received = f"{len(arguments)} were named" if arguments else "none was named"
        raise UsageError(
            f"--against {shown} compares one callable with itself, and {received}",
            hint=_A_CALLABLE,
            code=Code.NOTHING_TO_COMPARE,
        )
    (argument,) = arguments
    if parse_target(argument) is not None or argument.endswith(".py"):
        return
    what = one_line(argument)
    if is_model(argument):
        path = Path(argument)
        before = f"before{path.suffix}"
        raise UsageError(
            f"--against takes a callable, and {what} is a saved model",
            hint=f"`git show {shown}:./{what} > {before}`, and then "
            f"`layerlens compare {before} {what}`",
            code=Code.NOT_A_MODEL,
        )
    kind = "a folder" if Path(argument).is_dir() else "a scenario"
    raise UsageError(
        f"--against takes a callable, and {what} is {kind}"
        if Path(argument).exists()
        else f"there is no callable {what}",
        hint=_A_CALLABLE,
        code=Code.MODELS_AND_SCENARIOS,
    )


def callable_against(
    argument: str, revision: str, expect: Verdict | None, *, allow_code: bool
) -> Scenario:
    """Return the scenario that compares a callable with itself at a revision, the reference.

    Raises:
        ScenarioError: there is no such file.
        UnsafeCodeError: code may not run.
        RevisionError: the revision cannot be read.
    """
    (name,) = short_names([argument])
    now = model_spec_of(argument, name)
    if not allow_code:
        raise UnsafeCodeError(
            f"model `{name}` runs the Python code `{argument}`",
            now.where,
            hint="if you trust it, allow it with `--allow-code`",
        )
    where = now.where or Where(argument)
    found = find_revision(_folder_of(now, where), revision, where)
    before = replace(now, name=f"{name}@{one_line(revision)}", runtime=RuntimeSpec(revision=found))
    return Scenario(
        path=argument,
        title=f"{one_line(argument)} since {found}",
        models=(before, now),
        reference=before.name,
        expect=Expectations(verdicts={name: {"inference": expect or "equivalent"}}),
    )


def _folder_of(model: ModelSpec, where: Where) -> Path:
    """Return the folder of a callable's file; a module is searched for, and not imported.

    Raises:
        ScenarioError: there is no such module.
    """
    target = parse_target(str(model.python))
    assert target is not None  # `model_spec_of` has refused a file alone
    if target.is_file:
        return Path(target.source).resolve().parent
    return _module_folder(target, where)


def _module_folder(target: PythonTarget, where: Where) -> Path:
    top = target.source.partition(".")[0]
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # a module that is loaded and has none
        spec = None
    finally:
        sys.path[:] = before
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    for place in places:
        if place is not None and (path := Path(place)).exists():
            return path.resolve() if path.is_dir() else path.resolve().parent
    raise ScenarioError(
        (
            Fault(
                Code.PYTHON_TARGET,
                f"there is no module `{top}` in the current folder or among the installed packages",
                where,
                f"name the file: `path/to/{target.source.replace('.', '/')}.py:{target.callable}`",
            ),
        )
    )
