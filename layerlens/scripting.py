"""Model descriptions and arrays become the Python source that makes them in plain Keras."""

from __future__ import annotations

import builtins
import json
import keyword
import pprint
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerlens.building import Built
from layerlens.entries import Array, as_written
from layerlens.errors import UsageError
from layerlens.scenario import InputSpec, LayerSpec, NodeSpec
from layerlens.wiring import LISTED_INPUTS, SEPARATE_INPUTS, in_order

#: Names the script uses itself.
TAKEN = ("keras", "layers", "np", "tf", "x", "y", "weights", "reference", "candidate")
#: An array is written entry by entry where at most this many are not the commonest value.
FEW = 12
WIDTH = 96


def model_source(function: str, built: Built, *, policy: bool = False) -> str:
    """Return a function without arguments that builds the model as it was described.

    `policy` states the dtype policy even where it is the default. A model that was not described
    by its layers is written as Keras' own JSON of it. Raises UsageError where Keras has none.
    """
    spec = built.spec
    lines = [f"def {function}():"]
    if policy or spec.dtype:
        lines.append(f"    keras.config.set_dtype_policy({_quoted(spec.dtype or 'float32')})")
    if spec.form == "layers":
        lines += [f"    {line}" for line in _chain(built)]
    elif spec.form == "graph":
        lines += [f"    {line}" for line in _graph(built)]
    else:
        lines.append(f"    return keras.models.model_from_json({_as_json(built)!r})")
    return "\n".join(lines)


def layer_source(spec: LayerSpec, name: str | None = None) -> str:
    """Return the call that makes a layer, what it holds inside it."""
    arguments = dict(spec.arguments)
    if name is not None:
        arguments.setdefault("name", name)
    given = ", ".join(f"{key}={_value(key, value)}" for key, value in arguments.items())
    return f"layers.{spec.type}({given})"


def array_source(array: Array) -> str:
    """Return an expression for an array: whole, or for mostly one value only what differs."""
    if array.dtype.kind in "OSU":
        return f"tf.constant({_numbers(array.tolist())})"
    written = _numbers(as_written(array))
    if "\n" not in written:
        return f'np.array({written}, dtype="{array.dtype}")'
    return f'np.array(\n{textwrap.indent(written, "    ")},\n    dtype="{array.dtype}",\n)'


def filling_source(name: str, array: Array) -> str | None:
    """Return statements that fill an array of one value with the few entries that are another."""
    if array.dtype.kind not in "fiub" or array.size <= 2 * FEW:
        return None
    values, counts = np.unique(array, return_counts=True)
    common = values[int(np.argmax(counts))]
    others = np.argwhere(array != common)
    if len(others) > FEW:
        return None
    shape = tuple(array.shape)
    made = f"np.full({shape}, {_numbers(as_written(common))}, "
    lines = [f'{name} = {made if common else f"np.zeros({shape}, "}dtype="{array.dtype}")']
    for place in others:
        at = tuple(int(n) for n in place)
        lines.append(f"{name}[{', '.join(map(str, at))}] = {_numbers(as_written(array[at]))}")
    return "\n".join(lines)


# --- models ---------------------------------------------------------------------------------------


def _inputs(built: Built, names: Sequence[str]) -> Iterator[str]:
    for name, spec in zip(names, built.inputs, strict=True):
        yield f"{name} = {_input(spec, built.batch_size)}"


def _input(spec: InputSpec, batch_size: int | None) -> str:
    more = "" if spec.dtype == "float32" else f', dtype="{spec.dtype}"'
    if batch_size is not None:
        more += f", batch_size={batch_size}"
    return f"keras.Input({spec.shape}{more}, name={_quoted(spec.name)})"


def _chain(built: Built) -> Iterator[str]:
    names = _names([spec.name for spec in built.inputs])
    yield from _inputs(built, names)
    tensor = _listed(names)
    for position, spec in enumerate(built.spec.layers):
        call = tensor if position else _call(spec, names, _takes_states(built, position))
        yield f"y = {layer_source(spec)}({call})"
        tensor = "y"
    yield f"return keras.Model({_listed(names)}, {tensor})"


