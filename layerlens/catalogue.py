"""The public layers of the installed Keras and their arguments, read from its source, not run.

Importing Keras takes seconds and a scenario with a misspelt argument should be refused at once.
So the names come from `keras/layers/__init__.py`, and the signature of a layer from the `__init__`
of its class and, where that passes `**kwargs` on, of its base classes.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from layerlens.errors import UsageError

#: The packages of Keras whose classes may stand in a scenario.
Package = Literal["layers", "initializers", "regularizers", "constraints", "losses", "optimizers"]

#: Public in `keras.layers` and spelt like a class, yet not a layer.
_NOT_LAYERS = frozenset({"Input", "InputSpec"})
#: Keras still takes these from any layer, with a warning: a scenario says them under `input:`.
INPUT_ARGUMENTS = frozenset({"input_shape", "input_dim", "batch_input_shape"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a layer; `default` is its source text, or None where it has to be given.

    A `legacy` argument is taken by Keras but in no signature: it is accepted, and not offered.
    """

    name: str
    default: str | None
    documentation: str = ""
    keyword_only: bool = False
    legacy: bool = False

    @property
    def required(self) -> bool:
        return self.default is None and not self.legacy


@dataclass(frozen=True, slots=True)
class LayerSignature:
    """What one class of Keras can be given."""

    name: str
    arguments: tuple[Argument, ...]
    #: True where a base class is not Keras' own, so that any keyword may be right.
    accepts_any: bool
    summary: str
    keras: str

    @property
    def offered(self) -> tuple[str, ...]:
        """The names of the arguments, without those that are only kept for old code."""
        return tuple(argument.name for argument in self.arguments if not argument.legacy)

    @property
    def first(self) -> str | None:
        """The argument that a bare value stands for."""
        positional = (item.name for item in self.arguments if not item.keyword_only)
        return next(positional, None)

    def argument(self, name: str) -> Argument | None:
        return next((item for item in self.arguments if item.name == name), None)


@cache
def layer_names() -> tuple[str, ...]:
    """Return the names of all public layers, aliases and cells among them, in Keras' order."""
    return tuple(
        name for name in _public_names("layers") if name[0].isupper() and name not in _NOT_LAYERS
    )


@cache
def layer_groups() -> dict[str, tuple[str, ...]]:
    """Return the names of all public layers by what Keras files them under, such as "rnn"."""
    groups: dict[str, list[str]] = {}
    for name in layer_names():
        module, _ = _public_names("layers")[name]
        groups.setdefault(module.split(".")[-2].replace("_", " "), []).append(name)
    return {group: tuple(sorted(names)) for group, names in groups.items()}


@cache
def public_names(package: Package) -> tuple[str, ...]:
    """Return what `keras.<package>` makes public, such as `l2` and `L2` of the regularizers."""
    return tuple(_public_names(package))


@cache
def loss_names() -> tuple[str, ...]:
    """Return what may stand for a loss: the classes, the functions and short forms like `mse`."""
    source = _source("keras.src.losses")
    short = re.findall(r'^ {8}"(\w+)":', source, re.MULTILINE)
    known = _known_objects(source) - {"Loss", "LossFunctionWrapper"} or set(public_names("losses"))
    return (*(name for name in public_names("losses") if name in known), *short)


@cache
def optimizer_names() -> tuple[str, ...]:
    """Return what may stand for an optimizer; Keras does not mind the case of its letters."""
    public = public_names("optimizers")
    known = _known_objects(_source("keras.src.optimizers")) - {"Optimizer"} or set(public)
    classes = [name for name in public if name in known]
    return (*(name.lower() for name in classes), *classes)


def _known_objects(source: str) -> set[str]:
    """Return what Keras looks a name up in, its `ALL_OBJECTS`; nothing where there is none."""
    block = re.search(r"^ALL_OBJECTS = \{\n(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^ {4}(\w+),", block[1], re.MULTILINE)) if block else set()


@cache
def signature(name: str, package: Package = "layers") -> LayerSignature:
    """Return the arguments of the public class `keras.<package>.<name>`.

    Raises:
        KeyError: there is no such class.
    """
    known = layer_names() if package == "layers" else public_names(package)
    if name not in known:
        raise KeyError(name)
    module, class_name = _public_names(package)[name]
    arguments, accepts_any = _arguments(module, class_name)
    found = _resolve(module, class_name)
    docstring = (ast.get_docstring(found[2]) if found else None) or ""
    return LayerSignature(
        name=name,
        arguments=_in_calling_order(arguments),
        accepts_any=accepts_any,
        summary=docstring.partition("\n")[0].strip(),
        keras=keras_version(),
    )


