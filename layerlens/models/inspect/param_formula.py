"""A layer's number of params as a sum in the layer's own terms.

What a weight's axes stand for is read off the layer's configuration, and every product is held
against the weight's size: what does not match, or is not known, is told by name and shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from layerlens.models.inspect.nested_layers import weights_of
from layerlens.report.layers import CountTerm, Factor

#: A sum of more parts than this is told as one of the layers held.
_MOST_PARTS = 8
Own = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One weight: the product that counts it, what is counted, and what asked for it.

    `noun` is what the numbers count where their own words would say less: 16×16 recurrent.
    `shares` are what equal shares of the weight stand for, each with what asked for it.
    """

    meaning: str
    variable: Any
    factors: tuple[Factor, ...]
    noun: str | None = None
    because: str | None = None
    aside: str | None = None
    shares: tuple[tuple[str, str | None], ...] = ()

    @property
    def params(self) -> int:
        return math.prod(factor.size for factor in self.factors)


@dataclass(frozen=True, slots=True)
class Branch:
    """Parts that belong together: under a common factor, or because one layer holds them."""

    children: tuple[Part | Branch, ...]
    factor: Factor | None = None
    label: str = ""
    #: The path of the layer that holds them; None is the layer itself.
    layer: str | None = None
    #: What children that read the same are called together: 2 directions.
    alike: str | None = None

    @property
    def params(self) -> int:
        return sum(child.params for child in self.children) * (
            self.factor.size if self.factor else 1
        )

    def parts(self) -> Iterator[Part]:
        for child in self.children:
            yield from child.parts() if isinstance(child, Branch) else (child,)


@dataclass(frozen=True, slots=True)
class Count:
    """A layer's params as terms that add up to them, and as one line of text."""

    terms: tuple[CountTerm, ...]
    text: str | None


def count_of(layer: Any, path: str) -> Count:
    """Count a layer's weights, each once, those of the layers it holds included.

    `path` is the layer's own; the terms of held layers bear theirs.
    """
    tree = _branch(layer, path, set(), None)
    total = tree.params
    text = _sum(tree)
    if not total and not tree.children:
        return Count((), None)
    whole = f"{total:,}"
    return Count(tuple(_terms(tree)), text if text == whole else f"{text} = {whole}")


# --- from a layer to its parts ----------------------------------------------------------------


def _branch(
    layer: Any,
    path: str,
    seen: set[int],
    holder: str | None,
    names: Sequence[str] = (),
    label: str = "",
) -> Branch:
    """Return what a layer counts: its own weights in its terms, and the layers it holds."""
    kind = _kind(layer)
    held = list(_held(layer))
    inside = {id(v) for one, _ in held for v in one.weights}
    own: dict[str, Any] = {}
    for variable in weights_of(layer):
        if id(variable) not in inside and id(variable) not in seen:
            own[_name_of(variable, own)] = variable
    seen |= {id(variable) for variable in own.values()}
    factor, parts = _described(layer, kind, own, names)
    branches: list[Branch] = []
    for one, role in held:
        inner = f"{path}/{one.name}"
        axes = _NAMES.get(role, ()) if kind in _ATTENTION else ()
        branch = _branch(one, inner, seen, inner, axes, role)
        if branch.children:
            branches.append(branch)
    if len(branches) == 1 and not parts:
        return replace(branches[0], label=label)
    alike = "directions" if kind == "Bidirectional" else None
    return Branch((*branches, *parts), factor, label, holder, alike)


def _name_of(variable: Any, taken: Mapping[str, Any]) -> str:
    name = str(variable.name)
    return name if name not in taken else f"{name} {len(taken)}"


def _kind(layer: Any) -> str:
    """Return the nearest class of Keras' own that is described here, or nothing."""
    return next(
        (
            c.__name__
            for c in type(layer).__mro__
            if c.__module__.startswith("keras.")
            and (c.__name__ in _DESCRIBERS or c.__name__ in _ROLES)
        ),
        "",
    )


def _held(layer: Any) -> Iterator[tuple[Any, str]]:
    """Yield the layers inside another one, each once, with the role that it plays there."""
    known: set[int] = set()
    roles = {
        id(getattr(layer, attribute, None)): role
        for attribute, role in _ROLES.get(_kind(layer), {}).items()
    }
    for one in getattr(layer, "_layers", ()):
        if id(one) not in known and type(one).__name__ != "InputLayer":
            known.add(id(one))
            yield one, roles.get(id(one), str(one.name))