def _graph(built: Built) -> Iterator[str]:
    spec = built.spec
    nodes = in_order(spec.nodes)
    given = [one.name for one in built.inputs]
    names = dict(
        zip([*given, *(n.name for n in nodes)], _names([*given, *(n.name for n in nodes)]),
            strict=True)
    )
    yield from _inputs(built, [names[name] for name in given])
    several = _several_outputs(built)
    layer_of: dict[str, NodeSpec] = {}
    variables: dict[str, str] = {}
    for node in nodes:
        base = layer_of[node.share] if node.share else node
        layer_of[node.name] = base
        assert base.layer is not None  # the reader gives every node a layer or a share
        tensors = [text for name in node.inputs for text in _tensors(name, names, several)]
        call = _call(base.layer, tensors, "initial_state" in _call_arguments(built, base.name))
        if base.name not in variables:
            variables[base.name] = f"{names[base.name]}_layer"
            made = layer_source(base.layer, base.name)
            if not any(other.share == base.name for other in nodes):
                yield f"{names[node.name]} = {made}({call})"
                continue
            yield f"{variables[base.name]} = {made}"
        yield f"{names[node.name]} = {variables[base.name]}({call})"
        if base.name in several:
            several[node.name] = several[base.name]
    outputs = [text for name in spec.outputs for text in _tensors(name, names, several)]
    yield f"return keras.Model({_listed([names[name] for name in given])}, {_listed(outputs)})"


def _tensors(name: str, names: Mapping[str, str], several: Mapping[str, int]) -> list[str]:
    """Return the expressions of all tensors of a node or input, or of the one `node:1` names."""
    if name in names:
        if several.get(name, 1) == 1:
            return [names[name]]
        return [f"{names[name]}[{n}]" for n in range(several[name])]
    node, _, index = name.rpartition(":")
    return [f"{names[node]}[{index}]" if several.get(node, 1) > 1 else names[node]]


def _call(spec: LayerSpec, tensors: Sequence[str], states: bool) -> str:
    """Return the arguments of a layer's call, as its kind takes several tensors."""
    if spec.type in SEPARATE_INPUTS:
        return ", ".join(tensors)
    if spec.type in LISTED_INPUTS:
        return f"[{', '.join(tensors)}]"
    if len(tensors) > 1 and states:
        return f"{tensors[0]}, initial_state=[{', '.join(tensors[1:])}]"
    return _listed(tensors)


def _takes_states(built: Built, position: int) -> bool:
    row = built.report.layers[position]
    return "initial_state" in _call_arguments(built, row.name)


def _call_arguments(built: Built, layer: str) -> Sequence[str]:
    import inspect

    found = next((one for one in built.model.layers if one.name == layer), None)
    return list(inspect.signature(found.call).parameters) if found is not None else []


def _several_outputs(built: Built) -> dict[str, int]:
    """Return how many tensors each layer gives that gives more than one."""
    counts = {}
    for row in built.report.layers:
        shape = row.output_shape
        if shape and isinstance(shape[0], tuple):
            counts[row.name] = len(shape)
    return counts


def _as_json(built: Built) -> str:
    try:
        return str(built.model.to_json())
    except Exception as error:  # whatever a layer without a description of itself raises
        raise UsageError(
            f"model `{built.spec.name}` cannot be written as a script: {error}",
            built.spec.where,
            hint="describe it by its layers in the scenario",
        ) from error


# --- values and names -----------------------------------------------------------------------------


def _value(key: str, value: Any) -> str:
    if isinstance(value, LayerSpec):
        return layer_source(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name!r}: {_value(str(name), item)}" for name, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, (list, tuple)) and any(isinstance(item, LayerSpec) for item in value):
        inner = ", ".join(_value(key, item) for item in value)
        return f"keras.Sequential([{inner}])" if key.endswith("layer") else f"[{inner}]"
    return _quoted(value) if isinstance(value, str) else _finite(repr(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _numbers(value: Any) -> str:
    return _finite(pprint.pformat(value, width=WIDTH, compact=True))


def _finite(text: str) -> str:
    """Return the text of plain values with NaN and infinity as NumPy names them."""
    if "'" in text or '"' in text:
        return text
    return re.sub(r"\b(nan|inf)\b", r"np.\1", text)


def _names(wanted: Sequence[str]) -> list[str]:
    """Return a variable name for each, all distinct and none that Python or the script uses."""
    found: list[str] = []
    for name in wanted:
        made = re.sub(r"\W", "_", name) or "_"
        if made[0].isdigit():
            made = f"_{made}"
        if keyword.iskeyword(made) or hasattr(builtins, made) or made in TAKEN:
            made = f"{made}_"
        while made in found:
            made += "_"
        found.append(made)
    return found


def _listed(tensors: Sequence[str]) -> str:
    return tensors[0] if len(tensors) == 1 else f"[{', '.join(tensors)}]"
