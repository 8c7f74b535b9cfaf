"""Check the shape and values of an input, and read it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from layerlens.fault_codes import Code
from layerlens.plain.sizes import MOST_AXES, MOST_VALUES, is_oversized
from layerlens.scenario.spec import InputSpec
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence, described, plain

if TYPE_CHECKING:
    from layerlens.scenario.faults import Faults
    from layerlens.scenario.reading.schema import InputPart


def check_size(value: Any, faults: Faults) -> None:
    """Add a fault where the `shape:` of an input has more values than a tensor can have."""
    shape = value.get("shape") if isinstance(value, YamlMapping) else None
    if not isinstance(shape, list) or len(shape) >= MOST_AXES:  # the schema limits the axes
        return
    sizes = [size for size in shape if isinstance(size, int) and size > 0]
    if is_oversized(sizes):
        faults.add(
            Code.SHAPE_TOO_LARGE,
            f"an input of this `shape` has more than {MOST_VALUES:,} values per sample, "
            f"the limit of a tensor",
            value.values_at.get("shape"),
            "make it smaller",
        )


def check_values(value: Any, faults: Faults) -> None:
    """Add faults for `values:` of one input that are malformed or do not match its `shape:`."""
    if not isinstance(value, YamlMapping) or value.get("values") is None:
        return
    values, at = value["values"], value.values_at.get("values")
    dtype = value.get("dtype", "float32")
    shape = shape_of(values, at, str(dtype), faults)
    if shape is None:
        return
    if not shape:
        faults.add(
            Code.BAD_VALUES,
            f"`values` are nested lists, batch axis first; received {described(values)}",
            at,
        )
        return
    expected = value.get("shape")
    if isinstance(expected, list) and not _fits(shape[1:], expected):
        faults.add(
            Code.BAD_VALUES,
            f"`values` have the per-sample shape {list(shape[1:])}; `shape` says {plain(expected)}",
            at,
            "the first axis of `values` is the batch; remove `shape` to use theirs",
        )


def shape_of(
    values: Any, at: Position | None, dtype: str, faults: Faults
) -> tuple[int, ...] | None:
    """Return the shape of nested lists; None, with a fault added, if ragged or of another type."""
    if not isinstance(values, YamlSequence):
        problem = _type_fault(dtype, values)
        if problem is None:
            return ()
        faults.add(Code.BAD_VALUES, f"{problem}; received {described(values)}", at)
        return None
    if not values:
        faults.add(Code.BAD_VALUES, "values are expected here; received an empty list", at)
        return None
    shapes = [shape_of(item, place or at, dtype, faults) for item, place in values.with_positions()]
    if None in shapes:
        return None
    first = shapes[0]
    assert first is not None
    for index, (shape, (_, place)) in enumerate(zip(shapes, values.with_positions(), strict=True)):
        if shape != first:
            faults.add(
                Code.BAD_VALUES,
                f"ragged values: item {index + 1} has the shape {_shown(shape)}, "
                f"the items before it {_shown(first)}",
                place or at,
                "every row needs the same length; pad short ones with zeros",
            )
            return None
    return (len(values), *first)


def _type_fault(dtype: str, value: Any) -> str | None:
    """Return why a value is not one of `dtype`; None if it is."""
    if dtype == "string":
        return None if isinstance(value, str) else "text is expected for string"
    if dtype == "bool":
        return None if isinstance(value, bool) or value in (0, 1) else "true or false is expected"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "a number is expected here"
    if dtype.startswith(("int", "uint")):
        if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
            return f"an integer is expected for {dtype}"
        bits = int(dtype.lstrip("uint") or 64)
        low, high = (0, 2**bits) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        if not low <= value < high:
            return f"{dtype} holds {low} to {high - 1}"
    return None


def _shown(shape: tuple[int, ...] | None) -> str:
    return "of a single number" if shape == () else str(list(shape or ()))


def _fits(found: tuple[int, ...], expected: list[Any]) -> bool:
    return len(found) == len(expected) and all(
        length is None or length == actual for actual, length in zip(found, expected, strict=True)
    )


def input_spec(name: str, part: InputPart) -> InputSpec:
    """Return the spec of an input without faults."""
    values = plain(part.values)
    shape: Any = part.shape
    if shape is None:
        shape, inner = [], values[0]
        while isinstance(inner, list):
            shape.append(len(inner))
            inner = inner[0]
    return InputSpec(name, tuple(shape), part.dtype, part.low, part.high, values)


def input_names(value: YamlMapping) -> tuple[str, ...] | None:
    """Return the names of the inputs given in a mapping; None if there are none or malformed."""
    if value.get("input") is not None:
        return ("input",)
    inputs = value.get("inputs")
    return tuple(inputs) if isinstance(inputs, YamlMapping) else None


def has_inputs(value: YamlMapping) -> bool:
    """Return whether a scenario or a model gives inputs."""
    return value.get("input") is not None or value.get("inputs") is not None


def check_inputs(value: YamlMapping, faults: Faults) -> None:
    """Check the values of the inputs that a scenario or a model gives."""
    check_values(value.get("input"), faults)
    check_size(value.get("input"), faults)
    inputs = value.get("inputs")
    if not isinstance(inputs, YamlMapping):
        return
    batches: dict[str, int] = {}
    for name, spec in inputs.items():
        if not name.strip() or "/" in name:
            faults.add(
                Code.BAD_NAME,
                f'"{name}" cannot name an input',
                inputs.keys_at.get(name),
                "Keras takes any name without `/`",
            )
        check_values(spec, faults)
        check_size(spec, faults)
        if isinstance(spec, YamlMapping) and isinstance(spec.get("values"), list):
            batches[name] = len(spec["values"])
    if len(set(batches.values())) > 1:
        told = ", ".join(f"`{name}` {size}" for name, size in batches.items())
        faults.add(
            Code.BAD_VALUES,
            f"the inputs' values differ in batch size: {told}",
            inputs.at,
            "give all of them the same number of samples",
        )


def input_specs(
    one: InputPart | None, several: dict[str, InputPart] | None
) -> tuple[InputSpec, ...] | None:
    """Return the inputs in the order of the file; None if there are none."""
    if one is not None:
        return (input_spec("input", one),)
    if several is not None:
        return tuple(input_spec(name, part) for name, part in several.items())
    return None
