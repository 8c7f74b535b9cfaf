"""The layer table of a Keras model: shapes, weights, params and masks.

All of it is read from the symbolic graph, so the weights need not be allocated.
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
    graph_ends,
    is_input_call,
    producing_call,
)
from layerlens.models.inspect.configuration import configuration_of
from layerlens.models.inspect.cost import activation_bytes, bytes_of, multiply_adds, sum_of_known
from layerlens.models.inspect.layer_state import call_arguments, state_of
from layerlens.models.inspect.nested_layers import (
    direct_layers,
    is_keras_class,
    layers_told_to_train,
    layers_training_by_default,
    weights_of,
    with_nested,
)
from layerlens.models.inspect.param_formula import count_of
from layerlens.models.inspect.shapes import tensor_shape
from layerlens.report.layers import LayerRow, ModelError, ModelReport, WeightRow
from layerlens.vocabulary import MaskUse

#: With more weights, a count is written as a sum over the nested layers, not over the weights.
_MAX_TERMS = 12


def layer_rows(model: Any) -> tuple[LayerRow, ...]:
    """Return one row per call of a layer, in the order of the calls.

    A further call of the same layer has a row with `shared_with` set, no params and no weights.
    """
    inputs, outputs = graph_ends(model)
    if not outputs:
        return tuple(_nested_rows(model, ""))
    return rows_between(inputs, outputs)


def rows_between(inputs: Sequence[Any], outputs: Sequence[Any]) -> tuple[LayerRow, ...]:
    """Return the rows of the graph between symbolic tensors."""
    return _graph_rows(inputs, outputs, prefix="")


def model_report(
    name: str, model: Any, *, output_shape: Any = None, error: ModelError | None = None
) -> ModelReport:
    """Return the report of a built model.

    `output_shape` is the shape after `select`; without it the report has the model's own.
    """
    inputs, outputs = graph_ends(model)
    weights = unique_weights(model.weights)
    trainable = count_params(model.trainable_weights)
    params = count_params(weights)
    rows = layer_rows(model)
    return ModelReport(
        name=name,
        params=params,
        trainable_params=trainable,
        non_trainable_params=params - trainable,
        output_shape=output_shape or _one_or_several([tensor_shape(item) for item in outputs]),
        layers=rows,
        error=error,
        input_shape=_one_or_several([tensor_shape(item) for item in inputs]),
        frozen_params=count_params(_frozen(model)),
        shared_params=count_params(_shared(inputs, outputs)),
        bytes_by_dtype=_bytes_by_dtype(weights),
        multiply_adds=sum_of_known(row.multiply_adds for row in rows),
        activation_bytes=sum_of_known(row.activation_bytes for row in rows),
        notes=tuple(dict.fromkeys([*_configuration_notes(model), *_mode_notes(model)])),
    )


def _configuration_notes(model: Any) -> Iterator[str]:
    """Yield a note for each layer of the user's whose `get_config` fails."""
    for layer in with_nested(model):
        if not is_keras_class(layer):
            error = configuration_of(layer).error
            if error is not None:
                yield (
                    f"the configuration of `{layer.name}` ({type(layer).__name__}) is not known: "
                    f"its {error}"
                )


def _mode_notes(model: Any) -> Iterator[str]:
    """Yield a note for each layer that `model(x)` runs as in training, and `predict` does not."""
    for layer in layers_told_to_train(model):
        yield (
            f"`{layer.name}` is called with `training=True`: `model(x)` keeps that, and `predict` "
            "overrules it"
        )
    for layer in layers_training_by_default(model):
        yield (
            f"`{layer.name}` runs in training mode by default: `model(x)` runs it in training, "
            "`model(x, training=False)` and `predict` do not"
        )


def count_params(weights: Iterable[Any]) -> int:
    """Return the number of scalars in `weights`, each variable once, as an exact integer."""
    return sum(_size(weight.shape) for weight in unique_weights(weights))


def unique_weights(weights: Iterable[Any]) -> tuple[Any, ...]:
    """Return the variables in order, each once."""
    return tuple({id(weight): weight for weight in weights}.values())


def _frozen(layer: Any) -> Iterator[Any]:
    """Yield the weights that are not trainable because their layer, or one around it, is frozen."""
    trained = {id(weight) for weight in getattr(layer, "trainable_weights", ())}
    for nested in with_nested(layer):
        for weight in getattr(nested, "_trainable_variables", ()):
            if id(weight) not in trained:
                yield weight


