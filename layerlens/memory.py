"""How much memory a model's weights need, and how much there is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from layerlens.errors import MemoryLimitError, Where

_ITEM_BYTES = {"bool": 1, "string": 16, "float8_e4m3fn": 1, "float8_e5m2": 1, "bfloat16": 2}
#: Some forty probes of at least one sample, each value in float32 and in float64.
_BYTES_PER_SCALAR = 40 * (4 + 8)
#: How often weights are there at once while they are initialised: drawn, scaled, and assigned.
#: Measured with kernels of 4 and of 80 million params, which took 12 bytes each.
_WHILE_INITIALISED = 3
#: What each param takes beyond the working model: the model in float64, drawn weights, and those
#: that rounding is measured with. Measured with two models of 20 million params each, which took 78
#: bytes for each param of one where they were certified, and 125 where every kind was drawn.
_BYTES_PER_PARAM = 40
_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB", "EB")


def refuse_beyond_memory(
    model: Any, name: str, memory_limit: int | None, where: Where | None, *, beside: int = 0
) -> None:
    """Raise MemoryLimitError where making the model's weights needs more than the limit, in bytes.

    Without a limit what the machine has free is one; where that is unknown there is none. Of
    either, so many bytes are taken by what is made `beside` it.
    """
    held = weight_bytes(model)
    needed = held * _WHILE_INITIALISED
    limit = free_memory() if memory_limit is None else memory_limit
    if limit is None or needed <= limit - beside:
        return
    params = sum(math.prod(weight.shape) for weight in model.weights)
    allowed = "are free" if memory_limit is None else "are allowed"
    if beside:
        allowed += f", and {readable(beside)} of that go to the other models"
    raise MemoryLimitError(
        f"model `{name}` needs {readable(needed)} of memory while its {params:,} params are "
        f"initialised, which take {readable(held)}, but {readable(limit)} {allowed}",
        where,
        hint="`layerlens summary` runs nothing and works at any size",
    )


def comparing_beyond_memory(
    names: Sequence[str], params: int, shapes: Iterable[Any], where: Where | None
) -> MemoryLimitError | None:
    """Return the error where comparing models needs more memory than is free.

    `params` are those of both models, which are made already; `shapes` are those of the inputs and
    of both models' outputs, the batch axis first, and what is open counts as one. What the inputs
    and outputs need is a lower bound: about twice as much is taken in the end.
    """
    scalars = sum(math.prod(size or 1 for size in shape[1:]) for shape in shapes)
    for_params, for_probes = params * _BYTES_PER_PARAM, scalars * _BYTES_PER_SCALAR
    limit = free_memory()
    if limit is None or for_params + for_probes <= limit:
        return None
    most = (
        f"{readable(for_probes)} for {scalars:,} values in and out of them a sample"
        if for_probes > for_params
        else f"{readable(for_params)} for their {params:,} params, in two precisions and with "
        "several weights"
    )
    return MemoryLimitError(
        f"comparing {' and '.join(f'`{name}`' for name in names)} needs at least "
        f"{readable(for_params + for_probes)} of memory, {most}, but {readable(limit)} are free",
        where,
        hint="make the models smaller, or use `layerlens summary`, which runs nothing",
    )


def refuse_samples_beyond_memory(samples: int, scalars: int) -> None:
    """Raise MemoryLimitError where so many samples of so many values need more than is free.

    Values are drawn in float64, and TensorFlow has its own copy of them.
    """
    needed, limit = samples * scalars * 2 * 8, free_memory()
    if limit is not None and needed > limit:
        raise MemoryLimitError(
            f"`fit:` draws {samples:,} samples of {scalars:,} values in inputs and targets, which "
            f"take {readable(needed)} of memory, but {readable(limit)} are free",
            hint="let `samples` be fewer",
        )


def weight_bytes(model: Any) -> int:
    """Return the bytes all variables of a model take, by their shapes and dtypes."""
    return sum(math.prod(item.shape) * _item_bytes(item.dtype) for item in model.variables)


def free_memory() -> int | None:
    """Return the bytes this process may still take, or None where the system does not say."""
    known = [limit for limit in (_machine_memory(), _group_memory()) if limit is not None]
    return min(known, default=None)


def readable(count: int) -> str:
    """Write a number of bytes with a unit: 720.0 GB."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:,.1f} {_UNITS[unit]}" if unit else f"{count} bytes"


def _item_bytes(dtype: str) -> int:
    known = _ITEM_BYTES.get(dtype)
    if known is not None:
        return known
    bits = "".join(character for character in dtype if character.isdecimal())
    return max(1, int(bits or 32) // 8)


def _machine_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None  # not Linux, or not to be read: then there is no limit to hold to
    return None


def _group_memory() -> int | None:
    """Return what a container's own limit leaves, where there is one (cgroup v2)."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = (group / "memory.current").read_text(encoding="ascii").strip()
        return None if limit == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return None  # no such group: the machine's memory is the limit
