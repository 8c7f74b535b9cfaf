"""The layer table of a Keras model: shapes, weights, params and masks.

Everything is read off the symbolic graph, so weights that were never allocated will do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from numbers import Integral
from typing import Any

from layerlens.models.inspect.arguments import arguments_of
from layerlens.models.inspect.call_graph import (
    calls_between,
    data_inputs,
    is_input_call,
    producing_call,
)
from layerlens.models.inspect.configuration import configuration_of
from layerlens.models.inspect.cost import activation_bytes, bytes_of, multiply_adds, sum_of_known
from layerlens.models.inspect.layer_state import call_arguments, state_of
from layerlens.models.inspect.nested_layers import weights_of, with_nested
from layerlens.models.inspect.param_formula import count_of
from layerlens.report.layers import LayerRow, ModelError, ModelReport, WeightRow
from layerlens.vocabulary import MaskUse

#: Above this many weights a count is told as the sum over the layers held, not over the weights.
_MOST_TERMS = 12


def layer_rows(model: Any) -> tuple[LayerRow, ...]:
    """Return one row per use of a layer, in the order in which the layers were applied.

    A layer applied again gets a second row with `shared_with` set, no params and no weights.
    """
    inputs, outputs = _ends(model)
    if not outputs:
        return tuple(_held_rows(model, ""))
    return rows_between(inputs, outputs)


def rows_between(inputs: Sequence[Any], outputs: Sequence[Any]) -> tuple[LayerRow, ...]:
    """Return the rows of the graph from `inputs` to `outputs`, symbolic tensors both."""
    return _graph_rows(inputs, outputs, prefix="")


def model_report(
    name: str, model: Any, *, output_shape: Any = None, error: ModelError | None = None
) -> ModelReport:
    """Return the report of a built model; `output_shape` overrides where a slice was selected."""
    inputs, outputs = _ends(model)
    weights = unique_weights(model.weights)
    trainable = count_params(model.trainable_weights)
    params = count_params(weights)
    rows = layer_rows(model)
    return ModelReport(
        name=name,
        params=params,
        trainable_params=trainable,
        non_trainable_params=params - trainable,
        output_shape=output_shape or _one_or_several([_shape(item) for item in outputs]),
        layers=rows,
        error=error,
        input_shape=_one_or_several([_shape(item) for item in inputs]),
        frozen_params=count_params(_frozen(model)),
        shared_params=count_params(_shared(inputs, outputs)),
        bytes_by_dtype=_bytes_by_dtype(weights),
        multiply_adds=sum_of_known(row.multiply_adds for row in rows),
        activation_bytes=sum_of_known(row.activation_bytes for row in rows),
        notes=tuple(dict.fromkeys(_unread(model))),
    )


def _unread(model: Any) -> Iterator[str]:
    """Yield what has to be known of layers whose own code cannot tell how they are configured."""
    for layer in with_nested(model):
        if not type(layer).__module__.startswith("keras."):
            error = configuration_of(layer).error
            if error is not None:
                yield (
                    f"the configuration of `{layer.name}` ({type(layer).__name__}) is not known: "
                    f"its {error}"
                )


def count_params(weights: Iterable[Any]) -> int:
    """Count the scalars in `weights`, each variable once, in integers that are never cut."""
    return sum(_size(weight.shape) for weight in unique_weights(weights))


def unique_weights(weights: Iterable[Any]) -> tuple[Any, ...]:
    """Return the variables in order, each once, however many layers share it."""
    return tuple({id(weight): weight for weight in weights}.values())


def _frozen(layer: Any) -> Iterator[Any]:
    """Yield the weights that would be trained, were their layer or its holder not frozen."""
    trained = {id(weight) for weight in getattr(layer, "trainable_weights", ())}
    for held in with_nested(layer):
        for weight in getattr(held, "_trainable_variables", ()):
            if id(weight) not in trained:
                yield weight


def _shared(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """Return the weights that more than one call in the graph uses, inside nested models too."""
    uses: dict[int, list[Any]] = {}
    for weight in _used(inputs, outputs):
        uses.setdefault(id(weight), []).append(weight)
    return [weights[0] for weights in uses.values() if len(weights) > 1]


def _used(inputs: Sequence[Any], outputs: Sequence[Any]) -> Iterator[Any]:
    """Yield the weights of every call, as often as it is called."""
    for node in calls_between(inputs, outputs):
        inner = _ends(node.operation)
        if inner[1]:
            yield from _used(*inner)
        else:
            yield from unique_weights(weights_of(node.operation))


def _bytes_by_dtype(weights: Iterable[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for weight in weights:
        dtype = str(weight.dtype)
        found[dtype] = found.get(dtype, 0) + _size(weight.shape) * bytes_of(dtype)
    return found


def count_formula(shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return the count as a sum over shapes, such as "1,536 = 15×48 + 16×48 + 48"."""
    terms = ["×".join(f"{size:,}" for size in shape) or "1" for shape in shapes]
    return _sum_of(terms, sum(_size(shape) for shape in shapes))


