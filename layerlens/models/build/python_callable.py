"""Import and call `module:callable`, with the scenario's folder on the path."""

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
from layerlens.plain.suggestion import nearest_name

_OWN_PACKAGE = __name__.partition(".")[0]


def call_python(target: str, args: Mapping[str, Any], where: Where | None) -> Any:
    """Import and call `module:callable` with the arguments, and return its result.

    The scenario's folder and the current one are on the module path; output goes to standard
    error. Raises whatever the callable raises.

    Raises:
        ScenarioError: there is no such module or callable, or the arguments do not fit.
    """
    folders = scenario_folders(where)
    # Code that changes the working folder would break the next model's relative paths.
    with (
        importable(folders),
        contextlib.chdir(Path.cwd()),
        contextlib.redirect_stdout(sys.stderr),
    ):
        function = _found(target, folders, where)
        _check_arguments(target, function, args, where)
        return function(**args)


def find_python(target: str, where: Where | None) -> Any:
    """Import `module:callable` as `call_python` does, and return the callable."""
    folders = scenario_folders(where)
    with importable(folders), contextlib.redirect_stdout(sys.stderr):
        return _found(target, folders, where)


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


def _found(target: str, folders: tuple[str, ...], where: Where | None) -> Any:
    module_name, _, path = target.partition(":")
    if not module_name or not path:
        raise _fault(f'`python: "{target}"` is not of the form "module:callable"', where)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module exists, but one that it imports does not
        looked = " and ".join(folders)
        raise _fault(
            f"there is no module `{module_name}`; looked in {looked} and in the installed packages",
            where,
            hint=f"put `{module_name.replace('.', '/')}.py` next to the scenario",
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise _fault(_missing(module_name, found, part), where)
        found = getattr(found, part)
    if not callable(found):
        raise _fault(
            f"`{target}` is of type {type(found).__name__}; a callable is needed",
            where,
        )
    return found


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
        raise _fault(f"`args:` do not fit `{target}{signature}`: {error}", where) from error


def _missing(module_name: str, holder: Any, part: str) -> str:
    names = [name for name in vars(holder) if not name.startswith("_")]
    near = nearest_name(part, names, match_case=True)
    meant = f"; did you mean `{near}`?" if near else ""
    return f"module `{module_name}` has no `{part}`{meant}"


def _fault(message: str, where: Where | None, hint: str | None = None) -> ScenarioError:
    return ScenarioError((Fault(message, where, hint),))