@cache
def keras_version() -> str:
    """Return the version of the installed Keras."""
    try:
        return version("keras")
    except PackageNotFoundError as error:
        raise _no_keras() from error


def _no_keras() -> UsageError:
    return UsageError("Keras is not installed", hint="pip install 'keras>=3' tensorflow")


@cache
def _folder() -> Path:
    spec = find_spec("keras")
    if spec is None or not spec.submodule_search_locations:
        raise _no_keras()
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def _source(module: str) -> str:
    """Return the text of one module of Keras, given by its dotted name."""
    stem = _folder().joinpath(*module.split(".")[1:])
    path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    return path.read_text(encoding="utf-8")


@cache
def _imports(module: str) -> dict[str, tuple[str, str]]:
    """Return local name → (module, name there) of every `from keras... import ...`."""
    head = _DEFINITION.split(_source(module), maxsplit=1)[0]
    return {
        alias.asname or alias.name: (statement.module, alias.name)
        for statement in ast.parse(head).body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }


def _public_names(package: Package) -> dict[str, tuple[str, str]]:
    return _imports(f"keras.{package}")


_DEFINITION = re.compile(r"^(?:class |def |@|if |try:)", re.MULTILINE)
_CLASS_END = re.compile(r"^[^\s)]", re.MULTILINE)
_INITIALISER = re.compile(r"^    def __init__\(", re.MULTILINE)
_METHOD = re.compile(r"^    (?:def |@)", re.MULTILINE)


@cache
def _class(module: str, name: str) -> ast.ClassDef | None:
    """Return a class as far as its `__init__`: to parse the methods below it takes far longer."""
    source = _source(module)
    start = re.search(rf"^class {name}\b", source, re.MULTILINE)
    if start is None:
        return None
    end = _CLASS_END.search(source, start.end())
    body = source[start.start() : end.start() if end else len(source)]
    if initialiser := _INITIALISER.search(body):
        below = _METHOD.search(body, initialiser.end())
        body = body[: below.start() if below else len(body)]
    definition = ast.parse(body).body[0]
    return definition if isinstance(definition, ast.ClassDef) else None


def _resolve(module: str, name: str) -> tuple[str, str, ast.ClassDef] | None:
    """Follow a name through re-exports to its class, or to None where Keras does not define it."""
    definition = _class(module, name)
    if definition is not None:
        return module, name, definition
    found = _imports(module).get(name)
    if found is None or not found[0].startswith("keras."):
        return None
    return _resolve(*found)


def _bases(module: str, definition: ast.ClassDef) -> list[tuple[str, str, ast.ClassDef] | None]:
    return [_base(module, base) for base in definition.bases]


def _base(module: str, base: ast.expr) -> tuple[str, str, ast.ClassDef] | None:
    """Find a base class that is written `Layer` or, as in `layers.Embedding`, by its module."""
    match base:
        case ast.Name(id=name):
            return _resolve(module, name)
        case ast.Attribute(value=ast.Name(id=package), attr=name):
            above, inner = _imports(module).get(package, ("", ""))
            return _resolve(f"{above}.{inner}", name) if above.startswith("keras") else None
        case _:
            return None


@cache
def _arguments(module: str, name: str) -> tuple[tuple[Argument, ...], bool]:
    """Return the arguments a class takes, its own first, and whether it takes any other."""
    found = _resolve(module, name)
    if found is None:
        return (), True
    module, name, definition = found
    documented = _documentation(ast.get_docstring(definition) or "")
    initialiser = _initialiser(definition)
    if initialiser is None:
        inherited, accepts_any = _inherited(module, definition)
        return _documented(inherited, documented), accepts_any
    own = _documented(_own_arguments(initialiser), documented)
    if initialiser.args.kwarg is None:
        return own, False
    keywords = initialiser.args.kwarg.arg
    if name == "Layer":  # it takes **kwargs only to refuse them, or for what `input:` says
        return own, False
    legacy = tuple(
        Argument(taken, default=None, legacy=True)
        for taken in _taken_from(initialiser, keywords)
        if taken not in {argument.name for argument in own} | INPUT_ARGUMENTS
    )
    passed_on = _passed_on(initialiser, keywords)
    if passed_on is None:
        base_names = {argument.name for argument in _layer_arguments()}
        kept = [argument.name for argument in legacy if argument.name in base_names]
        base = tuple(item for item in _layer_arguments() if item.name in kept)
        rest = tuple(item for item in legacy if item.name not in kept)
        return own + base + rest, False
    inherited, accepts_any = _inherited(module, definition)
    settled = {argument.name for argument in own + legacy} | passed_on.keywords
    free = [item for item in inherited if not item.keyword_only][passed_on.positional :]
    free += [item for item in inherited if item.keyword_only]
    kept_on = tuple(
        Argument(item.name, item.default, item.documentation, True, item.legacy)
        for item in free
        if item.name not in settled
    )
    return own + _documented(kept_on, documented) + legacy, accepts_any


