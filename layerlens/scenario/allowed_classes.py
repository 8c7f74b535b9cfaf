"""The classes and functions of Keras that a description may name, by kind.

This is the only allow-list, for scenarios and saved models alike. It is read from the source of the
installed Keras, so that no class is imported before it is known to be allowed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Literal

from layerlens.scenario.keras_source import imports_of, source_of

ClassKind = Literal[
    "layer",
    "model",
    "operation",
    "activation function",
    "initializer",
    "regularizer",
    "constraint",
    "dtype policy",
    "quantizer",
    "quantization config",
    "seed generator",
    "loss",
    "metric",
    "optimizer",
    "learning rate schedule",
]

#: Layers that contain or call code from outside Keras.
CODE_LAYERS = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")

#: Kind of class → the package that makes its classes public.
_PACKAGES: Mapping[ClassKind, str] = {
    "layer": "layers",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "dtype policy": "dtype_policies",
    "quantizer": "quantizers",
    "quantization config": "quantizers",
    "seed generator": "random",
    "loss": "losses",
    "metric": "metrics",
    "optimizer": "optimizers",
    "learning rate schedule": "optimizers.schedules",
}
_FUNCTION_PACKAGES: Mapping[ClassKind, str] = {
    "activation function": "activations",
    "loss": "losses",
    "metric": "metrics",
}

#: Public in a package, but not of its kind.
_NOT_CLASSES = frozenset({*CODE_LAYERS, "Input", "InputSpec"})
_NOT_FUNCTIONS = frozenset({"deserialize", "serialize", "get"})

#: Functions in `keras.layers`. In a file without modules, Keras reads such a text as the function.
#: (The merging functions there, such as `dot`, are left out: they are also values of arguments.)
LAYER_FUNCTIONS = frozenset({"Input", "deserialize", "serialize"})

#: Private layers of `keras.applications` → the modules they are saved with.
HIDDEN_LAYERS: Mapping[str, str] = {
    "LayerScale": "keras.src.applications.convnext",
    "StochasticDepth": "keras.src.applications.convnext",
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
}
_MODELS: Mapping[str, frozenset[str | None]] = {
    "Sequential": frozenset({None, "keras", "keras.models", "keras.src.models.sequential"}),
    "Model": frozenset({None, "keras", "keras.models", "keras.src.models.model"}),
    "Functional": frozenset({None, "keras", "keras.models", "keras.src.models.functional"}),
}
#: Kinds whose classes Keras also finds by names such as `glorot_uniform`.
_ALSO_IN_SNAKE_CASE = frozenset({"initializer", "regularizer", "constraint"})
#: Short names that Keras looks up as well as the names of the classes.
_SHORT_NAMES: Mapping[ClassKind, frozenset[str]] = {
    "initializer": frozenset({"one", "zero", "normal", "uniform"}),
    "dtype policy": frozenset({"Policy"}),
}

_OPERATION_MODULES = ("core", "einops", "image", "linalg", "math", "nn", "numpy")
#: Operations that call a function argument. A saved model without code has none.
_CALLING_OPERATIONS = frozenset(
    {
        "AssociativeScan",
        "Cond",
        "ForiLoop",
        "Map",
        "Scan",
        "Switch",
        "VectorizedMap",
        "WhileLoop",
    }
)
# fmt: off
#: Functions of `keras.ops` that take one tensor and return one of the same shape.
_ELEMENTWISE = frozenset(
    {
        "abs", "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt",
        "ceil", "celu", "cos", "cosh", "elu", "erf", "exp", "exp2", "expm1", "floor", "gelu",
        "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
        "leaky_relu", "log", "log10", "log1p", "log2", "log_sigmoid", "log_softmax", "logistic",
        "negative", "reciprocal", "relu", "relu6", "round", "rsqrt", "selu", "sigmoid", "sign",
        "silu", "sin", "sinh", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus",
        "sparse_sigmoid", "sparsemax", "sqrt", "square", "squareplus", "swish", "tan", "tanh",
        "tanh_shrink", "threshold", "trunc",
    }
)
# fmt: on
_FUNCTION_MODULES = frozenset({"keras.ops", "keras.ops.nn", "keras.ops.numpy", "keras.ops.math"})


@lru_cache(maxsize=4096)
def kinds_of(class_name: str, module: str | None) -> frozenset[ClassKind]:
    """Return the kinds of the class that Keras finds by this name in this module.

    The set is empty where the module has no such class, or no description may name it.
    """
    return frozenset(
        kind for kind, classes in _classes().items() if module in classes.get(class_name, ())
    )


def is_keras_class(class_name: str) -> bool:
    """Return whether a description may name a class so, whatever the module."""
    return any(class_name in classes for classes in _classes().values())


def kinds_of_function(name: str, module: str | None) -> frozenset[ClassKind]:
    """Return the kinds of the function that Keras finds by this name in this module."""
    found = {
        kind
        for kind, package in _FUNCTION_PACKAGES.items()
        if module in (None, "builtins", f"keras.{package}") and name in _functions(package)
    }
    if name in _ELEMENTWISE and module in _FUNCTION_MODULES:
        found.add("activation function")
    return frozenset(found)


def is_registered(name: str) -> bool:
    """Return whether the user has registered this name with Keras in this process."""
    keras = sys.modules.get("keras")  # not imported: nothing is registered
    return keras is not None and keras.saving.get_registered_object(name) is not None


def calls_functions(class_name: str) -> bool:
    """Return whether a class is an operation that calls a function argument."""
    return class_name in _CALLING_OPERATIONS


def names_of(kind: ClassKind) -> tuple[str, ...]:
    """Return the allowed names of a kind, for a hint."""
    if kind == "activation function":
        return tuple(sorted(_functions("activations")))
    return tuple(_classes()[kind])


@cache
def _classes() -> Mapping[ClassKind, Mapping[str, frozenset[str | None]]]:
    """Return kind → class name → the modules in which Keras finds that class."""
    found: dict[ClassKind, Mapping[str, frozenset[str | None]]] = {
        kind: _public_classes(kind, package) for kind, package in _PACKAGES.items()
    }
    hidden = {name: frozenset[str | None]({module}) for name, module in HIDDEN_LAYERS.items()}
    found["layer"] = {**found["layer"], **hidden}
    found["model"] = _MODELS
    found["operation"] = _operations()
    return found


def _public_classes(kind: ClassKind, package: str) -> dict[str, frozenset[str | None]]:
    top = _imports("keras")
    classes: dict[str, frozenset[str | None]] = {}
    for name, (module, original) in _imports(f"keras.{package}").items():
        if name in _NOT_CLASSES or not original[0].isupper() or kind != _kind(kind, name):
            continue
        modules = {None, f"keras.{package}", module}
        if name in top:
            modules.add("keras")
        if kind == "dtype policy":
            modules.add("keras.mixed_precision")
        also = _snake_cases(original) if kind in _ALSO_IN_SNAKE_CASE else frozenset()
        for spelling in {name, original} | also:
            classes[spelling] = classes.get(spelling, frozenset()) | modules
    for name in _SHORT_NAMES.get(kind, ()):
        classes[name] = frozenset({None, f"keras.{package}", "keras.mixed_precision"})
    return classes


def _kind(kind: ClassKind, name: str) -> ClassKind:
    """Return the kind of a class; `keras.quantizers` has classes of two kinds."""
    if kind in ("quantizer", "quantization config"):
        return "quantization config" if name.endswith("Config") else "quantizer"
    return kind


@cache
def _functions(package: str) -> frozenset[str]:
    return frozenset(
        name
        for name, (_, original) in _imports(f"keras.{package}").items()
        if not original[0].isupper() and name not in _NOT_FUNCTIONS
    )


@cache
def _operations() -> Mapping[str, frozenset[str | None]]:
    """Return the operations that `x + y` and `keras.ops` add to a graph → their modules."""
    bases: dict[str, tuple[str, str]] = {}
    for part in _OPERATION_MODULES:
        module = f"keras.src.ops.{part}"
        for name, base in re.findall(r"^class (\w+)\((\w+)\):", _source(module), re.MULTILINE):
            bases[name] = (module, base)
    return {
        name: frozenset({module})
        for name, (module, _) in bases.items()
        if name not in _CALLING_OPERATIONS and "Operation" in _ancestors(name, bases)
    }


def _ancestors(name: str, bases: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    while name in bases:
        name = bases[name][1]
        yield name


def _imports(module: str) -> dict[str, tuple[str, str]]:
    try:
        return imports_of(module)
    except FileNotFoundError:  # older versions of Keras lack some packages
        return {}


def _source(module: str) -> str:
    try:
        return source_of(module)
    except FileNotFoundError:
        return ""


def _snake_cases(name: str) -> frozenset[str]:
    """Return the spellings of a class in snake case: `L1L2` is `l1l2` and `l1_l2`."""
    return frozenset(
        re.sub(
            r"([a-z])([A-Z])", r"\1_\2", re.sub(rf"(.)([A-Z][{letters}]+)", r"\1_\2", name)
        ).lower()
        for letters in ("a-z", "a-z0-9")
    )
