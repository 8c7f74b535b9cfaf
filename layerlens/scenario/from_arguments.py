"""Turn the arguments of the command line that name models into a scenario."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from layerlens.errors import Fault, ScenarioError, UsageError, Where
from layerlens.fault_codes import Code
from layerlens.plain.json import JsonError, parse_json
from layerlens.plain.printable import one_line
from layerlens.scenario.faults import suggestion
from layerlens.scenario.files import (
    LARGEST_FILE,
    SAVED_SUFFIXES,
    SCENARIO_SUFFIXES,
    FileFault,
    file_fault,
    folder_hint,
    is_exported,
    near_file,
    saved_file_fault,
)
from layerlens.scenario.python_target import PythonTarget, parse_target
from layerlens.scenario.spec import Expectations, ModelSpec, Scenario
from layerlens.vocabulary import Verdict, Weights

#: The keys of a scenario or a report that is written as JSON.
_NOT_IN_MODEL = ({"models"}, {"schema", "scenarios"})


@dataclass(frozen=True, slots=True)
class ModelForm:
    """One form in which an argument may name a model."""

    matches: Callable[[str], bool]
    #: Returns why there is no such model, and what to do; None if there is one.
    fault: Callable[[str], FileFault | None]
    spec: Callable[[str, str], ModelSpec]
    short_name: Callable[[str], str]
    #: Whether such a model has weights that were saved with it; code may load some, and those of an
    #: exported file cannot be read one by one.
    saved_weights: Literal["always", "never", "maybe", "frozen"]


def is_model(argument: str) -> bool:
    """Return whether an argument names a model, not a scenario or a folder of scenarios."""
    return _form_of(argument) is not None


def are_models(arguments: Sequence[str]) -> bool:
    """Return whether the arguments are models to compare, not scenarios.

    Raises:
        UsageError: some are models and others are not, or there is only one model.
    """
    models = [argument for argument in arguments if is_model(argument)]
    others = [argument for argument in arguments if not is_model(argument)]
    if not models:
        return False
    if others:
        raise _no_model(others[0], beside=models[0])
    if len(models) == 1:
        raise UsageError(
            f"{models[0]} is one model, and there is no other to compare it with",
            hint=f"name more models after it; `layerlens summary {models[0]}` shows its layers",
            code=Code.NOTHING_TO_COMPARE,
        )
    return True


def refuse_models(arguments: Iterable[str], command: str) -> None:
    """Raise UsageError if a command that takes scenarios is given a model."""
    for argument in arguments:
        if is_model(argument):
            raise UsageError(
                f"{command} takes scenarios, and {one_line(argument)} is a model",
                hint="name the model under `file:` or `python:` in a scenario",
                code=Code.MODELS_AND_SCENARIOS,
            )


def model_spec_of(argument: str, name: str) -> ModelSpec:
    """Return the model that an argument names.

    Raises:
        ScenarioError: there is no such model.
    """
    form = _form_of(argument)
    assert form is not None  # that is what `is_model` says
    if (fault := form.fault(argument)) is not None:
        raise ScenarioError((Fault(fault.code, fault.message, Where(argument), fault.hint),))
    return form.spec(argument, name)


def one_model(argument: str) -> ModelSpec:
    """Return the model that an argument names, under its short name.

    Raises:
        ScenarioError: there is no such model.
        UsageError: the argument names no model.
    """
    if not is_model(argument):
        raise UsageError(
            f"{one_line(argument) or 'an empty text'} is not a model",
            hint=near_file(Path(argument), SAVED_SUFFIXES)
            or "a model is a saved file or `path/to/file.py:callable`",
            code=Code.NOT_A_MODEL,
        )
    (name,) = short_names([argument])
    return model_spec_of(argument, name)


def model_as_scenario(argument: str) -> Scenario:
    """Return the scenario of a single model, for its layer table.

    Raises:
        ScenarioError: there is no such model.
    """
    model = one_model(argument)
    return Scenario(argument, one_line(argument), (model,), model.name)


def models_as_scenario(
    arguments: Sequence[str], expect: Verdict | None = None, weights: Weights | None = None
) -> Scenario:
    """Return the scenario in which the first model is the reference of all others.

    Args:
        arguments: the models, for which `are_models` holds.
        expect: the verdict expected of every pair; `equivalent` by default.
        weights: what is compared; by default the saved weights too, if every model has some.

    Raises:
        ScenarioError: with a fault for every argument at which there is no model.
        UsageError: saved weights are to be compared, and a model has none.
    """
    models: list[ModelSpec] = []
    faults: dict[Fault, None] = {}
    for argument, name in zip(arguments, short_names(arguments), strict=True):
        try:
            models.append(model_spec_of(argument, name))
        except ScenarioError as error:
            faults.update(dict.fromkeys(error.faults))
    if faults:
        raise ScenarioError(tuple(faults))
    folders = tuple(_code_folders(arguments))
    models = [
        replace(model, code_folders=folders) if model.form == "file" else model for model in models
    ]
    compared = compared_weights(arguments, weights)
    expected = expect or "equivalent"
    candidates = tuple(model.name for model in models[1:])
    same: tuple[str, ...] = ()
    if (compared, expected) == ("saved", "equivalent") and not is_exported(models[0].file):
        same = tuple(one.name for one in models[1:] if not is_exported(one.file))
    return Scenario(
        path=arguments[0],
        title=" vs ".join(map(one_line, arguments)),
        models=tuple(models),
        reference=models[0].name,
        weights=compared,
        expect=Expectations(
            verdicts={name: {"inference": expected} for name in candidates},
            same_weights=same,
        ),
    )


def short_names(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a name for each model: a short one, or the argument where two would be equal."""
    short = [_short_name(argument) for argument in arguments]
    names: list[str] = []
    for argument, name in zip(arguments, short, strict=True):
        names.append(_unused(name if short.count(name) == 1 else one_line(argument), names))
    return tuple(names)


