"""Import the user's modules from another folder than their working tree."""

from __future__ import annotations

import importlib
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import layerlens


class RedirectedImports(MetaPathFinder):
    """Finds modules as Python does; one in the working tree is taken from the same place in a copy.

    An editable install, `PYTHONPATH` or the user's own code may name the working tree. A module
    that the copy does not have is missing. Installed packages stay what they are, also where the
    environment is a folder of the working tree.
    """

    def __init__(self, working_tree: Path, copy: Path) -> None:
        self._working_tree = working_tree.resolve()
        self._copy = copy.resolve()
        self._installed = _installed_folders()
        #: The files of the modules that were found in the copy, relative to it.
        self.found: set[str] = set()

    def install(self) -> None:
        """Redirect all imports from now on, also those of modules that are imported already."""
        sys.path[:] = [str(self.redirected(Path(entry))) for entry in sys.path]
        for name, module in list(sys.modules.items()):
            if any(map(self._is_moved, _places_of(module))):
                del sys.modules[name]
        sys.meta_path.insert(0, self)
        importlib.invalidate_caches()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is; None if no finder knows it.

        Raises:
            ModuleNotFoundError: it is in the working tree alone. The finders after this one, which
                Python would ask next, would find it there.
        """
        is_there = False
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is None:
                continue
            places = places_in(spec)
            if not any(map(self._is_moved, places)):
                return self._noted(spec)
            if (moved := self._moved(name, places)) is not None:
                return self._noted(moved)
            is_there = True
        if is_there:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

    def _noted(self, spec: ModuleSpec) -> ModuleSpec:
        if spec.has_location and spec.origin is not None:
            path = Path(spec.origin).resolve()
            if path.is_relative_to(self._copy):
                self.found.add(path.relative_to(self._copy).as_posix())
        return spec

    def redirected(self, path: Path) -> Path:
        """Return the place in the copy for one in the working tree; others as they are."""
        resolved = path.resolve()
        if not self._is_moved(str(resolved)):
            return path
        return self._copy / resolved.relative_to(self._working_tree)

    def _is_moved(self, place: str) -> bool:
        path = Path(place).resolve()
        return path.is_relative_to(self._working_tree) and not any(
            map(path.is_relative_to, (*self._installed, self._copy))
        )

    def _moved(self, name: str, places: Iterable[str]) -> ModuleSpec | None:
        # The place of a package is its folder, or the file in it.
        folders = [
            path.parent.parent if path.name == "__init__.py" else path.parent
            for path in map(self.redirected, map(Path, places))
        ]
        found = PathFinder.find_spec(name, [*dict.fromkeys(map(str, folders))])
        if found is not None:
            return found
        for path in map(self.redirected, map(Path, places)):  # a package of another name
            file = path / "__init__.py" if path.is_dir() else path
            if file.is_file():
                inside = [str(file.parent)] if file.name == "__init__.py" else None
                return importlib.util.spec_from_file_location(
                    name, file, submodule_search_locations=inside
                )
        return None


def places_in(spec: ModuleSpec) -> list[str]:
    """Return the file of a module and the folders of a package."""
    file = [spec.origin] if spec.has_location and spec.origin else []
    return [*file, *(spec.submodule_search_locations or ())]


def _places_of(module: ModuleType) -> list[str]:
    spec = getattr(module, "__spec__", None)
    if isinstance(spec, ModuleSpec):
        return places_in(spec)
    file = getattr(module, "__file__", None)
    return [file] if isinstance(file, str) else []


def _installed_folders() -> tuple[Path, ...]:
    """Return the folders of Python's own modules, of installed packages, and of layerlens."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [sysconfig.get_path(name) for name in names]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    own = Path(layerlens.__file__).parent
    return tuple(dict.fromkeys([*(Path(folder).resolve() for folder in folders), own.resolve()]))
