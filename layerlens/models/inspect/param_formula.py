"""A layer's number of params as a sum of products, such as 3 inputs × 8 units + 8 biases.

The meaning of a weight's axes follows from the layer's configuration. Each product is checked
against the size of the weight; a weight that does not match, or whose axes are unknown, is counted
by name and shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from layerlens.models.inspect.nested_layers import direct_layers, weights_of
from layerlens.report.layers import CountTerm, Factor

#: A longer sum is written as a sum over the nested layers.
_MAX_PARTS = 8
WeightsByName = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One weight as a product of factors.

    `because` is the argument of the layer that adds the weight. `noun` names the whole product
    where that says more than the factors: 16×16 recurrent. `shares` names equal shares of the
    weight, each with its argument.
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
    """Parts with a common factor, or of one layer."""

    children: tuple[Part | Branch, ...]
    factor: Factor | None = None
    label: str = ""
    #: The path of the nested layer; None is the layer that is counted.
    layer: str | None = None
    #: The noun for several children with the same text: 2 directions.
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
    """A layer's params as a sum of terms, and as one line of text."""

    terms: tuple[CountTerm, ...]
    text: str | None


def count_of(layer: Any, path: str) -> Count:
    """Return the count of a layer's weights, each once, with those of nested layers.

    `path` is the path of the layer; the terms of nested layers have paths below it.
    """
    tree = _branch(layer, path, set(), None)
    total = tree.params
    text = _sum_text(tree)
    if not total and not tree.children:
        return Count((), None)
    whole = f"{total:,}"
    return Count(tuple(_terms(tree)), text if text == whole else f"{text} = {whole}")


# --- from a layer to its parts --------------------------------------------------------------------


def _branch(
    layer: Any,
    path: str,
    seen: set[int],
    holder: str | None,
    names: Sequence[str] = (),
    label: str = "",
) -> Branch:
    """Return the sum of a layer's own weights and those of its nested layers."""
    kind = _kind(layer)
    nested_layers = list(_with_roles(layer))
    nested_weights = {id(weight) for nested, _ in nested_layers for weight in nested.weights}
    own: dict[str, Any] = {}
    for variable in weights_of(layer):
        if id(variable) not in nested_weights and id(variable) not in seen:
            own[_name_of(variable, own)] = variable
    seen |= {id(variable) for variable in own.values()}
    factor, parts = _factor_and_parts(layer, kind, own, names)
    branches: list[Branch] = []
    for nested, role in nested_layers:
        nested_path = f"{path}/{nested.name}"
        axes = _PROJECTION_AXES.get(role, ()) if kind in _ATTENTION else ()
        branch = _branch(nested, nested_path, seen, nested_path, axes, role)
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
    """Return the nearest base class that Keras defines and this module knows, or ""."""
    return next(
        (
            c.__name__
            for c in type(layer).__mro__
            if c.__module__.startswith("keras.")
            and (c.__name__ in _DESCRIBERS or c.__name__ in _ROLES)
        ),
        "",
    )


def _with_roles(layer: Any) -> Iterator[tuple[Any, str]]:
    """Yield the layers that a layer holds, each with its role there, or else its name."""
    roles = {
        id(getattr(layer, attribute, None)): role
        for attribute, role in _ROLES.get(_kind(layer), {}).items()
    }
    for nested in direct_layers(layer):
        yield nested, roles.get(id(nested), str(nested.name))


def _factor_and_parts(
    layer: Any, kind: str, own: WeightsByName, names: Sequence[str]
) -> tuple[Factor | None, tuple[Part, ...]]:
    """Return the common factor and the parts; weights that do not match go by their shape."""
    describe = _DESCRIBERS.get(kind)
    factor: Factor | None = None
    described: list[Part] = []
    if describe is not None and own:
        factor, described = describe(layer, own, names)
    common = factor.size if factor else 1
    matching = {
        id(part.variable): part
        for part in described
        if part.params * common == _size(part.variable.shape) and part.variable is not None
    }
    # The factor is common only if all weights match.
    if len(matching) < len(own) and factor is not None:
        factor = None
        matching = {}
    return factor, tuple(
        matching.get(id(variable)) or _by_shape(name, variable) for name, variable in own.items()
    )