def compared_weights(arguments: Sequence[str], asked: Weights | None = None) -> Weights:
    """Return whether the saved weights of models are compared: asked for, or all have some.

    Raises:
        UsageError: it is asked for, and a model has none.
    """
    having = {
        argument: form.saved_weights for argument in arguments if (form := _form_of(argument))
    }
    if asked is None:
        return "saved" if set(having.values()) == {"always"} else "carried"
    without = [argument for argument, has in having.items() if has == "never"]
    if asked == "saved" and without:
        raise UsageError(
            f"{without[0]} holds no weights, so saved weights cannot be compared",
            hint="leave out `--weights saved`, or save the whole model as `.keras`",
        )
    return asked


def _short_name(argument: str) -> str:
    form = _form_of(argument)
    name = "" if form is None else one_line(form.short_name(argument))
    return name or one_line(argument)


def _unused(name: str, used: Iterable[str]) -> str:
    unused, number = name, 2
    while unused in used:
        unused = f"{name} ({number})"
        number += 1
    return unused


# --- saved files ----------------------------------------------------------------------------------


def _is_saved(argument: str) -> bool:
    suffix = Path(argument).suffix.lower()
    return suffix in SAVED_SUFFIXES and suffix != ".json" and not is_exported(argument)


def _is_description(argument: str) -> bool:
    return Path(argument).suffix.lower() == ".json" and not _is_other_json(Path(argument))


