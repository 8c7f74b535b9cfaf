"""Call a model on consecutive pieces of its input, one after the other, with its state kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras

from layerlens.errors import LayerlensError
from layerlens.models.build.graph import flat_outputs
from layerlens.models.build.inputs import FittedInputs
from layerlens.models.build.request import BuildRequest, Built, Frozen, Model, Refused, built
from layerlens.models.build.session import in_fresh_session
from layerlens.models.build.symbolic import functional, set_policy
from layerlens.report.layers import ModelReport
from layerlens.scenario.chunks import check_pieces, has_time_axis
from layerlens.scenario.spec import InputSpec

Build = Callable[[BuildRequest], Model]


class Chunks(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Calls a model on `count` pieces of equal length and joins the outputs along time.

    A loop in `call` keeps the calls in order, eagerly and in a graph, as the state of one call is
    where the next one starts. Without a time axis, an output is that of the last call.
    """

    def __init__(
        self, model: Any, count: int, cut: Sequence[bool], joined: Sequence[bool], **more: Any
    ) -> None:
        super().__init__(autocast=False, **more)
        self.model = model
        self.count = count
        self.cut = tuple(cut)
        self.joined = tuple(joined)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Do nothing: the model is built."""

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Return no mask: `call` passes on those of the model."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        calls = [self._on_piece(given, number, training) for number in range(self.count)]
        outputs = [
            _joined(pieces) if joined else pieces[-1]
            for pieces, joined in zip(zip(*calls, strict=True), self.joined, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else outputs

    def _on_piece(self, given: Sequence[Any], number: int, training: bool | None) -> list[Any]:
        """Return the outputs of one call of the model."""
        pieces = [self._piece(one, number, position) for position, one in enumerate(given)]
        called = self.model(pieces[0] if len(pieces) == 1 else pieces, training=training)
        return list(keras.tree.flatten(called))

    def _piece(self, tensor: Any, number: int, position: int) -> Any:
        if not self.cut[position]:
            return tensor
        length = tensor.shape[1]
        if length is None:
            length = keras.ops.shape(tensor)[1]
        size = length // self.count
        start = number * size
        # Of a length that is open and not a multiple of the count, the last piece takes the rest.
        stop = start + size if number < self.count - 1 else length
        return tensor[:, start:stop]


def _joined(pieces: Sequence[Any]) -> Any:
    whole = keras.ops.concatenate(list(pieces), axis=1)
    masks = [getattr(piece, "_keras_mask", None) for piece in pieces]
    if all(mask is not None for mask in masks):
        whole._keras_mask = keras.ops.concatenate(masks, axis=1)
    return whole


def build_in_chunks(request: BuildRequest, build: Build) -> Built | Refused:
    """Build a model for one piece of its input, and one around it that calls it on all pieces.

    Raises:
        ScenarioError: no input has a time axis, or its steps cannot be cut into as many pieces.
    """
    spec, count = request.spec, request.spec.chunks
    assert count is not None
    check_pieces(spec, request.inputs)
    for_piece = replace(
        request,
        spec=replace(spec, chunks=None, select=None),
        inputs=pieces_of(request.inputs, count),
    )
    piece = build(for_piece)
    assert not isinstance(piece, Frozen)  # refused by `check_pieces`
    if isinstance(piece, Refused):
        return replace(piece, spec=spec, report=_refused_piece(piece.report, count))
    whole = tuple(_with_length(one, lambda n: n * count) for one in piece.inputs)
    check_pieces(spec, whole)
    joined = _grows_with_time(piece, for_piece, build)

    def wrap() -> Built | Refused:
        set_policy(spec, request.precision)
        layer = Chunks(
            piece.model, count, [has_time_axis(one) for one in whole], joined, name="chunks"
        )
        tensors = tuple(
            keras.Input(one.shape, batch_size=piece.batch_size, dtype=own.dtype, name=own.name)
            for one, own in zip(whole, piece.model.inputs, strict=True)
        )
        outputs = flat_outputs(layer(tensors[0] if len(tensors) == 1 else list(tensors)), "chunks")
        fitted = FittedInputs(whole, names=piece.input_names, listed=piece.listed_names)
        return built(
            replace(request, precision="working"),  # the model inside is in its precision already
            fitted,
            functional(tensors, outputs, spec.name),
            allocated=piece.allocated,
            precision=piece.precision,
            is_original=piece.is_original,
            unrestored=piece.unrestored,
            piece=piece.model,
        )

    result = in_fresh_session(wrap, request.seed)
    if isinstance(result, Refused):
        return result
    return replace(result, report=_report(result.report, piece.report, count))


def pieces_of(inputs: Sequence[InputSpec], count: int) -> tuple[InputSpec, ...]:
    """Return the inputs of a model that is called on one of so many pieces."""
    return tuple(_with_length(one, lambda n: n // count) for one in inputs)


def joined_outputs(whole: Built) -> tuple[bool, ...]:
    """Return which outputs of a model in chunks are joined along time."""
    layer = next(layer for layer in whole.model.layers if isinstance(layer, Chunks))
    return layer.joined


def _with_length(one: InputSpec, change: Callable[[int], int]) -> InputSpec:
    """Return an input with another number of steps, where it has a time axis of known length."""
    if not has_time_axis(one) or one.shape[0] is None:
        return one
    return replace(one, shape=(change(one.shape[0]), *one.shape[1:]))


def _grows_with_time(piece: Built, request: BuildRequest, build: Build) -> tuple[bool, ...]:
    """Return which outputs have a time axis: those that are longer for a longer piece."""
    own = [tuple(tensor.shape) for tensor in piece.model.outputs]
    longer = tuple(_with_length(one, lambda n: 2 * n) for one in request.inputs)
    other: Model | None = None
    if longer != request.inputs:
        try:
            other = build(replace(request, inputs=longer, allocate=False))
        except LayerlensError:
            other = None  # a model that is made for one length
    if isinstance(other, Built) and other.inputs != piece.inputs:
        shapes = [tuple(tensor.shape) for tensor in other.model.outputs]
        return tuple(len(a) > 1 and a[1] != b[1] for a, b in zip(own, shapes, strict=True))
    lengths = {one.shape[0] for one in piece.inputs if has_time_axis(one)}
    return tuple(len(shape) > 1 and shape[1] in lengths for shape in own)


def _refused_piece(report: ModelReport, count: int) -> ModelReport:
    error = report.error
    if error is None:
        return report
    message = f"in one of {count} chunks of the input: {error.message}"
    return replace(report, error=replace(error, message=message))


def _report(whole: ModelReport, piece: ModelReport, count: int) -> ModelReport:
    """Return the report of the whole model, with the layers as they are called on one piece."""
    note = (
        f"the layers are called on {count} pieces of the input, one after the other, and shown for "
        "one piece"
    )
    return replace(
        whole,
        layers=piece.layers,
        shared_params=piece.shared_params,
        multiply_adds=None if piece.multiply_adds is None else count * piece.multiply_adds,
        activation_bytes=piece.activation_bytes,
        notes=(*piece.notes, note),
    )