def _described(
    layer: Any, kind: str, own: Own, names: Sequence[str]
) -> tuple[Factor | None, tuple[Part, ...]]:
    """Return the common factor and the parts; what a description does not cover goes by shape."""
    describe = _DESCRIBERS.get(kind)
    factor: Factor | None = None
    told: list[Part] = []
    if describe is not None and own:
        factor, told = describe(layer, own, names)
    times = factor.size if factor else 1
    true = {
        id(part.variable): part
        for part in told
        if part.params * times == _size(part.variable.shape) and part.variable is not None
    }
    # A common factor is one only where every weight has it.
    if len(true) < len(own) and factor is not None:
        factor = None
        true = {}
    return factor, tuple(
        true.get(id(variable)) or _by_shape(name, variable) for name, variable in own.items()
    )


def _by_shape(name: str, variable: Any) -> Part:
    sizes = [int(size) for size in variable.shape] or [1]
    noun = name.replace("_", " ")
    return Part(noun, variable, tuple(Factor(size, noun) for size in sizes), noun)


# --- what the axes of Keras' own layers stand for -----------------------------------------------

Described = tuple[Factor | None, list[Part]]


def _dense(layer: Any, own: Own, names: Sequence[str]) -> Described:
    kernel = own.get("kernel")
    units = int(layer.units)
    inputs = _size(kernel.shape) // units if kernel is not None else 0
    rank = int(getattr(layer, "lora_rank", None) or 0)
    return None, _present(
        own,
        kernel=_product("kernel", (inputs, "inputs"), (units, "units")),
        bias=_biases(units, "units"),
        lora_kernel_a=_product(
            "LoRA kernel a", (inputs, "inputs"), (rank, "ranks"), ask="lora_rank"
        ),
        lora_kernel_b=_product("LoRA kernel b", (rank, "ranks"), (units, "units"), ask="lora_rank"),
        kernel_scale=_product("kernel scale", (units, "units"), noun="scales", ask="dtype"),
    )


def _einsum_dense(layer: Any, own: Own, names: Sequence[str]) -> Described:
    """Name a kernel's axes by the equation: summed over, made anew, or in step with the input."""
    told: list[Part] = []
    left, output = str(layer.equation).replace(" ", "").split("->")
    given, letters = left.split(",")
    roles = [
        "inputs" if letter not in output else "shared" if letter in given else "units"
        for letter in letters
    ]
    words = list(names) if len(names) == len(letters) else roles
    rank = int(getattr(layer, "lora_rank", None) or 0)
    if (kernel := own.get("kernel")) is not None and len(kernel.shape) == len(letters):
        sizes = [(int(n), word) for n, word in zip(kernel.shape, words, strict=True)]
        told.append(_product("kernel", *sizes)(kernel))
        for name, factors in (
            ("lora_kernel_a", (*sizes[:-1], (rank, "ranks"))),
            ("lora_kernel_b", ((rank, "ranks"), sizes[-1])),
        ):
            if name in own:
                told.append(_product(name, *factors, ask="lora_rank")(own[name]))
    if (bias := own.get("bias")) is not None:
        sizes = [(int(n), "units") for n in bias.shape if int(n) != 1]
        told.append(_product("bias", *sizes, noun="biases", ask="bias_axes")(bias))
    return None, told


def _embedding(layer: Any, own: Own, names: Sequence[str]) -> Described:
    tokens, width = (int(layer.input_dim), "tokens"), (int(layer.output_dim), "dimensions")
    rank = (int(getattr(layer, "lora_rank", None) or 0), "ranks")
    return None, _present(
        own,
        embeddings=_product("embeddings", tokens, width),
        reverse_embeddings=_product("reverse embeddings", width, tokens, ask="tie_weights"),
        lora_embeddings_a=_product("LoRA embeddings a", tokens, rank, ask="lora_rank"),
        lora_embeddings_b=_product("LoRA embeddings b", rank, width, ask="lora_rank"),
        embeddings_scale=_product("embeddings scale", tokens, noun="scales", ask="dtype"),
    )


def _conv(layer: Any, own: Own, names: Sequence[str]) -> Described:
    filters, groups = int(layer.filters), int(getattr(layer, "groups", None) or 1)
    rank = (int(getattr(layer, "lora_rank", None) or 0), "ranks")
    window = _window(layer)
    kernel = own.get("kernel")
    channels = int(kernel.shape[-2]) if kernel is not None else 0
    inputs = (channels, "inputs" if groups == 1 else "inputs a group")
    aside = f"in {groups} groups" if groups > 1 else None
    return None, _present(
        own,
        kernel=_product("kernel", *window, inputs, (filters, "filters"), aside=aside),
        bias=_biases(filters, "filters"),
        lora_kernel_a=_product("LoRA kernel a", *window, inputs, rank, ask="lora_rank"),
        lora_kernel_b=_product("LoRA kernel b", rank, (filters, "filters"), ask="lora_rank"),
    )