def _by_shape(name: str, variable: Any) -> Part:
    sizes = [int(size) for size in variable.shape] or [1]
    noun = name.replace("_", " ")
    return Part(noun, variable, tuple(Factor(size, noun) for size in sizes), noun)


# --- the axes of the weights of Keras' layers -----------------------------------------------------

FactorAndParts = tuple[Factor | None, list[Part]]


def _dense(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
    kernel = own.get("kernel")
    units = int(layer.units)
    inputs = _size(kernel.shape) // units if kernel is not None else 0
    rank = int(getattr(layer, "lora_rank", None) or 0)
    return None, _present(
        own,
        kernel=_product("kernel", (inputs, "inputs"), (units, "units")),
        bias=_biases(units, "units"),
        lora_kernel_a=_product(
            "LoRA kernel a", (inputs, "inputs"), (rank, "ranks"), because="lora_rank"
        ),
        lora_kernel_b=_product(
            "LoRA kernel b", (rank, "ranks"), (units, "units"), because="lora_rank"
        ),
        kernel_scale=_product("kernel scale", (units, "units"), noun="scales", because="dtype"),
    )


def _einsum_dense(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
    """Name a kernel's axes by their role in the equation: summed, new, or shared with the input."""
    parts: list[Part] = []
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
        parts.append(_product("kernel", *sizes)(kernel))
        for name, factors in (
            ("lora_kernel_a", (*sizes[:-1], (rank, "ranks"))),
            ("lora_kernel_b", ((rank, "ranks"), sizes[-1])),
        ):
            if name in own:
                parts.append(_product(name, *factors, because="lora_rank")(own[name]))
    if (bias := own.get("bias")) is not None:
        sizes = [(int(n), "units") for n in bias.shape if int(n) != 1]
        parts.append(_product("bias", *sizes, noun="biases", because="bias_axes")(bias))
    return None, parts


def _embedding(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
    tokens, width = (int(layer.input_dim), "tokens"), (int(layer.output_dim), "dimensions")
    rank = (int(getattr(layer, "lora_rank", None) or 0), "ranks")
    return None, _present(
        own,
        embeddings=_product("embeddings", tokens, width),
        reverse_embeddings=_product("reverse embeddings", width, tokens, because="tie_weights"),
        lora_embeddings_a=_product("LoRA embeddings a", tokens, rank, because="lora_rank"),
        lora_embeddings_b=_product("LoRA embeddings b", rank, width, because="lora_rank"),
        embeddings_scale=_product("embeddings scale", tokens, noun="scales", because="dtype"),
    )


def _conv(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
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
        lora_kernel_a=_product("LoRA kernel a", *window, inputs, rank, because="lora_rank"),
        lora_kernel_b=_product("LoRA kernel b", rank, (filters, "filters"), because="lora_rank"),
    )


def _conv_transpose(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
    filters, kernel = int(layer.filters), own.get("kernel")
    inputs = int(kernel.shape[-1]) if kernel is not None else 0
    return None, _present(
        own,
        kernel=_product("kernel", *_window(layer), (inputs, "inputs"), (filters, "filters")),
        bias=_biases(filters, "filters"),
    )


def _depthwise(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
    each, kernel = int(layer.depth_multiplier), own.get("kernel")
    inputs = int(kernel.shape[-2]) if kernel is not None else 0
    return None, _present(
        own,
        kernel=_product(
            "kernel", *_window(layer), (inputs, "inputs"), (each, "filters for each input")
        ),
        bias=_biases(inputs * each, "filters"),
    )


def _separable(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
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


def _recurrent(gates: int) -> Callable[[Any, WeightsByName, Sequence[str]], FactorAndParts]:
    def describe(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
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


def _conv_lstm(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
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


def _normalization(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
    parts = []
    for name, variable in own.items():
        because = {"gamma": "scale", "beta": "center"}.get(name)
        because = "renorm" if name.startswith("renorm") else because
        noun = name.replace("_", " ")
        sizes = [(int(size), "channels") for size in variable.shape]
        parts.append(_product(noun, *sizes, noun=noun, because=because)(variable))
    return None, parts


def _prelu(layer: Any, own: WeightsByName, names: Sequence[str]) -> FactorAndParts:
    return None, [
        _product("slopes", *((int(n), "slopes") for n in variable.shape), noun="slopes")(variable)
        for variable in own.values()
    ]


_DESCRIBERS: dict[str, Callable[[Any, WeightsByName, Sequence[str]], FactorAndParts]] = {
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
#: Layers whose nested layers have roles: attribute → role.
_ROLES: dict[str, dict[str, str]] = {
    "Bidirectional": {"forward_layer": "forward", "backward_layer": "backward"},
    **dict.fromkeys(_ATTENTION, _PROJECTIONS),
}
#: The names of the axes of each projection's kernel.
_PROJECTION_AXES: dict[str, tuple[str, ...]] = {
    "query": ("inputs", "heads", "dimensions"),
    "key": ("inputs", "heads", "dimensions"),
    "value": ("inputs", "heads", "dimensions"),
    "output": ("heads", "dimensions", "outputs"),
}

PartFactory = Callable[[Any], Part]


def _present(own: WeightsByName, **makers: PartFactory) -> list[Part]:
    return [make(own[name]) for name, make in makers.items() if name in own]


def _product(
    meaning: str,
    *factors: tuple[int, str],
    noun: str | None = None,
    because: str | None = None,
    aside: str | None = None,
    shares: tuple[tuple[str, str | None], ...] = (),
) -> PartFactory:
    numbers = tuple(Factor(size, of) for size, of in factors)
    return lambda variable: Part(meaning, variable, numbers, noun, because, aside, shares)


def _biases(size: int, of: str) -> PartFactory:
    return _product("bias", (size, of), noun="biases", because="use_bias")


def _gates(number: int) -> Factor | None:
    return Factor(number, "gates") if number > 1 else None


def _window(layer: Any) -> tuple[tuple[int, str], ...]:
    return tuple((int(size), "positions") for size in layer.kernel_size)


def _size(shape: Sequence[Any]) -> int:
    return math.prod(int(size) for size in shape)


# --- from parts to terms and to text --------------------------------------------------------------


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


def _sum_text(tree: Branch) -> str:
    """Return a branch as a sum with its common factor in front."""
    text = _unfactored_sum(tree)
    if tree.factor is None:
        return text
    return f"{_factor_text(tree.factor)} × {_bracketed(text, len(tree.children))}"


def _unfactored_sum(tree: Branch) -> str:
    branches = [child for child in tree.children if isinstance(child, Branch)]
    texts = [_sum_text(branch) for branch in branches]
    if (
        tree.alike
        and len(texts) > 1
        and len(set(texts)) == 1
        and len(branches) == len(tree.children)
    ):
        several = len(branches[0].children) if branches[0].factor is None else 1
        return f"{len(texts)} {tree.alike} × {_bracketed(texts[0], several)}"
    short = len(branches) > 1 and sum(1 for _ in tree.parts()) > _MAX_PARTS
    terms = []
    branch_texts = iter(texts)
    for child in tree.children:
        if isinstance(child, Part):
            terms.append(_part_text(child))
            continue
        text = f"{child.params:,}" if short else f"({next(branch_texts)})"
        terms.append(f"{child.label} {text}" if child.label else text)
    return " + ".join(terms)


def _bracketed(text: str, terms: int) -> str:
    return f"({text})" if terms > 1 else text


def _part_text(part: Part) -> str:
    """Return `15 inputs × 16 units`, or `16×16 recurrent` where the whole has a noun."""
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


def _factor_text(factor: Factor) -> str:
    return f"{factor.size:,} {_counted_noun(factor.of, factor.size)}"


def _counted_noun(noun: str, number: int) -> str:
    if number != 1:
        return noun
    first, space, rest = noun.partition(" ")
    if first == "biases":
        return "bias"
    first = first.removesuffix("s")
    return f"{first}{space}{rest}"
