"""Read modules and classes of the installed Keras from its source, without importing it."""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.versions import version_of

#: The first line after the imports of a module.
_HEAD_END = re.compile(r"^(?:class |def |@|if |try:)", re.MULTILINE)
_CLASS_END = re.compile(r"^[^\s)]", re.MULTILINE)
_INITIALISER = re.compile(r"^    def __init__\(", re.MULTILINE)
_CALL = re.compile(r"^    def call\(", re.MULTILINE)
_METHOD = re.compile(r"^    (?:def |@)", re.MULTILINE)

_SECTION = re.compile(r"^(\w[\w ]*):\s*$")
_ENTRY = re.compile(r"^(\s*)`?(\*{0,2}\w+(?:, \*{0,2}\w+)*)`?:\s*(.*)$")


@dataclass(frozen=True, eq=False)
class KerasClass:
    """One class of Keras, parsed up to the end of its `__init__`."""

    module: str
    name: str
    definition: ast.ClassDef

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.definition) or ""

    @property
    def initialiser(self) -> ast.FunctionDef | None:
        for statement in self.definition.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                return statement
        return None

    @property
    def call(self) -> ast.FunctionDef | None:
        """The `call` that this class defines itself."""
        text = _class_text(self.module, self.name) or ""
        start = _CALL.search(text)
        if start is None:
            return None
        end = _METHOD.search(text, start.end())
        method = textwrap.dedent(text[start.start() : end.start() if end else len(text)])
        definition = ast.parse(method).body[0]
        return definition if isinstance(definition, ast.FunctionDef) else None

    @property
    def bases(self) -> list[KerasClass | None]:
        """The base classes, in order; None for one that Keras does not define."""
        return [_base(self.module, base) for base in self.definition.bases]

    def documented_arguments(self, *sections: str) -> dict[str, str]:
        """Return argument → text from these sections of the docstring, else from `Args:`."""
        sections = sections or ("Args", "Arguments")
        texts: dict[str, list[str]] = {}
        current: list[str] = []
        inside, indent = False, None
        for line in self.docstring.splitlines():
            if section := _SECTION.match(line):
                inside, indent = section[1] in sections, None
                continue
            if not inside or not line.strip():
                continue
            entry = _ENTRY.match(line)
            if entry and (indent is None or len(entry[1]) == indent):
                indent = len(entry[1])
                current = [entry[3]]
                texts.update({name.strip(): current for name in entry[2].split(",")})
            else:
                current.append(line.strip())
        return {name: " ".join(lines).strip() for name, lines in texts.items()}


@cache
def keras_version() -> str:
    """Return the version of the installed Keras; raise UsageError if there is none."""
    version = version_of("keras")
    if version is None:
        raise _no_keras()
    return version


def _no_keras() -> UsageError:
    return UsageError(
        "Keras is not installed", hint="pip install 'keras>=3' tensorflow", code=Code.NOT_INSTALLED
    )


@cache
def _folder() -> Path:
    spec = find_spec("keras")
    if spec is None or not spec.submodule_search_locations:
        raise _no_keras()
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def source_of(module: str) -> str:
    """Return the source of a module of Keras, given its dotted name."""
    parts = module.split(".")[1:]
    # Up to Keras 3.9 the public packages are in `keras/api`.
    stems = [_folder().joinpath(*parts), _folder().joinpath("api", *parts)]
    paths = [path for stem in stems for path in (stem / "__init__.py", stem.with_suffix(".py"))]
    return next((path for path in paths if path.is_file()), paths[0]).read_text(encoding="utf-8")


@cache
def imports_of(module: str) -> dict[str, tuple[str, str]]:
    """Return local name → (module, name in it) of every `from keras... import ...`."""
    head = _HEAD_END.split(source_of(module), maxsplit=1)[0]
    return {
        alias.asname or alias.name: (statement.module, alias.name)
        for statement in ast.parse(head).body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }


@cache
def find_class(module: str, name: str) -> KerasClass | None:
    """Return the class of a name, through re-exports; None where Keras does not define it."""
    definition = _definition(module, name)
    if definition is not None:
        return KerasClass(module, name, definition)
    found = imports_of(module).get(name)
    if found is None or not found[0].startswith("keras."):
        return None
    return find_class(*found)


def _definition(module: str, name: str) -> ast.ClassDef | None:
    """Parse a class up to the end of its `__init__`; parsing all methods takes far longer."""
    text = _class_text(module, name)
    if text is None:
        return None
    if initialiser := _INITIALISER.search(text):
        below = _METHOD.search(text, initialiser.end())
        text = text[: below.start() if below else len(text)]
    definition = ast.parse(text).body[0]
    return definition if isinstance(definition, ast.ClassDef) else None


def _class_text(module: str, name: str) -> str | None:
    source = source_of(module)
    start = re.search(rf"^class {name}\b", source, re.MULTILINE)
    if start is None:
        return None
    end = _CLASS_END.search(source, start.end())
    return source[start.start() : end.start() if end else len(source)]


def _base(module: str, base: ast.expr) -> KerasClass | None:
    """Return a base class written as `Layer` or `layers.Embedding`."""
    match base:
        case ast.Name(id=name):
            return find_class(module, name)
        case ast.Attribute(value=ast.Name(id=package), attr=name):
            above, inner = imports_of(module).get(package, ("", ""))
            return find_class(f"{above}.{inner}", name) if above.startswith("keras") else None
        case _:
            return None
