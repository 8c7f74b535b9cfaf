"""What a shell offers for an argument that names models: callables of a Python file, and codes."""

from __future__ import annotations

import ast
from pathlib import Path

import typer

from layerlens.fault_codes import Code

#: Bytes of a Python file beyond which it is not read for a completion.
_LARGEST = 1_000_000


def model_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return `file.py:callable` for what a Python file defines; the file is parsed, not run.

    Bash splits words at colons: there, only the name after the colon is completed.
    """
    file, colon, name = incomplete.rpartition(":")
    if colon and file:
        return [f"{file}:{each}" for each in _callables(file) if each.startswith(name)]
    before = ctx.params.get("paths") or []
    if incomplete != ":" and list(before[-1:]) == [":"]:
        return [each for each in _callables(before[-2]) if each.startswith(incomplete)]
    return []


def model_names_or_codes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the same, and the codes of faults."""
    codes = [code.value for code in Code if code.value.startswith(incomplete.upper() or "-")]
    return [*codes, *model_names(ctx, incomplete)]


def _callables(file: str) -> list[str]:
    """Return the public functions and classes at the top of a Python file."""
    path = Path(file)
    try:
        if path.suffix != ".py" or path.stat().st_size > _LARGEST:
            return []
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return []  # nothing to offer
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in body if isinstance(node, kinds) and node.name[0] != "_"]