def _layer_arguments() -> tuple[Argument, ...]:
    return _arguments("keras.src.layers.layer", "Layer")[0]


def _inherited(module: str, definition: ast.ClassDef) -> tuple[tuple[Argument, ...], bool]:
    """Return what the first base class with an `__init__` takes, as Python would find it."""
    bases = _bases(module, definition)
    for base in bases:
        if base and (_initialiser(base[2]) or base[2].bases):
            return _arguments(base[0], base[1])
    return (), None in bases


def _initialiser(definition: ast.ClassDef) -> ast.FunctionDef | None:
    for statement in definition.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return statement
    return None


def _own_arguments(initialiser: ast.FunctionDef) -> tuple[Argument, ...]:
    spec = initialiser.args
    positional = [*spec.posonlyargs, *spec.args][1:]
    defaults = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
    pairs = [(item, default, False) for item, default in zip(positional, defaults, strict=True)]
    pairs += [
        (item, default, True)
        for item, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    ]
    return tuple(
        Argument(item.arg, None if default is None else ast.unparse(default), keyword_only=only)
        for item, default, only in pairs
    )


def _taken_from(initialiser: ast.FunctionDef, keywords: str) -> list[str]:
    """Return the names that an `__init__` pops from its `**kwargs`: kept for old code."""
    found = []
    for node in ast.walk(initialiser):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "pop"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == keywords
            and isinstance(node.args[0], ast.Constant)
        ):
            found.append(str(node.args[0].value))
    return found


@dataclass(frozen=True, slots=True)
class _PassedOn:
    """What `super().__init__(..., **kwargs)` settles itself."""

    positional: int
    keywords: frozenset[str]


def _passed_on(initialiser: ast.FunctionDef, keywords: str) -> _PassedOn | None:
    for node in ast.walk(initialiser):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "__init__"
            and isinstance(node.func.value, ast.Call)
        ):
            continue
        if any(
            item.arg is None and isinstance(item.value, ast.Name) and item.value.id == keywords
            for item in node.keywords
        ):
            names = frozenset(item.arg for item in node.keywords if item.arg)
            return _PassedOn(len(node.args), names)
    return None


def _in_calling_order(arguments: tuple[Argument, ...]) -> tuple[Argument, ...]:
    positional = [item for item in arguments if not item.keyword_only and not item.legacy]
    keyword = [item for item in arguments if item.keyword_only and not item.legacy]
    legacy = [item for item in arguments if item.legacy]
    keyword_legacy = [Argument(item.name, None, "", True, True) for item in legacy]
    return (*positional, *keyword, *keyword_legacy)


def _documented(
    arguments: tuple[Argument, ...], documented: dict[str, str]
) -> tuple[Argument, ...]:
    return tuple(
        Argument(
            item.name,
            item.default,
            documented.get(item.name) or item.documentation,
            item.keyword_only,
            item.legacy,
        )
        for item in arguments
    )


_SECTION = re.compile(r"^(\w[\w ]*):\s*$")
_ENTRY = re.compile(r"^(\s*)`?(\*{0,2}\w+(?:, \*{0,2}\w+)*)`?:\s*(.*)$")


def _documentation(docstring: str) -> dict[str, str]:
    """Return argument → text from the `Args:` section of a class docstring."""
    texts: dict[str, list[str]] = {}
    current: list[str] = []
    inside, indent = False, None
    for line in docstring.splitlines():
        if section := _SECTION.match(line):
            inside, indent = section[1] in ("Args", "Arguments"), None
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
