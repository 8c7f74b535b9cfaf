"""Find the classes and functions whose code is another than at a revision."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

#: A file that is longer is no module that someone wrote.
_LONGEST = 2_000_000
_NESTED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class CodeChange:
    """A class, a method, a function or a variable of a module whose code has changed."""

    #: As `Gate`, `Gate.call` if one method alone has changed, or `SCALE`.
    name: str
    #: The path of the module today, from the root of the repository.
    file: str
    is_class: bool


def changed_code(before: Path, now: Path, files: Mapping[str, str]) -> tuple[CodeChange, ...]:
    """Return what has changed in modules, and was there before; classes first.

    Comments, docstrings and the layout of the code do not count.

    Args:
        before, now: the folders that hold the modules.
        files: the path of a module before → its path now.
    """
    found = [
        change
        for former, current in files.items()
        for change in _of_module(_tree(before / former), _tree(now / current), current)
    ]
    return tuple(sorted(found, key=lambda change: not change.is_class))


def _tree(path: Path) -> ast.Module | None:
    try:
        if path.stat().st_size > _LONGEST:
            return None
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # removed, or no Python


def _of_module(
    before: ast.Module | None, now: ast.Module | None, file: str
) -> Iterator[CodeChange]:
    if before is None or now is None:
        return
    former, current = _definitions(before.body), _definitions(now.body)
    for name, node in former.items():
        other = current.get(name)
        if other is None or _code(node) == _code(other):
            continue
        if isinstance(node, ast.ClassDef) and isinstance(other, ast.ClassDef):
            yield CodeChange(_narrowed(name, node, other), file, is_class=True)
        else:
            yield CodeChange(name, file, is_class=False)


def _narrowed(name: str, before: ast.ClassDef, now: ast.ClassDef) -> str:
    """Return the name of the one method that has changed, or that of the class."""
    former, current = _definitions(before.body), _definitions(now.body)
    if set(former) != set(current):
        return name
    changed = [inner for inner, node in former.items() if _code(node) != _code(current[inner])]
    return f"{name}.{changed[0]}" if len(changed) == 1 else name


def _definitions(body: Iterable[ast.stmt]) -> dict[str, ast.stmt]:
    """Return name → the statement that defines it."""
    found: dict[str, ast.stmt] = {}
    for statement in body:
        if isinstance(statement, _NESTED):
            found[statement.name] = statement
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            found |= {one.id: statement for one in targets if isinstance(one, ast.Name)}
    return found


def _code(node: ast.AST) -> str:
    """Return a text that is the same for the same code; docstrings are left out."""
    docstrings = {
        id(inner.body[0])
        for inner in ast.walk(node)
        if isinstance(inner, _NESTED) and ast.get_docstring(inner, clean=False) is not None
    }
    return _written(node, docstrings)


def _written(value: object, ignored: set[int]) -> str:
    if isinstance(value, ast.AST):
        fields = (_written(item, ignored) for _, item in ast.iter_fields(value))
        return f"{type(value).__name__}({','.join(fields)})"
    if isinstance(value, list):
        return f"[{','.join(_written(item, ignored) for item in value if id(item) not in ignored)}]"
    return repr(value)
