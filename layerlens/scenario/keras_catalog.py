"""The public layers of the installed Keras and their arguments, read from its source.

Importing Keras takes seconds, and a scenario with a misspelt argument should be refused at once. So
the names come from `keras/layers/__init__.py`, and the signature of a layer from the `__init__` of
its class and, if that passes `**kwargs` on, of its base classes.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from layerlens.scenario.keras_source import (
    KerasClass,
    find_class,
    imports_of,
    keras_version,
    source_of,
)

#: The packages of Keras whose classes a scenario may name.
Package = Literal["layers", "initializers", "regularizers", "constraints", "losses", "optimizers"]

#: Public in `keras.layers` and spelt like classes, but not layers.
_NOT_LAYERS = frozenset({"Input", "InputSpec"})
#: Public in the other packages, but not classes.
_NOT_CLASSES = frozenset({"deserialize", "serialize", "get"})
#: The packages whose classes are arguments of layers.
OBJECT_PACKAGES: tuple[Package, ...] = ("initializers", "regularizers", "constraints")
#: Keras accepts these for any layer, with a warning; a scenario gives them under `input:`.
INPUT_ARGUMENTS = frozenset({"input_shape", "input_dim", "batch_input_shape"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a layer; `default` is its source text, None for a required argument.

    A `legacy` argument is in no signature, but Keras takes it from `**kwargs`: it is accepted, but
    not suggested.
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
    """The arguments of one class of Keras."""

    name: str
    arguments: tuple[Argument, ...]
    #: True if a base class is not Keras' own: any keyword may be valid.
    accepts_any: bool
    summary: str
    keras: str

    #: The arguments of its `call` besides its first input; None if Keras does not define it.
    call: tuple[Argument, ...] | None = None

    @property
    def offered(self) -> tuple[str, ...]:
        """The names of the arguments without the legacy ones."""
        return tuple(argument.name for argument in self.arguments if not argument.legacy)

    @property
    def first(self) -> str | None:
        """The name of the first positional argument; None if there is none."""
        positional = (item.name for item in self.arguments if not item.keyword_only)
        return next(positional, None)

    def argument(self, name: str) -> Argument | None:
        return next((item for item in self.arguments if item.name == name), None)

    def call_argument(self, name: str) -> Argument | None:
        return next((item for item in self.call or () if item.name == name), None)


@cache
def layer_names() -> tuple[str, ...]:
    """Return the names of all public layers, aliases and cells among them, in Keras' order."""
    return tuple(
        name for name in imports_of("keras.layers") if name[0].isupper() and name not in _NOT_LAYERS
    )


@cache
def layer_groups() -> dict[str, tuple[str, ...]]:
    """Return group → the names of its public layers; a group is a folder of Keras, as "rnn"."""
    groups: dict[str, list[str]] = {}
    for name in layer_names():
        module, _ = imports_of("keras.layers")[name]
        groups.setdefault(module.split(".")[-2].replace("_", " "), []).append(name)
    return {group: tuple(sorted(names)) for group, names in groups.items()}


@cache
def public_names(package: Package) -> tuple[str, ...]:
    """Return the public names of `keras.<package>`, such as `l2` and `L2` of the regularizers."""
    return tuple(imports_of(f"keras.{package}"))


@cache
def object_names(package: Package) -> tuple[str, ...]:
    """Return the public classes of `keras.<package>` in both spellings, as `L2` and `l2`."""
    return tuple(name for name in public_names(package) if name not in _NOT_CLASSES)


@cache
def loss_names() -> tuple[str, ...]:
    """Return the names of losses: the classes, the functions and short forms such as `mse`."""
    source = source_of("keras.src.losses")
    short = re.findall(r'^ {8}"(\w+)":', source, re.MULTILINE)
    known = _known_objects(source) - {"Loss", "LossFunctionWrapper"} or set(public_names("losses"))
    return (*(name for name in public_names("losses") if name in known), *short)


@cache
def optimizer_names() -> tuple[str, ...]:
    """Return the names of optimizers, in lower case (which Keras accepts) and as classes."""
    public = public_names("optimizers")
    known = _known_objects(source_of("keras.src.optimizers")) - {"Optimizer"} or set(public)
    classes = [name for name in public if name in known]
    return (*(name.lower() for name in classes), *classes)