def _is_other_json(path: Path) -> bool:
    """Return whether a JSON file is a scenario or a report, not a model's description."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_FILE:
            return False
        data = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, JsonError):
        return False  # reading it as a model reports the fault
    return isinstance(data, Mapping) and any(keys <= set(data) for keys in _NOT_IN_MODEL)


def _saved_fault(argument: str) -> FileFault | None:
    return saved_file_fault(Path(argument), one_line(argument))


def _saved_spec(argument: str, name: str) -> ModelSpec:
    return ModelSpec(name, "file", file=argument, where=Where(argument))


def _stem(argument: str) -> str:
    return Path(argument).stem


def _file_name(argument: str) -> str:
    """Return the name with its suffix: an exported file is often named like what it was made of."""
    return Path(argument).name


# --- Python code ----------------------------------------------------------------------------------


def _is_callable(argument: str) -> bool:
    """Return whether an argument names a callable; a file of that very name is not one."""
    if argument.endswith(".py"):
        return True
    return parse_target(argument) is not None and not Path(argument).exists()


def _target(argument: str) -> PythonTarget | None:
    """Return the callable that an argument names; of a `.py` file alone, one without a name."""
    if argument.endswith(".py"):
        return PythonTarget(argument, "", is_file=True)
    return parse_target(argument)


def _callable_fault(argument: str) -> FileFault | None:
    target = _target(argument)
    if target is None or not target.is_file:
        return None
    fault = file_fault(Path(target.source), one_line(target.source), (".py",))
    if fault is not None or target.callable:
        return fault
    names = _names_in(Path(target.source))
    listed = f"; {suggestion('', names)}" if names else ""
    return FileFault(
        Code.PYTHON_TARGET,
        f"{one_line(argument)} is a Python file; which of its functions returns the model?",
        f"write `{one_line(argument)}:NAME`{listed}",
    )


def _names_in(path: Path) -> list[str]:
    """Return the functions and classes that a Python file defines, without running it."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return []
        parsed = ast.parse(path.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    defining = (ast.FunctionDef, ast.ClassDef)
    names = [one.name for one in parsed.body if isinstance(one, defining)]
    return [name for name in names if not name.startswith("_")]


def _callable_spec(argument: str, name: str) -> ModelSpec:
    target = _target(argument)
    place = target.source if target is not None and target.is_file else argument
    return ModelSpec(name, "python", python=argument, where=Where(place))


def _code_folders(arguments: Iterable[str]) -> Iterator[str]:
    """Yield the folders of the Python files among the arguments."""
    for argument in arguments:
        target = _target(argument) if _is_callable(argument) else None
        if target is not None and target.is_file:
            yield str(Path(target.source).resolve().parent)


def _callable_name(argument: str) -> str:
    target = _target(argument)
    return argument if target is None else target.callable


# --- forms ----------------------------------------------------------------------------------------

#: The forms of models, the first that matches counts. Another kind of file is one more row.
_FORMS: tuple[ModelForm, ...] = (
    ModelForm(_is_description, _saved_fault, _saved_spec, _stem, "never"),
    ModelForm(_is_saved, _saved_fault, _saved_spec, _stem, "always"),
    ModelForm(is_exported, _saved_fault, _saved_spec, _file_name, "frozen"),
    ModelForm(_is_callable, _callable_fault, _callable_spec, _callable_name, "maybe"),
)


def _form_of(argument: str) -> ModelForm | None:
    return next((form for form in _FORMS if form.matches(argument)), None)


def _no_model(argument: str, *, beside: str) -> UsageError:
    """Return the error of an argument that is not a model, next to one that is."""
    path, shown = Path(argument), one_line(argument)
    if not argument:
        return UsageError(
            "an empty path was given", hint="`.` is the current folder", code=Code.NO_SUCH_PATH
        )
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError):
        is_folder, exists = False, False
    if not exists:
        suffixes = (*SAVED_SUFFIXES, *SCENARIO_SUFFIXES)
        return UsageError(
            f"there is no file, folder or callable {shown}",
            hint=near_file(path, suffixes)
            or "a model is a saved file or `path/to/file.py:callable`",
            code=Code.NO_SUCH_PATH,
        )
    if is_folder:
        what = "is a folder, which is searched for scenarios"
    elif path.suffix in (*SCENARIO_SUFFIXES, ".json"):
        what = "is a scenario"
    else:
        what = "is not a model"
    return UsageError(
        f"{shown} {what}, and {one_line(beside)} is a model: they cannot be compared together",
        hint=(folder_hint(path) if is_folder else None)
        or "name scenarios alone or models alone; a scenario may hold the model under `file:` or "
        "`python:`",
        code=Code.MODELS_AND_SCENARIOS,
    )
