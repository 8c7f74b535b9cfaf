"""Remedies for layers with several inputs: merging, attention, initial states."""

from __future__ import annotations

import re

from layerlens.models.keras_errors.refusal import Refusal, Remedy, Rule
from layerlens.models.keras_errors.text import counted
from layerlens.plain.shapes import shape_text
from layerlens.scenario.spec import Shape

_MERGING = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot")
_ATTENTION = ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention")


def missing_input(refusal: Refusal) -> Remedy | str | None:
    """One input for a layer that takes several."""
    if len(refusal.shapes) > 1:
        return None
    if refusal.type in _ATTENTION:
        phrases = ("missing a required argument", "called on a list", "inputs list of length")
        if not any(phrase in refusal.reason for phrase in phrases):
            return None
        name = refusal.producer_name or "x"
        present = "" if refusal.producer_name else ", where `x` is its current input"
        return Remedy(
            hint=(
                f"`{refusal.type}` takes a query and a value: in a `graph:` give the node "
                f"`from: [{name}, {name}]`{present} (the same twice is self-attention)"
            ),
            reason="it received one input, and needs a query and a value"
            if "missing" in refusal.reason
            else None,
        )
    if refusal.type not in _MERGING or "list of" not in refusal.reason:
        return None
    return (
        f"`{refusal.type}` joins several inputs: write the model as a `graph:` and name them all "
        f"in the node's `from:`"
    )


def too_many_inputs(refusal: Refusal) -> str | None:
    """Several inputs for a layer that takes one, mostly the states of a recurrent layer."""
    reported = refusal.find(r"expects 1 input\(s\), but it received (\d+)")
    time_distributed = refusal.type == "TimeDistributed" and "received: [(" in refusal.reason
    if not (reported or time_distributed) or len(refusal.shapes) < 2:
        return None
    row = refusal.producer
    if row is not None and isinstance(row.output_shape[0], tuple):
        return (
            f"`{row.name}` returns its states in addition to its output; remove "
            f"`return_state: true` from "
            f"{'its inner layer' if row.type == 'Bidirectional' else 'it'}, or in a `graph:` take "
            f"its output alone, `{row.name}:0`"
        )
    return (
        f"`{refusal.type}` takes one input and received {len(refusal.shapes)}; join them "
        f"first with "
        f"`Concatenate` or `Add`"
    )


def not_two_inputs(refusal: Refusal) -> str | None:
    exact = refusal.find(r"(?:on exactly|on a list of) 2 inputs")
    if exact is None or len(refusal.shapes) == 2:
        return None
    got = len(refusal.shapes)
    chain = "; join two, and the result with the next" if got > 2 else ""
    return f"`{refusal.type}` takes two inputs and received {got}{chain}"


def unequal_merge_shapes(refusal: Refusal) -> str | None:
    """Shapes that do not broadcast, for Add, Multiply, ..."""
    if "Inputs have incompatible shapes" not in refusal.reason or len(refusal.shapes) < 2:
        return None
    first, other = _incompatible_pair(refusal.shapes)
    if len(first) != len(other):
        return _ranks_differ(refusal.type, first, other)
    axis = next(
        axis
        for axis in range(1, len(first))
        if first[axis] != other[axis] and None not in (first[axis], other[axis])
    )
    return f"{_axis_differs(axis, first, other)}; {_equalize_axis(axis, first, other)}"


def _incompatible_pair(shapes: tuple[Shape, ...]) -> tuple[Shape, Shape]:
    first = shapes[0]
    for other in shapes[1:]:
        if len(other) != len(first):
            return first, other
        pairs = zip(first[1:], other[1:], strict=True)
        if any(a != b and None not in (a, b) and 1 not in (a, b) for a, b in pairs):
            return first, other
    return first, shapes[1]


def _axis_differs(axis: int, first: Shape, other: Shape) -> str:
    return (
        f"axis {axis} is {first[axis]} in {shape_text(first)} and {other[axis]} in "
        f"{shape_text(other)}"
    )


def _ranks_differ(layer_type: str, first: Shape, other: Shape) -> str:
    short, long = sorted((first, other), key=len)
    axes = counted(len(first), "axis", "axes")
    difference = f"{shape_text(first)} has {axes} and {shape_text(other)} {len(other)}"
    if len(short) == 2 and len(long) == 3 and long[1] is not None:
        same = short[-1] == long[-1] or layer_type == "Concatenate"
        first_then = "" if same else f"`Dense: {long[-1]}` and then "
        return (
            f"{difference}; put {first_then}`RepeatVector: {long[1]}` after the vector, or "
            f"`GlobalAveragePooling1D` after the sequence"
            + ("" if same else " (and a `Dense` of the same width after each)")
        )
    return f"{difference}; give both the same number of axes with `Reshape` or `Flatten`"


