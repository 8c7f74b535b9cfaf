"""Estimate the memory that models need, and compare it with the free memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from layerlens.byte_size import readable
from layerlens.errors import MemoryLimitError, Where
from layerlens.models.backend.free_memory import free_memory
from layerlens.models.inspect.working_memory import STEP_BYTES, WorkingMemory

_ITEM_BYTES = {"bool": 1, "string": 16, "float8_e4m3fn": 1, "float8_e5m2": 1, "bfloat16": 2}
#: About forty probes of at least one sample, each value in float32 and in float64.
_BYTES_PER_SCALAR = 40 * (4 + 8)
#: Copies of the weights while they are initialized: drawn, scaled, and assigned. Measured with
#: kernels of 4 and of 80 million params, which took 12 bytes per param.
_WHILE_INITIALISED = 3
#: Bytes per param beyond the working model: the model in float64, drawn weights, and those for
#: measuring rounding. Measured with two models of 20 million params each, which took 78 bytes per
#: param of one model where they were certified, and 125 where every kind of weights was drawn.
_BYTES_PER_PARAM = 40
#: Samples in one call: all probes form one batch, with fewer for integer inputs.
_SAMPLES, _INTEGER_SAMPLES = 40, 20
#: Inputs and outputs of a call are held in float64.
_BYTES_PER_END = 8
#: Values inside a call are held once in float64, in a graph, and at the same time twice in float32,
#: called eagerly. Measured with attention of 600 steps.
_BYTES_PER_INNER = 8 + 2 * 4


def refuse_beyond_memory(
    model: Any, name: str, memory_limit: int | None, where: Where | None, *, reserved: int = 0
) -> None:
    """Refuse a model whose weights need more memory than the limit.

    Args:
        model: the model, whose weights need not be allocated.
        name: the name of the model in the message.
        memory_limit: in bytes; None is the free memory, or no limit where that is unknown.
        where: the place of the model in the scenario.
        reserved: bytes that other models take.

    Raises:
        MemoryLimitError: the weights need more while they are initialized.
    """
    held = weight_bytes(model)
    needed = held * _WHILE_INITIALISED
    limit = free_memory() if memory_limit is None else memory_limit
    if limit is None or needed <= limit - reserved:
        return
    params = sum(math.prod(weight.shape) for weight in model.weights)
    allowed = "are free" if memory_limit is None else "are allowed"
    if reserved:
        allowed += f", and {readable(reserved)} of that are for the other models"
    raise MemoryLimitError(
        f"model `{name}` needs {readable(needed)} of memory while its {params:,} params "
        f"are initialized, which take {readable(held)}, but {readable(limit)} {allowed}",
        where,
        hint="`layerlens summary` runs nothing and works at any size",
    )


def comparing_beyond_memory(
    names: Sequence[str],
    params: int,
    shapes: Iterable[Any],
    where: Where | None,
    *,
    working: Iterable[WorkingMemory | None] = (),
    integers: bool = False,
    doing: str = "comparing",
) -> MemoryLimitError | None:
    """Return the error if comparing models needs more than the free memory; None otherwise.

    The estimate is a lower bound, about half of what is needed in the end.

    Args:
        names: the names of the models in the message.
        params: the number of params of all models, which are allocated already.
        shapes: of the inputs and of all outputs, batch axis first; an open axis counts as 1.
        where: the place in the scenario.
        working: what the most demanding call of each model holds; None if unknown.
        integers: whether all inputs are integers.
        doing: what the models are run for, in the message.
    """
    scalars = sum(math.prod(size or 1 for size in shape[1:]) for shape in shapes)
    samples = _INTEGER_SAMPLES if integers else _SAMPLES
    needs = [
        (
            scalars * _BYTES_PER_SCALAR,
            f"for {scalars:,} input and output values per sample",
        ),
        (
            params * _BYTES_PER_PARAM,
            f"for their {params:,} params, in two precisions and with several weights",
        ),
    ]
    # The models are called one after another: only the most demanding call counts.
    calls = [need for one in working if one is not None for need in _needs_of(one, samples)]
    needs += [max(calls)] if calls else []
    needed, limit = sum(size for size, _ in needs), free_memory()
    if limit is None or needed <= limit:
        return None
    size, what = max(needs)
    return MemoryLimitError(
        f"{doing} {' and '.join(f'`{name}`' for name in names)} needs at least "
        f"{readable(needed)} of memory, {readable(size)} {what}, but {readable(limit)} are free",
        where,
        hint="make the models or inputs smaller, or use `layerlens summary`, which runs nothing",
    )


def _needs_of(working: WorkingMemory, samples: int) -> list[tuple[int, str]]:
    called = working.ends * _BYTES_PER_END + working.inner * _BYTES_PER_INNER
    values = f"{working.scalars:,} values per sample"
    return [
        (samples * called, f"while `{working.layer}` is called, which holds {values}"),
        (working.steps * STEP_BYTES, f"for gradients through {working.steps:,} recurrent steps"),
    ]


def refuse_samples_beyond_memory(
    samples: int, scalars: int, batch: int = 0, working: WorkingMemory | None = None
) -> None:
    """Refuse training data that needs more than the free memory.

    Values are drawn in float64, and TensorFlow copies them. `scalars` are the values of one sample,
    `batch` is the number of samples per call, of which each holds `working`.

    Raises:
        MemoryLimitError: the samples, or they and one call, need more.
    """
    limit = free_memory()
    if limit is None:
        return
    drawn = samples * scalars * 2 * 8
    if drawn > limit:
        raise MemoryLimitError(
            f"`fit:` draws {samples:,} samples of {scalars:,} values in inputs and targets, which "
            f"take {readable(drawn)} of memory, but {readable(limit)} are free",
            hint="reduce `samples`",
        )
    batch = min(batch, samples)
    held = batch * working.scalars * 8 if working is not None else 0
    if working is not None and drawn + held > limit:
        raise MemoryLimitError(
            f"`fit:` takes {batch:,} samples at once through `{working.layer}`, which holds "
            f"{working.scalars:,} values of each: {readable(held)} of memory in addition to the "
            f"{readable(drawn)} that the samples take, but {readable(limit)} are free",
            hint="reduce `batch_size`",
        )


def weight_bytes(model: Any) -> int:
    """Return the bytes of all variables of a model, by their shapes and dtypes."""
    return sum(math.prod(item.shape) * _item_bytes(item.dtype) for item in model.variables)


def _item_bytes(dtype: str) -> int:
    known = _ITEM_BYTES.get(dtype)
    if known is not None:
        return known
    bits = "".join(character for character in dtype if character.isdecimal())
    return max(1, int(bits or 32) // 8)