def _shared(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """Return the weights that several calls use, in the graph or in nested models."""
    uses: dict[int, list[Any]] = {}
    for weight in _weight_uses(inputs, outputs):
        uses.setdefault(id(weight), []).append(weight)
    return [weights[0] for weights in uses.values() if len(weights) > 1]


def _weight_uses(inputs: Sequence[Any], outputs: Sequence[Any]) -> Iterator[Any]:
    """Yield the weights of each call; those of a layer with two calls twice."""
    for node in calls_between(inputs, outputs):
        inner = graph_ends(node.operation)
        if inner[1]:
            yield from _weight_uses(*inner)
        else:
            yield from unique_weights(weights_of(node.operation))


def _bytes_by_dtype(weights: Iterable[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for weight in weights:
        dtype = str(weight.dtype)
        found[dtype] = found.get(dtype, 0) + _size(weight.shape) * bytes_of(dtype)
    return found


def count_formula(shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return a count as a sum over shapes, such as "1,536 = 15×48 + 16×48 + 48"."""
    terms = ["×".join(f"{size:,}" for size in shape) or "1" for shape in shapes]
    return _equation(terms, sum(_size(shape) for shape in shapes))


def _equation(terms: Sequence[str], total: int) -> str | None:
    if not terms:
        return None
    written = " + ".join(terms)
    return written if written == f"{total:,}" else f"{total:,} = {written}"


def _graph_rows(inputs: Sequence[Any], outputs: Sequence[Any], prefix: str) -> tuple[LayerRow, ...]:
    masks = _MaskTracker()
    rows: list[LayerRow] = []
    names: dict[int, str] = {}
    calls: dict[int, int] = {}
    for node in calls_between(inputs, outputs):
        operation = node.operation
        calls[id(operation)] = number = calls.get(id(operation), 0) + 1
        names[id(node)] = f"{operation.name}#{number}" if number > 1 else str(operation.name)
        if is_input_call(node):
            masks.add_input(node)
            continue
        row = _row(
            operation,
            prefix,
            input_shape=_one_or_several([tensor_shape(item) for item in data_inputs(node)]),
            output_shape=_one_or_several([tensor_shape(item) for item in node.outputs]),
            mask_in=masks.mask_in(node),
            mask_out=masks.mask_out(node),
            repeated=number > 1,
            node=node,
            names=names,
        )
        rows.append(row)
    return tuple(rows)


class _MaskTracker:
    """Follows whether each tensor of a graph has a mask: True, False, or None if unknown.

    Keras attaches symbolic masks to symbolic tensors, but drops them at the inputs of a nested
    model, which does receive them when it is called.
    """

    def __init__(self) -> None:
        self._known: dict[int, bool | None] = {}

    def add_input(self, node: Any) -> None:
        for tensor in node.outputs:
            self._known[id(tensor)] = _has_mask(tensor)

    def mask_in(self, node: Any) -> bool | None:
        return _any_known([self._of(tensor) for tensor in data_inputs(node)])

    def mask_out(self, node: Any) -> bool | None:
        inner = graph_ends(node.operation)[1]
        agreed = all(self._of(tensor) == _has_mask(tensor) for tensor in data_inputs(node))
        certain = agreed and not (inner and self.mask_in(node))
        for position, tensor in enumerate(node.outputs):
            made_inside = position < len(inner) and _has_mask(inner[position])
            masked = _has_mask(tensor) or made_inside
            self._known[id(tensor)] = True if masked else (False if certain else None)
        return _any_known([self._known[id(tensor)] for tensor in node.outputs])

    def _of(self, tensor: Any) -> bool | None:
        return self._known.get(id(tensor), _has_mask(tensor))


def _has_mask(tensor: Any) -> bool:
    return getattr(tensor, "_keras_mask", None) is not None


def _any_known(answers: Sequence[bool | None]) -> bool | None:
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
    repeated: bool = False,
    node: Any = None,
    names: Mapping[int, str] | None = None,
) -> LayerRow:
    path = f"{prefix}{layer.name}"
    weights = () if repeated else unique_weights(weights_of(layer))
    rows = tuple(_weight_row(weight) for weight in weights)
    holds = () if repeated else tuple(_nested_rows(layer, f"{path}/", used_with=input_shape))
    counted = None if repeated else count_of(layer, path)
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
        trainable_params=0 if repeated else count_params(getattr(layer, "trainable_weights", ())),
        shared_with=layer.name if repeated else None,
        holds=holds,
        formula=_formula(rows, holds),
        counted=counted.text if counted else None,
        terms=counted.terms if counted else (),
        frozen_params=0 if repeated else count_params(_frozen(layer)),
        bytes_by_dtype=_bytes_by_dtype(weights),
        multiply_adds=_multiply_adds(layer, node) if node else None,
        activation_bytes=_activation_bytes(node) if node else None,
        mask_use=_mask_use(layer) if mask_in else None,
        arguments=arguments,
        state={} if repeated else state_of(layer, arguments),
        call=call_arguments(node) if node else {},
        inputs=tuple(_source_name(tensor, names or {}) for tensor in data_inputs(node))
        if node
        else (),
    )


def _multiply_adds(layer: Any, node: Any) -> int | None:
    inputs = [tensor_shape(item) for item in data_inputs(node)]
    return multiply_adds(layer, inputs, [tensor_shape(item) for item in node.outputs])


def _activation_bytes(node: Any) -> int | None:
    return activation_bytes((tensor_shape(item), str(item.dtype)) for item in node.outputs)


def _source_name(tensor: Any, names: Mapping[int, str]) -> str:
    """Return the name of the layer or input that produced a tensor.

    The second output of `lstm` is `lstm[1]`; the output of its second call is `lstm#2`.
    """
    node = producing_call(tensor)
    index = tensor._keras_history.tensor_index
    name = names.get(id(node), str(node.operation.name))
    return f"{name}[{index}]" if index else name


def _mask_use(layer: Any) -> MaskUse:
    """Return whether a layer takes the mask of its input as an argument."""
    if graph_ends(layer)[1]:
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
    if len(weights) <= _MAX_TERMS:
        return count_formula([row.shape for row in weights])
    nested = [row.params for row in holds if row.params]
    total = sum(row.params for row in weights)
    own = total - sum(nested)
    # Nested layers that share weights count them twice, so their counts do not add up.
    if own < 0 or not nested:
        return count_formula([row.shape for row in weights])
    return _equation([f"{count:,}" for count in (*nested, *([own] if own else []))], total)


def _nested_rows(layer: Any, prefix: str, used_with: Any = None) -> Iterator[LayerRow]:
    """Yield the rows of the layers inside a wrapper, container, cell or custom layer."""
    inputs, outputs = graph_ends(layer)
    if outputs:
        rows = _graph_rows(inputs, outputs, prefix)
        built_for = _one_or_several([tensor_shape(item) for item in inputs])
        # A nested graph has the shapes it was built with; for other inputs they are unknown.
        yield from rows if used_with in (None, built_for) else map(_with_unknown_shapes, rows)
        return
    for nested in direct_layers(layer):
        input_shape = _built_shape(nested)
        output_shape = _output_shape(nested, input_shape)
        yield _row(nested, prefix, input_shape=input_shape, output_shape=output_shape)


def _with_unknown_shapes(row: LayerRow) -> LayerRow:
    return replace(
        row,
        input_shape=None,
        output_shape=None,
        multiply_adds=None,
        activation_bytes=None,
        holds=tuple(map(_with_unknown_shapes, row.holds)),
    )


def _built_shape(layer: Any) -> Any:
    """Return the shape that a nested layer was built with, if Keras recorded exactly one."""
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
        # Some layers compute their shape in a call only, and a user's layer can raise anything.
        return None


def _plain_shape(shape: Any) -> Any:
    """Return a shape or a tuple of shapes as plain ints and None; None if it is not a shape."""
    if isinstance(shape, dict):
        return tuple(_plain_shape(item) for item in shape.values())
    if not isinstance(shape, (list, tuple)) and not hasattr(shape, "__iter__"):
        return None
    items = list(shape)
    if items and all(isinstance(item, (list, tuple)) for item in items):
        return _one_or_several([_plain_shape(item) for item in items])
    if not all(item is None or isinstance(item, Integral) for item in items):
        return None  # a saved file can contain anything here
    return tuple(None if item is None else int(item) for item in items)


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
