"""Import one Python file as a module, with what lies beside it importable."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True, slots=True)
class PythonFile:
    """A Python file, the name of its module, and the folder that the name starts from.

    A file in a package has the package's name before its own, so that relative imports work.
    """

    path: Path
    folder: str
    name: str

    @classmethod
    def at(cls, path: str) -> PythonFile:
        resolved = Path(path).resolve()
        folder, parts = resolved.parent, [resolved.stem.replace(".", "_")]
        while (folder / "__init__.py").is_file() and folder.name.isidentifier():
            parts.insert(0, folder.name)
            folder = folder.parent
        return cls(resolved, str(folder), ".".join(parts))

    def load(self) -> ModuleType:
        """Run the file and return its module; the module path has to start with `folder`.

        A module of the same name, such as `json` for a file `json.py`, stays what it is.
        """
        package = self.name.rpartition(".")[0]
        if package:
            importlib.import_module(package)
        name = self.name
        if not package and (name in sys.modules or name in sys.stdlib_module_names):
            name = f"{name}_py"
        spec = importlib.util.spec_from_file_location(name, self.path)
        assert spec is not None  # the suffix is .py
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