def _sum_of(terms: Sequence[str], total: int) -> str | None:
    if not terms:
        return None
    written = " + ".join(terms)
    return written if written == f"{total:,}" else f"{total:,} = {written}"


def _ends(model: Any) -> tuple[list[Any], list[Any]]:
    """The symbolic inputs and outputs of a model; empty where it has no graph of its own."""
    # A Sequential that was never built raises here, a subclassed model has none.
    if not getattr(model, "built", False):
        return [], []
    inputs = getattr(model, "inputs", None) or []
    outputs = getattr(model, "outputs", None) or []
    return list(inputs), list(outputs)


def _graph_rows(inputs: Sequence[Any], outputs: Sequence[Any], prefix: str) -> tuple[LayerRow, ...]:
    masks = _Masks()
    rows: list[LayerRow] = []
    seen: set[int] = set()
    names: dict[int, str] = {}
    uses: dict[int, int] = {}
    for node in calls_between(inputs, outputs):
        operation = node.operation
        uses[id(operation)] = uses.get(id(operation), 0) + 1
        again_as = f"#{uses[id(operation)]}" if uses[id(operation)] > 1 else ""
        names[id(node)] = f"{operation.name}{again_as}"
        if is_input_call(node):
            masks.enter(node)
            continue
        again = id(operation) in seen
        seen.add(id(operation))
        row = _row(
            operation,
            prefix,
            input_shape=_one_or_several([_shape(item) for item in data_inputs(node)]),
            output_shape=_one_or_several([_shape(item) for item in node.outputs]),
            mask_in=masks.entering(node),
            mask_out=masks.leaving(node),
            again=again,
            node=node,
            names=names,
        )
        rows.append(row)
    return tuple(rows)


class _Masks:
    """Whether a mask comes with a tensor: True, False, or None where it cannot be told.

    Keras attaches symbolic masks to symbolic tensors, but drops them at the door of a nested
    model although they pass it when the model is called.
    """

    def __init__(self) -> None:
        self._known: dict[int, bool | None] = {}

    def enter(self, node: Any) -> None:
        for tensor in node.outputs:
            self._known[id(tensor)] = _carries_mask(tensor)

    def entering(self, node: Any) -> bool | None:
        return _any_of([self._of(tensor) for tensor in data_inputs(node)])

    def leaving(self, node: Any) -> bool | None:
        inner = _ends(node.operation)[1]
        told = all(self._of(tensor) == _carries_mask(tensor) for tensor in data_inputs(node))
        sure = told and not (inner and self.entering(node))
        for position, tensor in enumerate(node.outputs):
            made_inside = position < len(inner) and _carries_mask(inner[position])
            carries = _carries_mask(tensor) or made_inside
            self._known[id(tensor)] = True if carries else (False if sure else None)
        return _any_of([self._known[id(tensor)] for tensor in node.outputs])

    def _of(self, tensor: Any) -> bool | None:
        return self._known.get(id(tensor), _carries_mask(tensor))


def _carries_mask(tensor: Any) -> bool:
    return getattr(tensor, "_keras_mask", None) is not None


def _any_of(answers: Sequence[bool | None]) -> bool | None:
    if any(answers):
        return True
    return None if None in answers else False


def _row(
    layer: Any,
    prefix: str,
    *,
    input_shape: Any,
    output_shape: Any,
    mask_in: bool | None = None,
    mask_out: bool | None = None,
    again: bool = False,
    node: Any = None,
    names: Mapping[int, str] | None = None,
) -> LayerRow:
    path = f"{prefix}{layer.name}"
    # An operation of keras.ops stands in the graph like a layer, and has no weights.
    weights = () if again else unique_weights(weights_of(layer))
    rows = tuple(_weight_row(weight) for weight in weights)
    holds = () if again else tuple(_held_rows(layer, f"{path}/", used_with=input_shape))
    counted = None if again else count_of(layer, path)
    arguments = arguments_of(layer)
    return LayerRow(
        name=layer.name,
        type=type(layer).__name__,
        path=path,
        input_shape=input_shape,
        output_shape=output_shape,
        params=sum(row.params for row in rows),
        dtype=_dtype(layer),
        weights=rows,
        mask_in=mask_in,
        mask_out=mask_out,
        trainable_params=0 if again else count_params(getattr(layer, "trainable_weights", ())),
        shared_with=layer.name if again else None,
        holds=holds,
        formula=_formula(rows, holds),
        counted=counted.text if counted else None,
        terms=counted.terms if counted else (),
        frozen_params=0 if again else count_params(_frozen(layer)),
        bytes_by_dtype=_bytes_by_dtype(weights),
        multiply_adds=_multiply_adds(layer, node) if node else None,
        activation_bytes=_activation_bytes(node) if node else None,
        mask_use=_mask_use(layer) if mask_in else None,
        arguments=arguments,
        state={} if again else state_of(layer, arguments),
        call=call_arguments(node) if node else {},
        inputs=tuple(_source(tensor, names or {}) for tensor in data_inputs(node)) if node else (),
    )


def _multiply_adds(layer: Any, node: Any) -> int | None:
    given = [_shape(item) for item in data_inputs(node)]
    return multiply_adds(layer, given, [_shape(item) for item in node.outputs])


