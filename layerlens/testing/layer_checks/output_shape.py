"""Check that `compute_output_shape` of a layer is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerlens.models.keras_errors import clean_reason
from layerlens.testing.layer_checks.check import (
    Check,
    Inputs,
    call_layer,
    flat,
    own_inputs,
    random_inputs,
    run_check,
    takes_inputs_by_name,
    takes_inputs_separately,
)

#: Pairs of a batch size and a length for None axes.
_SIZES = ((1, 8), (2, 13), (5, 8), (3, 32))


def check_announced_shape(subject: Any, inputs: Inputs, seed: int = 0) -> Check:
    """Check compute_output_shape against the shapes that a layer returns, at several sizes."""

    def faults(layer: Any) -> Iterator[str]:
        specs = inputs or own_inputs(layer)
        refused: list[str] = []
        found: dict[str, None] = {}
        for batch, length in _SIZES:
            arrays = random_inputs(specs, batch, length, np.random.default_rng(seed))
            try:
                results = flat(call_layer(layer, specs, arrays))
            except Exception as error:  # a layer may refuse a length
                refused.append(clean_reason(error))
                continue
            shapes = [tuple(array.shape) for array in arrays]
            real = [tuple(result.shape) for result in results]
            wrong = list(_wrong_shapes(layer, specs, shapes, real))
            if not wrong:  # faults at None axes only repeat those at known sizes
                open_shapes = [(None, *spec.shape) for spec in specs]
                wrong = list(_wrong_shapes(layer, specs, open_shapes, real))
            found.update(dict.fromkeys(wrong))
        yield from found
        if len(refused) == len(_SIZES):
            yield f"it does not run: {refused[0]}"

    return run_check(subject, "does not return the shape it announces", faults)


def _wrong_shapes(
    layer: Any, specs: Inputs, shapes: Sequence[tuple[int | None, ...]], real: Sequence[Any]
) -> Iterator[str]:
    given = ", ".join(map(str, shapes))
    try:
        announced = _shapes(_announced(layer, specs, shapes))
    except Exception as error:  # whatever the layer raises is the fault
        yield f"compute_output_shape({given}) fails: {clean_reason(error)}"
        return
    if len(announced) != len(real):
        yield f"for {given} it announces {len(announced)} outputs and returns {len(real)}"
        return
    for one, other in zip(announced, real, strict=True):
        fits = len(one) == len(other) and all(
            size in (None, real_size) for size, real_size in zip(one, other, strict=True)
        )
        if not fits:
            yield f"for {given} it announces {one} and returns {other}"


def _announced(layer: Any, specs: Inputs, shapes: Sequence[tuple[int | None, ...]]) -> Any:
    if len(shapes) == 1:
        return layer.compute_output_shape(shapes[0])
    if takes_inputs_by_name(layer, specs):
        named = {f"{spec.name}_shape": shape for spec, shape in zip(specs, shapes, strict=True)}
        return layer.compute_output_shape(**named)
    if takes_inputs_separately(layer, specs):
        return layer.compute_output_shape(*shapes)
    return layer.compute_output_shape(list(shapes))


def _shapes(announced: Any) -> list[tuple[int | None, ...]]:
    if isinstance(announced, Mapping):
        return [shape for key in sorted(announced) for shape in _shapes(announced[key])]
    announced = tuple(announced)
    if all(length is None or isinstance(length, (int, np.integer)) for length in announced):
        return [announced]
    return [shape for one in announced for shape in _shapes(one)]