def _equalize_axis(axis: int, first: Shape, other: Shape) -> str:
    small, large = sorted((first, other), key=lambda shape: shape[axis] or 0)
    if axis == len(first) - 1:
        join = ", or join them with `Concatenate`" if first[:-1] == other[:-1] else ""
        return (
            f"give both the same width, for example with `Dense: {first[-1]}` after the "
            f"second{join}"
        )
    dimensions = len(first) - 2
    if dimensions > 3:
        return "make their sizes equal before they are joined"
    gaps = [
        abs((a or 0) - (b or 0)) if a is not None and b is not None else 0
        for a, b in zip(small[1:-1], large[1:-1], strict=True)
    ]
    ordered = all((a or 0) <= (b or 0) for a, b in zip(small[1:-1], large[1:-1], strict=True))
    if not ordered:
        return "crop or pad each (`Cropping`, `ZeroPadding`) to the same size"
    sides = [[0, gap] for gap in gaps]
    written = str(sides[0] if dimensions == 1 else sides)
    return (
        f"put `Cropping{dimensions}D: {{cropping: {written}}}` after the larger or "
        f"`ZeroPadding{dimensions}D: {{padding: {written}}}` after the smaller"
    )


def unequal_concatenate_shapes(refusal: Refusal) -> str | None:
    reported = "matching shapes except for the concatenation axis" in refusal.reason
    if refusal.type != "Concatenate" or not reported or len(refusal.shapes) < 2:
        return None
    first = refusal.shapes[0]
    other = next((shape for shape in refusal.shapes[1:] if len(shape) != len(first)), None)
    if other is not None:
        return _ranks_differ("Concatenate", first, other)
    axis_joined = refusal.arguments.get("axis", -1)
    rank = len(first)
    axis_joined = axis_joined % rank if isinstance(axis_joined, int) else rank - 1
    differing = [
        axis
        for axis in range(1, rank)
        if len({shape[axis] for shape in refusal.shapes if shape[axis] is not None}) > 1
    ]
    wrong = next((axis for axis in differing if axis != axis_joined), None)
    if wrong is None:
        return None
    other = next(shape for shape in refusal.shapes if shape[wrong] != first[wrong])
    difference = f"{_axis_differs(wrong, first, other)}, and only axis {axis_joined} is joined"
    if differing == [wrong]:
        difference = f"{difference}; set `axis: {wrong}`"
        if wrong == rank - 1:
            return f"{difference}, or put `Dense: {first[-1]}` after the second"
        return f"{difference}, or {_equalize_axis(wrong, first, other)}"
    if wrong == rank - 1:
        return f"{difference}; put `Dense: {first[-1]}` after the second"
    return f"{difference}; {_equalize_axis(wrong, first, other)}"


def unequal_dot_sizes(refusal: Refusal) -> str | None:
    match = refusal.find(r"axis values (\w+) \(at axis (\d+)\) != (\w+) \(at axis (\d+)\)")
    if refusal.type != "Dot" or match is None or len(refusal.shapes) != 2:
        return None
    first, other = refusal.shapes
    if "None" in (match[1], match[3]):
        return (
            f"`Dot` needs to know the sizes it multiplies, and one of {shape_text(first)} and "
            f"{shape_text(other)} is variable there; give it a number in the input's `shape`"
        )
    fitting = [
        [one, two]
        for one in range(1, len(first))
        for two in range(1, len(other))
        if first[one] is not None and first[one] == other[two]
    ]
    difference = (
        f"`axes` multiplies axis {match[2]} of {shape_text(first)}, {match[1]}, with axis "
        f"{match[4]} of {shape_text(other)}, {match[3]}"
    )
    if fitting:
        return f"{difference}; `axes: {fitting[-1]}` would fit"
    return (
        f"{difference}; make the sizes equal, for example with `Dense: {match[1]}` after the second"
    )


def shared_layer_size(refusal: Refusal) -> str | None:
    """Another input width in a further call of the same layer."""
    match = refusal.find(r"expected axis (-?\d+) of input shape to have value (\d+)")
    if match is None or not refusal.shapes:
        return None
    bridge = f" (`Dense: {match[2]}` before it would do that)" if match[1] == "-1" else ""
    return (
        f"`{refusal.layer}` was built for an axis {match[1]} of {match[2]} and now "
        f"receives {shape_text(refusal.shape)}; a shared layer needs the same size each "
        f"time{bridge}, or give this node its own layer"
    )


def unequal_key_and_value(refusal: Refusal) -> str | None:
    if "`value` and `key`" not in refusal.reason or len(refusal.shapes) < 3:
        return None
    return (
        f"value {shape_text(refusal.shapes[1])} and key {shape_text(refusal.shapes[2])} "
        f"need the same number of steps; remove the key to use the value for both"
    )


def wrong_initial_states(refusal: Refusal) -> str | None:
    """Wrong sizes of initial states; Keras mostly reports them only in a call."""
    if not re.search(r"initial_state|state_size", refusal.reason) or len(refusal.shapes) < 2:
        return None
    units = refusal.arguments.get("units")
    count = 2 if refusal.type == "LSTM" else 1
    return (
        f"`{refusal.type}` takes {counted(count, 'initial state')} of shape (None, {units}) after "
        f"its sequence in `from:`"
    )


SEVERAL_INPUTS_RULES: tuple[Rule, ...] = (
    missing_input,
    too_many_inputs,
    not_two_inputs,
    unequal_merge_shapes,
    unequal_concatenate_shapes,
    unequal_dot_sizes,
    shared_layer_size,
    unequal_key_and_value,
    wrong_initial_states,
)