def _activation_bytes(node: Any) -> int | None:
    return activation_bytes((_shape(item), str(item.dtype)) for item in node.outputs)


def _source(tensor: Any, names: Mapping[int, str]) -> str:
    """Return which layer or input gave a tensor: `lstm`, `lstm[1]` its second output.

    `lstm#2` is what it gave where it was applied again.
    """
    node = producing_call(tensor)
    place = tensor._keras_history.tensor_index
    name = names.get(id(node), str(node.operation.name))
    return f"{name}[{place}]" if place else name


def _mask_use(layer: Any) -> MaskUse:
    """Tell whether a layer takes the mask of its input as an argument, as Keras hands it over."""
    if _ends(layer)[1]:
        return "read" if any(_mask_use(one) == "read" for one in layer.layers) else "ignored"
    inner = getattr(layer, "layer", None)
    if type(layer).__name__ == "TimeDistributed" and inner is not None:
        return _mask_use(inner)
    names = set(
        getattr(layer, "call_signature_parameters", None) or signature(layer.call).parameters
    )
    masks = {"mask", *(f"{name}_mask" for name in names)}
    return "read" if names & masks else "ignored"


def _formula(weights: Sequence[WeightRow], holds: Sequence[LayerRow]) -> str | None:
    if len(weights) <= _MOST_TERMS:
        return count_formula([row.shape for row in weights])
    held = [row.params for row in holds if row.params]
    total = sum(row.params for row in weights)
    own = total - sum(held)
    # Layers that share weights with one another count more than there is: then no sum is true.
    if own < 0 or not held:
        return count_formula([row.shape for row in weights])
    return _sum_of([f"{count:,}" for count in (*held, *([own] if own else []))], total)


def _held_rows(layer: Any, prefix: str, used_with: Any = None) -> Iterator[LayerRow]:
    """Yield the layers inside a wrapper, container, cell or custom layer."""
    inputs, outputs = _ends(layer)
    if outputs:
        rows = _graph_rows(inputs, outputs, prefix)
        built_for = _one_or_several([_shape(item) for item in inputs])
        # A nested model keeps the shapes it was made with; used on others, its inside is unknown.
        yield from rows if used_with in (None, built_for) else map(_without_shapes, rows)
        return
    seen: set[int] = set()
    for held in getattr(layer, "_layers", ()):
        if id(held) in seen or type(held).__name__ == "InputLayer":
            continue
        seen.add(id(held))
        input_shape = _built_shape(held)
        yield _row(
            held, prefix, input_shape=input_shape, output_shape=_output_shape(held, input_shape)
        )


def _without_shapes(row: LayerRow) -> LayerRow:
    held = tuple(_without_shapes(item) for item in row.holds)
    return replace(
        row,
        input_shape=None,
        output_shape=None,
        multiply_adds=None,
        activation_bytes=None,
        holds=held,
    )


def _built_shape(layer: Any) -> Any:
    """The shape a held layer was built with, where Keras remembers exactly one."""
    shapes = getattr(layer, "_build_shapes_dict", None) or {}
    if len(shapes) != 1:
        return None
    return _plain_shape(next(iter(shapes.values())))


def _output_shape(layer: Any, input_shape: Any) -> Any:
    if input_shape is None:
        return None
    if hasattr(layer, "state_size") and hasattr(layer, "output_size"):  # a recurrent cell
        size = layer.output_size
        return (input_shape[0], size) if isinstance(size, int) else None
    try:
        return _plain_shape(layer.compute_output_shape(input_shape))
    except Exception:
        # Not every layer can tell its shape outside a call, and one of the user's own may raise
        # anything; an unknown shape is told as such.
        return None


def _plain_shape(shape: Any) -> Any:
    """Return a shape, or shapes, as plain tuples of ints and None; None for what is no shape."""
    if isinstance(shape, dict):
        return tuple(_plain_shape(item) for item in shape.values())
    if not isinstance(shape, (list, tuple)) and not hasattr(shape, "__iter__"):
        return None
    items = list(shape)
    if items and all(isinstance(item, (list, tuple)) for item in items):
        return _one_or_several([_plain_shape(item) for item in items])
    if not all(item is None or isinstance(item, Integral) for item in items):
        return None  # a file may say anything of what a layer was built for
    return tuple(None if item is None else int(item) for item in items)


def _shape(tensor: Any) -> tuple[int | None, ...]:
    return tuple(None if size is None else int(size) for size in tensor.shape)


def _one_or_several(shapes: Sequence[Any]) -> Any:
    return shapes[0] if len(shapes) == 1 else tuple(shapes)


def _weight_row(weight: Any) -> WeightRow:
    shape = tuple(int(size) for size in weight.shape)
    return WeightRow(path=weight.path, shape=shape, params=_size(shape))


def _size(shape: Iterable[Any]) -> int:
    return math.prod(int(size) for size in shape)


def _dtype(layer: Any) -> str:
    computed = getattr(layer, "compute_dtype", None)
    if computed is not None:
        return str(computed)
    return str(layer._inbound_nodes[0].outputs[0].dtype)
