"""Check that a layer returns the shape that it announces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerlens.models.keras_errors import clean_reason
from layerlens.testing.layer_checks.check import (
    Check,
    Inputs,
    applied,
    by_name,
    check,
    drawn,
    flat,
    own_inputs,
    separately,
)

#: Batch sizes, each with a length for the axes that are open.
_SIZES = ((1, 8), (2, 13), (5, 8), (3, 32))


def check_announced_shape(subject: Any, inputs: Inputs, seed: int = 0) -> Check:
    """Check compute_output_shape against what the layer returns, at several sizes."""

    def faults(layer: Any) -> Iterator[str]:
        specs = inputs or own_inputs(layer)
        refused: list[str] = []
        found: dict[str, None] = {}
        for batch, length in _SIZES:
            arrays = drawn(specs, batch, length, np.random.default_rng(seed))
            try:
                results = flat(applied(layer, specs, arrays))
            except Exception as error:  # a layer may refuse a length
                refused.append(clean_reason(error))
                continue
            shapes = [tuple(array.shape) for array in arrays]
            real = [tuple(result.shape) for result in results]
            told = list(_told_apart(layer, specs, shapes, real))
            if not told:  # what is said of open axes is only worth telling where the rest is right
                open_shapes = [(None, *spec.shape) for spec in specs]
                told = list(_told_apart(layer, specs, open_shapes, real))
            found.update(dict.fromkeys(told))
        yield from found
        if len(refused) == len(_SIZES):
            yield f"it does not run: {refused[0]}"

    return check(subject, "does not return the shape it announces", faults)


def _told_apart(
    layer: Any, specs: Inputs, shapes: Sequence[tuple[int | None, ...]], real: Sequence[Any]
) -> Iterator[str]:
    given = ", ".join(map(str, shapes))
    try:
        announced = _shapes(_announced(layer, specs, shapes))
    except Exception as error:  # whatever it raises, it announces nothing
        yield f"compute_output_shape({given}) fails: {clean_reason(error)}"
        return
    if len(announced) != len(real):
        yield f"for {given} it announces {len(announced)} outputs and returns {len(real)}"
        return
    for one, other in zip(announced, real, strict=True):
        fits = len(one) == len(other) and all(
            said in (None, got) for said, got in zip(one, other, strict=True)
        )
        if not fits:
            yield f"for {given} it announces {one} and returns {other}"


def _announced(layer: Any, specs: Inputs, shapes: Sequence[tuple[int | None, ...]]) -> Any:
    if len(shapes) == 1:
        return layer.compute_output_shape(shapes[0])
    if by_name(layer, specs):
        named = {f"{spec.name}_shape": shape for spec, shape in zip(specs, shapes, strict=True)}
        return layer.compute_output_shape(**named)
    if separately(layer, specs):
        return layer.compute_output_shape(*shapes)
    return layer.compute_output_shape(list(shapes))


def _shapes(announced: Any) -> list[tuple[int | None, ...]]:
    if isinstance(announced, Mapping):
        return [shape for key in sorted(announced) for shape in _shapes(announced[key])]
    announced = tuple(announced)
    if all(length is None or isinstance(length, (int, np.integer)) for length in announced):
        return [announced]
    return [shape for one in announced for shape in _shapes(one)]
