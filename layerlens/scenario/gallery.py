"""The scenarios that layerlens ships as examples, each an answered question.

A wheel has them in the package; a checkout has them in `scenarios/` next to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.files import draft_of, os_reason, unreadable_path
from layerlens.plain.suggestion import nearest_name
from layerlens.scenario.files import read_text
from layerlens.scenario.yaml.parse import parse_yaml

_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Example:
    """One example: its name, and the question that it answers."""

    name: str
    question: str


def example_names() -> list[str]:
    """Return the names of all examples, in order."""
    return sorted(path.stem for path in gallery_folder().glob("*.yaml"))


def examples() -> Iterator[Example]:
    """Yield all examples."""
    for name in example_names():
        data = _parsed(_path_of(name))
        yield Example(name, " ".join(str(data.get("question") or data.get("title")).split()))


def write_example(name: str, path: Path | str) -> list[Path]:
    """Write an example and the files that it names; return the paths of the files.

    In a folder, the file is named after the example. The files that it names keep their place
    relative to it.

    Raises:
        UsageError: there is no such example, or a file exists already or cannot be written.
    """
    if name not in example_names():
        near = nearest_name(name, example_names())
        hint = f"did you mean {near!r}? " if near else ""
        raise UsageError(
            f"there is no example {name!r}",
            hint=f"{hint}`layerlens examples` lists all",
            code=Code.NO_SUCH_PATH,
        )
    source = _path_of(name)
    path = Path(path)
    reason = unreadable_path(path)
    if reason is not None:
        raise UsageError(f"{path} cannot be written: {reason}", code=Code.CANNOT_WRITE)
    target = path / source.name if path.is_dir() else path
    copies = {target.parent / one: source.parent / one for one in _named_files(_parsed(source))}
    copies = {
        to: begin
        for to, begin in copies.items()
        if not (to.is_file() and to.read_bytes() == begin.read_bytes())
    }
    copies[target] = source
    for to in copies:
        if to.exists():
            raise UsageError(
                f"{to} already exists and is not overwritten",
                hint="choose another file, or remove this one first",
                code=Code.CANNOT_WRITE,
            )
    for to, begin in copies.items():
        _copy(begin, to)
    return list(copies)


@cache
def gallery_folder() -> Path:
    """Return the folder of the examples."""
    shipped = _PACKAGE / "gallery"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "scenarios"


def _path_of(name: str) -> Path:
    return gallery_folder() / f"{name}.yaml"


def _parsed(path: Path) -> Any:
    return parse_yaml(read_text(path), str(path)).value


def _named_files(value: Any) -> Iterator[str]:
    """Yield every text under `file:`, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "file" and isinstance(item, str):
                yield item
            yield from _named_files(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named_files(item)


def _copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(target, overwrite=False) as draft:
            draft.write_bytes(source.read_bytes())
    except FileExistsError:
        raise UsageError(
            f"{target} already exists and is not overwritten",
            hint="choose another file, or remove this one first",
            code=Code.CANNOT_WRITE,
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{target} cannot be written: {os_reason(error)}", code=Code.CANNOT_WRITE
        ) from None