def _known_objects(source: str) -> set[str]:
    """Return the names in `ALL_OBJECTS`, where Keras looks names up; empty without it."""
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
    found = find_class(*imports_of(f"keras.{package}")[name])
    arguments, accepts_any = _arguments(found) if found else ((), True)
    return LayerSignature(
        name=name,
        arguments=_in_calling_order(arguments),
        accepts_any=accepts_any,
        summary=found.docstring.partition("\n")[0].strip() if found else "",
        keras=keras_version(),
        call=_call_arguments(found) if found and package == "layers" else None,
    )


#: Keras takes this from the call of any layer, and passes it on where `call` has it.
_TRAINING = Argument(
    "training",
    default="None",
    documentation="Python boolean: whether the layer runs in training mode.",
    keyword_only=True,
)


def _call_arguments(keras_class: KerasClass) -> tuple[Argument, ...] | None:
    """Return the arguments of the `call` of a class, or of its first base class that has one."""
    definition = keras_class.call
    if definition is not None:
        texts = keras_class.documented_arguments("Call arguments", "Call Arguments")
        given = _documented(_own_arguments(definition), texts)[1:]
        return given if any(item.name == "training" for item in given) else (*given, _TRAINING)
    for base in keras_class.bases:
        if base and (found := _call_arguments(base)) is not None:
            return found
    return None


#: The arguments of a class, and whether it accepts any other keyword.
_Accepted = tuple[tuple[Argument, ...], bool]


@cache
def _arguments(keras_class: KerasClass) -> _Accepted:
    """Return the arguments of a class: its own first, then those it passes to its bases."""
    documented = keras_class.documented_arguments()
    initialiser = keras_class.initialiser
    if initialiser is None:
        inherited, accepts_any = _inherited(keras_class)
        return _documented(inherited, documented), accepts_any
    own = _documented(_own_arguments(initialiser), documented)
    # `Layer` takes **kwargs only to refuse them, or for what a scenario says under `input:`.
    if initialiser.args.kwarg is None or keras_class.name == "Layer":
        return own, False
    keywords = initialiser.args.kwarg.arg
    popped = [name for name in _popped(initialiser, keywords) if name not in INPUT_ARGUMENTS]
    super_call = _super_call(initialiser, keywords)
    if super_call is None:
        return (*own, *_popped_arguments(popped)), False
    inherited, accepts_any = _inherited(keras_class)
    taken = {item.name for item in own} | {*popped} | super_call.keywords
    free = [item for item in inherited if not item.keyword_only][super_call.positional :]
    free += [item for item in inherited if item.keyword_only]
    inherited_arguments = tuple(
        replace(item, keyword_only=True) for item in free if item.name not in taken
    )
    return (*own, *_documented(inherited_arguments, documented), *map(_legacy, popped)), accepts_any


def _popped_arguments(popped: list[str]) -> list[Argument]:
    """Return the popped arguments of a class that passes no `**kwargs` on.

    Those that every layer takes are not legacy.
    """
    layer = find_class("keras.src.layers.layer", "Layer")
    common = {item.name: item for item in _arguments(layer)[0]} if layer else {}
    return [common.get(name) or _legacy(name) for name in popped]


def _legacy(name: str) -> Argument:
    return Argument(name, default=None, keyword_only=True, legacy=True)


def _inherited(keras_class: KerasClass) -> _Accepted:
    """Return the arguments of the first base class with an `__init__`, in the order of Python."""
    bases = keras_class.bases
    for base in bases:
        if base and (base.initialiser or base.definition.bases):
            return _arguments(base)
    return (), None in bases


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


def _popped(initialiser: ast.FunctionDef, keywords: str) -> list[str]:
    """Return the names that an `__init__` pops from its `**kwargs`."""
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
class _SuperCall:
    """The other arguments of a call `super().__init__(..., **kwargs)`."""

    positional: int
    keywords: frozenset[str]


def _super_call(initialiser: ast.FunctionDef, keywords: str) -> _SuperCall | None:
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
            return _SuperCall(len(node.args), names)
    return None


def _in_calling_order(arguments: tuple[Argument, ...]) -> tuple[Argument, ...]:
    return tuple(sorted(arguments, key=lambda item: (item.legacy, item.keyword_only)))


def _documented(arguments: tuple[Argument, ...], texts: dict[str, str]) -> tuple[Argument, ...]:
    return tuple(
        replace(item, documentation=texts.get(item.name) or item.documentation)
        for item in arguments
    )