def _conv_transpose(layer: Any, own: Own, names: Sequence[str]) -> Described:
    filters, kernel = int(layer.filters), own.get("kernel")
    inputs = int(kernel.shape[-1]) if kernel is not None else 0
    return None, _present(
        own,
        kernel=_product("kernel", *_window(layer), (inputs, "inputs"), (filters, "filters")),
        bias=_biases(filters, "filters"),
    )


def _depthwise(layer: Any, own: Own, names: Sequence[str]) -> Described:
    each, kernel = int(layer.depth_multiplier), own.get("kernel")
    inputs = int(kernel.shape[-2]) if kernel is not None else 0
    return None, _present(
        own,
        kernel=_product(
            "kernel", *_window(layer), (inputs, "inputs"), (each, "filters for each input")
        ),
        bias=_biases(inputs * each, "filters"),
    )


def _separable(layer: Any, own: Own, names: Sequence[str]) -> Described:
    each, filters = int(layer.depth_multiplier), int(layer.filters)
    kernel = own.get("depthwise_kernel")
    inputs = int(kernel.shape[-2]) if kernel is not None else 0
    return None, _present(
        own,
        depthwise_kernel=_product(
            "depthwise kernel",
            *_window(layer),
            (inputs, "inputs"),
            (each, "filters for each input"),
        ),
        pointwise_kernel=_product(
            "pointwise kernel", (inputs * each, "channels"), (filters, "filters")
        ),
        bias=_biases(filters, "filters"),
    )


def _recurrent(gates: int) -> Callable[[Any, Own, Sequence[str]], Described]:
    def describe(layer: Any, own: Own, names: Sequence[str]) -> Described:
        units, kernel = int(layer.units), own.get("kernel")
        inputs = int(kernel.shape[0]) if kernel is not None else 0
        twice = len(getattr(own.get("bias"), "shape", ())) == 2
        bias = _biases(units, "units")
        if twice:
            bias = _product(
                "bias",
                (2, "biases"),
                (units, "units"),
                noun="biases",
                aside="because reset_after",
                shares=(("bias", "use_bias"), ("second bias", "reset_after")),
            )
        return _gates(gates), _present(
            own,
            kernel=_product("kernel", (inputs, "inputs"), (units, "units")),
            recurrent_kernel=_product(
                "recurrent kernel", (units, "units"), (units, "units"), noun="recurrent"
            ),
            bias=bias,
        )

    return describe


def _conv_lstm(layer: Any, own: Own, names: Sequence[str]) -> Described:
    filters, window, kernel = int(layer.filters), _window(layer), own.get("kernel")
    inputs = int(kernel.shape[-2]) if kernel is not None else 0
    return _gates(4), _present(
        own,
        kernel=_product("kernel", *window, (inputs, "inputs"), (filters, "filters")),
        recurrent_kernel=_product(
            "recurrent kernel", *window, (filters, "recurrent"), (filters, "filters")
        ),
        bias=_biases(filters, "filters"),
    )


def _normalization(layer: Any, own: Own, names: Sequence[str]) -> Described:
    told = []
    for name, variable in own.items():
        ask = {"gamma": "scale", "beta": "center"}.get(name)
        ask = "renorm" if name.startswith("renorm") else ask
        noun = name.replace("_", " ")
        sizes = [(int(size), "channels") for size in variable.shape]
        told.append(_product(noun, *sizes, noun=noun, ask=ask)(variable))
    return None, told


def _prelu(layer: Any, own: Own, names: Sequence[str]) -> Described:
    told = [
        _product("slopes", *((int(n), "slopes") for n in variable.shape), noun="slopes")(variable)
        for variable in own.values()
    ]
    return None, told


_DESCRIBERS: dict[str, Callable[[Any, Own, Sequence[str]], Described]] = {
    "Dense": _dense,
    "EinsumDense": _einsum_dense,
    "Embedding": _embedding,
    "ReversibleEmbedding": _embedding,
    "BaseConv": _conv,
    "BaseConvTranspose": _conv_transpose,
    "BaseDepthwiseConv": _depthwise,
    "BaseSeparableConv": _separable,
    "SimpleRNNCell": _recurrent(1),
    "LSTMCell": _recurrent(4),
    "GRUCell": _recurrent(3),
    "ConvLSTMCell": _conv_lstm,
    "BatchNormalization": _normalization,
    "LayerNormalization": _normalization,
    "GroupNormalization": _normalization,
    "RMSNormalization": _normalization,
    "PReLU": _prelu,
}
_ATTENTION = ("MultiHeadAttention", "GroupedQueryAttention")
_PROJECTIONS = {f"_{role}_dense": role for role in ("query", "key", "value", "output")}
#: Layers that hold others in roles of their own: attribute → role.
_ROLES: dict[str, dict[str, str]] = {
    "Bidirectional": {"forward_layer": "forward", "backward_layer": "backward"},
    **dict.fromkeys(_ATTENTION, _PROJECTIONS),
}
#: What the axes of such a layer's kernel stand for.
_NAMES: dict[str, tuple[str, ...]] = {
    "query": ("inputs", "heads", "dimensions"),
    "key": ("inputs", "heads", "dimensions"),
    "value": ("inputs", "heads", "dimensions"),
    "output": ("heads", "dimensions", "outputs"),
}

