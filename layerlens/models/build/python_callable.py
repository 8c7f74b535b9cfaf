"""Import and call a callable of a module or a file, with the scenario's folder on the path."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from layerlens.errors import Fault, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.models.build.python_file import PythonFile
from layerlens.plain.suggestion import nearest_name
from layerlens.scenario.python_target import PythonTarget, parse_target

_OWN_PACKAGE = __name__.partition(".")[0]


def call_python(target: str, args: Mapping[str, Any], where: Where | None) -> Any:
    """Import and call `module:callable` or `file.py:callable`, and return its result.

    The file's folder, the scenario's and the current one are on the module path; output goes to
    standard error. Raises whatever the callable raises.

    Raises:
        ScenarioError: there is no such module or callable, or the arguments do not fit.
    """
    parsed, folders = _parsed(target, where), code_folders(target, where)
    # Code that changes the working folder would break the next model's relative paths.
    with (
        importable(folders),
        contextlib.chdir(Path.cwd()),
        contextlib.redirect_stdout(sys.stderr),
    ):
        function = _found(parsed, folders, where)
        _check_arguments(target, function, args, where)
        return function(**args)


def find_python(target: str, where: Where | None) -> Any:
    """Import `module:callable` as `call_python` does, and return the callable."""
    parsed, folders = _parsed(target, where), code_folders(target, where)
    with importable(folders), contextlib.redirect_stdout(sys.stderr):
        return _found(parsed, folders, where)


@contextlib.contextmanager
def importable(folders: tuple[str, ...]) -> Iterator[None]:
    """Context manager that puts folders first on the module path, and removes their modules after.

    Two scenarios may each have a `models.py`: modules from the folders are unloaded afterwards, and
    modules of the same name that were loaded before are restored.
    """
    path = list(sys.path)
    before = dict(sys.modules)
    for name, module in before.items():
        if _is_shadowed(name, module, folders):
            del sys.modules[name]
    sys.path[:0] = folders
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if before.get(name) is not module and _comes_from(name, module, folders):
                del sys.modules[name]
        for name, module in before.items():
            sys.modules.setdefault(name, module)


def scenario_folders(where: Where | None) -> tuple[str, ...]:
    here = str(Path.cwd())
    scenario = Path(where.file).resolve().parent if where and Path(where.file).exists() else None
    return tuple(dict.fromkeys([str(scenario), here] if scenario else [here]))


def code_folders(target: str, where: Where | None) -> tuple[str, ...]:
    """Return the folders that the code of a callable may be imported from, the nearest first."""
    parsed, folders = parse_target(target), scenario_folders(where)
    if parsed is None or not parsed.is_file:
        return folders
    return tuple(dict.fromkeys([PythonFile.at(parsed.source).folder, *folders]))


def _is_shadowed(name: str, module: ModuleType, folders: tuple[str, ...]) -> bool:
    """Return whether the folders have a module of this name and the user has loaded another."""
    top = name.partition(".")[0]
    if not any(path.is_file() for folder in folders for path in _places(folder, top)):
        return False
    loaded = sys.modules.get(top, module)
    return _is_users(loaded) and not _comes_from(top, loaded, folders)


def _is_users(module: ModuleType) -> bool:
    """Return whether a module is neither Python's, nor installed, nor the main program."""
    place = getattr(module, "__file__", None)
    if place is None or module.__name__ in ("__main__", _OWN_PACKAGE):
        return False
    installed = [str(Path(prefix, "lib")) for prefix in (sys.prefix, sys.base_prefix)]
    return "site-packages" not in place and not place.startswith(tuple(installed))


def _comes_from(name: str, module: ModuleType, folders: tuple[str, ...]) -> bool:
    place = getattr(module, "__file__", None)
    if not isinstance(place, str) or name.partition(".")[0] == _OWN_PACKAGE:
        return False
    return any(Path(place) in _places(folder, name) for folder in folders)


def _places(folder: str, name: str) -> tuple[Path, Path]:
    path = Path(folder, *name.split("."))
    return path.with_suffix(".py"), path / "__init__.py"


def _parsed(target: str, where: Where | None) -> PythonTarget:
    parsed = parse_target(target)
    if parsed is None:
        raise _fault(f'`python: "{target}"` is not of the form "module:callable"', where)
    return parsed


def _found(target: PythonTarget, folders: tuple[str, ...], where: Where | None) -> Any:
    if target.is_file:
        found: Any = PythonFile.at(target.source).load()
    else:
        found = _imported(target.source, folders, where)
    for part in target.callable.split("."):
        if not hasattr(found, part):
            raise _fault(_missing(target, found, part), where)
        found = getattr(found, part)
    if not callable(found):
        raise _fault(
            f"`{target}` is of type {type(found).__name__}; a callable is needed",
            where,
        )
    return found


def _imported(module_name: str, folders: tuple[str, ...], where: Where | None) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module exists, but one that it imports does not
        looked = " and ".join(folders)
        raise _fault(
            f"there is no module `{module_name}`; looked in {looked} and in the installed packages",
            where,
            hint=_place_for(module_name, folders, where),
        ) from error


def _place_for(module_name: str, folders: tuple[str, ...], where: Where | None) -> str:
    """Return a hint that names the module most like a missing one, or where to put it."""
    beside = [path.stem for folder in folders for path in Path(folder).glob("*.py")]
    near = nearest_name(module_name, beside, match_case=True)
    if near is not None:
        return f"did you mean `{near}`?"
    file = f"{module_name.replace('.', '/')}.py"
    if where is None or where.line is None:
        return f"put `{file}` in the current folder, or name the file: `path/to/{file}:callable`"
    return f"put `{file}` next to the scenario"


def _check_arguments(
    target: str, function: Any, args: Mapping[str, Any], where: Where | None
) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # written in C: the call itself checks the arguments
    try:
        signature.bind(**args)
    except TypeError as error:
        if not args and (where is None or where.line is None):  # not from a scenario
            raise _fault(
                f"`{target}{signature}` cannot be called without arguments: {error}",
                where,
                hint="name a function that calls it with its arguments",
            ) from error
        raise _fault(f"`args:` do not fit `{target}{signature}`: {error}", where) from error


def _missing(target: PythonTarget, holder: Any, part: str) -> str:
    names = [name for name in vars(holder) if not name.startswith("_")]
    near = nearest_name(part, names, match_case=True)
    meant = f"; did you mean `{near}`?" if near else ""
    source = target.source if target.is_file else f"module `{target.source}`"
    return f"{source} has no `{part}`{meant}"


def _fault(message: str, where: Where | None, hint: str | None = None) -> ScenarioError:
    return ScenarioError((Fault(Code.PYTHON_TARGET, message, where, hint),))