Making = Callable[[Any], Part]


def _present(own: Own, **makers: Making) -> list[Part]:
    return [make(own[name]) for name, make in makers.items() if name in own]


def _product(
    meaning: str,
    *factors: tuple[int, str],
    noun: str | None = None,
    ask: str | None = None,
    aside: str | None = None,
    shares: tuple[tuple[str, str | None], ...] = (),
) -> Making:
    numbers = tuple(Factor(size, of) for size, of in factors)
    return lambda variable: Part(meaning, variable, numbers, noun, ask, aside, shares)


def _biases(size: int, of: str) -> Making:
    return _product("bias", (size, of), noun="biases", ask="use_bias")


def _gates(number: int) -> Factor | None:
    return Factor(number, "gates") if number > 1 else None


def _window(layer: Any) -> tuple[tuple[int, str], ...]:
    return tuple((int(size), "positions") for size in layer.kernel_size)


def _size(shape: Sequence[Any]) -> int:
    return math.prod(int(size) for size in shape)


# --- from parts to terms and to text ------------------------------------------------------------


def _terms(
    tree: Branch, factors: tuple[Factor, ...] = (), layer: str | None = None
) -> Iterator[CountTerm]:
    holder = tree.layer or layer
    common = (*factors, tree.factor) if tree.factor else factors
    for child in tree.children:
        if isinstance(child, Branch):
            yield from _terms(child, common, holder)
            continue
        path = str(child.variable.path)
        shares = child.shares or ((child.meaning, child.because),)
        numbers = child.factors[1:] if child.shares else child.factors
        product = (*common, *numbers)
        for meaning, because in shares:
            params = math.prod(factor.size for factor in product)
            yield CountTerm(meaning, path, product, params, because, holder)


def _sum(tree: Branch) -> str:
    """Write a branch as a sum, its common factor in front."""
    inner = _inner_sum(tree)
    if tree.factor is None:
        return inner
    return f"{_number(tree.factor)} × {_bracketed(inner, len(tree.children))}"


def _inner_sum(tree: Branch) -> str:
    branches = [child for child in tree.children if isinstance(child, Branch)]
    texts = [_sum(branch) for branch in branches]
    if (
        tree.alike
        and len(texts) > 1
        and len(set(texts)) == 1
        and len(branches) == len(tree.children)
    ):
        several = len(branches[0].children) if branches[0].factor is None else 1
        return f"{len(texts)} {tree.alike} × {_bracketed(texts[0], several)}"
    short = len(branches) > 1 and sum(1 for _ in tree.parts()) > _MOST_PARTS
    written = []
    told = iter(texts)
    for child in tree.children:
        if isinstance(child, Part):
            written.append(_written(child))
            continue
        text = f"{child.params:,}" if short else f"({next(told)})"
        written.append(f"{child.label} {text}" if child.label else text)
    return " + ".join(written)


def _bracketed(text: str, terms: int) -> str:
    return f"({text})" if terms > 1 else text


def _written(part: Part) -> str:
    """Write `15 inputs × 16 units`, or `16×16 recurrent` where there is a noun for the whole."""
    aside = f", {part.aside}" if part.aside else ""
    if part.noun is not None:
        sizes = "×".join(f"{factor.size:,}" for factor in part.factors)
        return f"{sizes} {_counted_noun(part.noun, part.params)}{aside}"
    groups: list[list[Factor]] = []
    for factor in part.factors:
        if groups and groups[-1][0].of == factor.of:
            groups[-1].append(factor)
        else:
            groups.append([factor])
    numbers = [
        f"{'×'.join(f'{factor.size:,}' for factor in group)} "
        f"{_counted_noun(group[0].of, math.prod(factor.size for factor in group))}"
        for group in groups
    ]
    return " × ".join(numbers) + aside


def _number(factor: Factor) -> str:
    return f"{factor.size:,} {_counted_noun(factor.of, factor.size)}"


def _counted_noun(noun: str, number: int) -> str:
    if number != 1:
        return noun
    first, space, rest = noun.partition(" ")
    if first == "biases":
        return "bias"
    first = first.removesuffix("s")
    return f"{first}{space}{rest}"
