"""Write models as Python source for plain Keras."""

from __future__ import annotations

import builtins
import json
import keyword
import pprint
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.models.build.chunks import joined_outputs, pieces_of
from layerlens.models.build.graph import LISTED_INPUTS, SEPARATE_INPUTS, in_order
from layerlens.models.build.request import Built, Model
from layerlens.models.external.older.objects import HARD_SIGMOID
from layerlens.numerics.arrays import Array
from layerlens.numerics.flat_input import as_written
from layerlens.plain.printable import clean
from layerlens.report.layers import LayerRow
from layerlens.scenario.chunks import has_time_axis
from layerlens.scenario.keras_catalog import OBJECT_PACKAGES, object_names
from layerlens.scenario.spec import (
    InputSpec,
    LayerSpec,
    ModelSpec,
    NamedTensor,
    NodeSpec,
    addressed,
    layer_specs,
    named_tensors,
)
from layerlens.vocabulary import Execution

#: Names that the script uses itself.
TAKEN = ("keras", "layers", "np", "tf", "x", "y", "weights", "reference", "candidate")
#: The most entries other than the commonest value for an array to be filled entry by entry.
FEW = 12
#: Layers whose further inputs, after the first tensor, are their initial states.
RECURRENT = (
    "Bidirectional",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "GRU",
    "LSTM",
    "RNN",
    "SimpleRNN",
)
WIDTH = 96


@dataclass(frozen=True, slots=True)
class Described:
    """A model to be written as source; `model` is used only if its spec has no layers."""

    spec: ModelSpec
    inputs: tuple[InputSpec, ...]
    rows: tuple[LayerRow, ...]
    batch_size: int | None = None
    model: Any = None
    #: For a model that is called in chunks: which outputs are joined along time.
    joined: tuple[bool, ...] = ()

    @classmethod
    def of(cls, model: Model, inputs: tuple[InputSpec, ...]) -> Described:
        """Describe a model; the scenario's `inputs` are used for a model that Keras refused."""
        if isinstance(model, Built):
            joined = () if model.piece is None else joined_outputs(model)
            return cls(
                model.spec,
                model.inputs,
                model.report.layers,
                model.batch_size,
                model.described,
                joined,
            )
        if model.spec.chunks is not None:  # Keras refused it on the first piece
            inputs = pieces_of(inputs, model.spec.chunks)
        return cls(replace(model.spec, chunks=None), inputs, model.report.layers)


def model_source(function: str, described: Described, *, policy: bool = False) -> str:
    """Return the source of a function without arguments that builds the model.

    With `policy`, the dtype policy is set even if it is the default. A model that is not described
    by its layers is written as Keras' JSON.

    Raises:
        UsageError: Keras cannot serialize the model.
    """
    spec = described.spec
    if spec.chunks is not None:
        return "\n".join(_in_chunks(function, described, spec.chunks, policy=policy))
    lines = [f"def {function}():"]
    if policy or spec.dtype:
        lines.append(f"    keras.config.set_dtype_policy({_quoted(spec.dtype or 'float32')})")
    if not _is_written_out(spec):
        lines += [f"    {line}" for line in _from_json(_as_json(described))]
    else:
        written = _chain if spec.form == "layers" else _graph
        lines += [f"    {line}" for line in written(described)]
    return "\n".join(lines)


def _in_chunks(function: str, described: Described, count: int, *, policy: bool) -> Iterator[str]:
    """Yield the lines of a function that builds a model which is called on pieces of its input."""
    whole = described.inputs
    piece = replace(
        described, spec=replace(described.spec, chunks=None), inputs=pieces_of(whole, count)
    )
    given = [
        f"part(inputs[{n}])" if has_time_axis(one) else f"inputs[{n}]"
        for n, one in enumerate(whole)
    ]
    outputs = [
        f"keras.ops.concatenate([one[{n}] for one in calls], axis=1)"
        if joined
        else f"calls[-1][{n}]"
        for n, joined in enumerate(described.joined)
    ]
    yield f"def {function}():"
    yield textwrap.indent(model_source("build_piece", piece, policy=policy), "    ")
    yield from _CHUNKS.format(
        count=count,
        given=given[0] if len(given) == 1 else f"[{', '.join(given)}]",
        outputs=outputs[0] if len(outputs) == 1 else f"[{', '.join(outputs)}]",
    ).splitlines()
    yield ""
    listed = [
        f'keras.Input({tuple(one.shape)}, batch_size={described.batch_size}, dtype="{one.dtype}")'
        for one in whole
    ]
    yield f"    inputs = [{', '.join(listed)}]"
    given_to_all = "inputs[0]" if len(whole) == 1 else "inputs"
    yield f"    return keras.Model({given_to_all}, Chunks(build_piece())(inputs))"


_CHUNKS = '''
    class Chunks(layers.Layer):
        """Calls a model on pieces of its input and joins the outputs along time."""

        def __init__(self, piece):
            super().__init__(autocast=False)
            self.piece = piece

        def call(self, inputs, training=None):
            calls = []
            for k in range({count}):
                def part(tensor):
                    size = tensor.shape[1] // {count}
                    return tensor[:, k * size:(k + 1) * size]
                called = self.piece({given}, training=training)
                calls.append(keras.tree.flatten(called))
            return {outputs}
'''


def call_source(execution: Execution, described: Described, *, training: bool | None) -> str:
    """Return the source of a function, named as the execution, that so calls a model on `x`.

    With None for `training`, each layer keeps the mode that it was called with.
    """
    several = len(described.inputs) > 1
    call = "model(given)" if training is None else f"model(given, training={training})"
    lines = [f"def {execution}(model):"]
    if execution == "eager":
        lines.append(f"    return {call.replace('given', 'x')}")
    elif execution == "traced":
        tensors = "[tf.constant(one) for one in x]" if several else "tf.constant(x)"
        lines.append(f"    return tf.function(lambda given: {call})({tensors})")
    else:
        specs = ", ".join(
            f'tf.TensorSpec({[described.batch_size, *spec.shape]}, "{spec.dtype}")'
            for spec in described.inputs
        )
        lines += [
            "    # As `predict` and `fit` trace it: batch and lengths are unknown.",
            f"    signature = {f'[[{specs}]]' if several else f'[{specs}]'}",
            f"    return tf.function(lambda given: {call}, input_signature=signature)(x)",
        ]
    return "\n".join(lines)


def join_sections(sections: Sequence[str]) -> str:
    """Join the sections of a script with two blank lines around functions and one elsewhere."""
    text = sections[0]
    for before, section in pairwise(sections):
        next_to_function = any(one.startswith("def ") for one in (before, section))
        text += ("\n\n\n" if next_to_function else "\n\n") + section
    # Names and texts occur in quotes only, where an escape sequence means its character.
    return clean(text) + "\n"


def layer_source(spec: LayerSpec, name: str | None = None) -> str:
    """Return the call that constructs a layer, with nested layers as arguments."""
    arguments = dict(spec.arguments)
    if name is not None:
        arguments.setdefault("name", name)
    given = [f"{key}={_value(key, value)}" for key, value in arguments.items()]
    if spec.model is None:
        return f"layers.{spec.type}({', '.join(given)})"
    inner = ", ".join(layer_source(layer) for layer in spec.model.layers)
    return f"keras.Sequential({', '.join([f'[{inner}]', *given])})"


def _is_written_out(spec: ModelSpec) -> bool:
    """Return whether a model is written layer by layer, not as Keras' JSON.

    One expression cannot construct a graph, load a file or freeze a model.
    """
    nested = [layer for layer in layer_specs(spec) if layer.model is not None]
    return spec.form in ("layers", "graph") and all(
        layer.type == "Sequential" and "trainable" not in layer.arguments for layer in nested
    )


def array_source(array: Array) -> str:
    """Return an expression for an array, with all of its entries."""
    if array.dtype.kind in "OSU":
        return f"tf.constant({_numbers(array.tolist())})"
    if not array.size:
        return f'np.zeros({array.shape}, dtype="{array.dtype}")'
    written = _numbers(as_written(array))
    if "\n" not in written:
        return f'np.array({written}, dtype="{array.dtype}")'
    return f'np.array(\n{textwrap.indent(written, "    ")},\n    dtype="{array.dtype}",\n)'


def filling_source(name: str, array: Array) -> str | None:
    """Return statements that make an array of one value and set the few entries that differ.

    None for a small array, for strings, and for more than FEW such entries.
    """
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


def _inputs(built: Described, names: Sequence[str]) -> Iterator[str]:
    for name, spec in zip(names, built.inputs, strict=True):
        yield f"{name} = {_input(spec, built.batch_size)}"


def _input(spec: InputSpec, batch_size: int | None) -> str:
    more = "" if spec.dtype == "float32" else f', dtype="{spec.dtype}"'
    if batch_size is not None:
        more += f", batch_size={batch_size}"
    return f"keras.Input({spec.shape}{more}, name={_quoted(spec.name)})"


def _chain(built: Described) -> Iterator[str]:
    given = [spec.name for spec in built.inputs]
    names = _names(given)
    yield from _inputs(built, names)
    tensor = _listed(names)
    for position, spec in enumerate(built.spec.layers):
        call = tensor if position else _call(spec, names)
        more = _call_arguments(spec.call, dict(zip(given, names, strict=True)), {})
        yield f"y = {layer_source(spec)}({call}{more})"
        tensor = "y"
    yield f"return keras.Model({_listed(names)}, {tensor})"


def _graph(built: Described) -> Iterator[str]:
    spec = built.spec
    nodes = in_order(spec.nodes)
    given = [one.name for one in built.inputs]
    names = dict(
        zip(
            [*given, *(n.name for n in nodes)],
            _names([*given, *(n.name for n in nodes)]),
            strict=True,
        )
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
        call = _call(base.layer, tensors) + _call_arguments(node.call, names, several)
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
    """Return the expressions for all tensors of a node or input, or for one: `node:1`."""
    source = addressed(name, names)
    assert source is not None  # the reader refuses any other name
    node, index = source
    if several.get(node, 1) == 1:
        return [names[node]]
    chosen = range(several[node]) if index is None else [index]
    return [f"{names[node]}[{n}]" for n in chosen]


def _call_arguments(
    call: Mapping[str, Any], names: Mapping[str, str], several: Mapping[str, int]
) -> str:
    """Return the arguments of a call besides its inputs, each after a comma."""

    def written(name: str, value: Any) -> str:
        if isinstance(value, NamedTensor):
            return _listed(_tensors(value.name, names, several))
        if isinstance(value, tuple) and any(named_tensors(value)):
            return f"[{', '.join(written(name, item) for item in value)}]"
        return _value(name, value)

    return "".join(f", {name}={written(name, value)}" for name, value in call.items())


def _call(spec: LayerSpec, tensors: Sequence[str]) -> str:
    """Return the arguments of a layer's call: separate, a list, or with initial states."""
    if spec.type in SEPARATE_INPUTS:
        return ", ".join(tensors)
    if spec.type in LISTED_INPUTS:
        return f"[{', '.join(tensors)}]"
    if len(tensors) > 1 and spec.type in RECURRENT:
        return f"{tensors[0]}, initial_state=[{', '.join(tensors[1:])}]"
    return _listed(tensors)


def _several_outputs(built: Described) -> dict[str, int]:
    """Return the number of outputs of each layer that has more than one."""
    counts = {}
    for row in built.rows:
        shape = row.output_shape
        if shape and isinstance(shape[0], tuple):
            counts[row.name] = len(shape)
    return counts


def _from_json(text: str) -> Iterator[str]:
    if HARD_SIGMOID not in text:
        yield f"return keras.models.model_from_json({text!r})"
        return
    yield f"def {HARD_SIGMOID}(x):"
    yield "    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)"
    yield ""
    yield f"with keras.saving.custom_object_scope({{{HARD_SIGMOID!r}: {HARD_SIGMOID}}}):"
    yield f"    return keras.models.model_from_json({text!r})"


def _as_json(built: Described) -> str:
    try:
        return str(built.model.to_json())
    except Exception as error:  # a layer without `get_config` may raise anything
        raise UsageError(
            f"model `{built.spec.name}` cannot be written as a script: {error}",
            built.spec.where,
            hint="describe it by its layers in the scenario",
            code=Code.NO_SCRIPT,
        ) from error


# --- values and names -----------------------------------------------------------------------------


def _value(key: str, value: Any) -> str:
    if isinstance(value, LayerSpec):
        return layer_source(value)
    if isinstance(value, Mapping):
        if (made := _object(value)) is not None:
            return made
        inner = ", ".join(f"{name!r}: {_value(str(name), item)}" for name, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, (list, tuple)) and any(isinstance(item, LayerSpec) for item in value):
        inner = ", ".join(_value(key, item) for item in value)
        return f"keras.Sequential([{inner}])" if key.endswith("layer") else f"[{inner}]"
    return _quoted(value) if isinstance(value, str) else _finite(repr(value))


def _object(value: Mapping[Any, Any]) -> str | None:
    """Return the call that constructs a serialized initializer, regularizer or constraint."""
    name, config = value.get("class_name"), value.get("config")
    if set(value) != {"class_name", "config"} or not isinstance(config, Mapping):
        return None
    package = next((one for one in OBJECT_PACKAGES if name in object_names(one)), None)
    if package is None:
        return None
    given = ", ".join(f"{key}={_value(str(key), item)}" for key, item in config.items())
    return f"keras.{package}.{name}({given})"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _numbers(value: Any) -> str:
    return _finite(pprint.pformat(value, width=WIDTH, compact=True))


def _finite(text: str) -> str:
    """Return the text of plain values with `nan` and `inf` written as `np.nan` and `np.inf`."""
    if "'" in text or '"' in text:
        return text
    return re.sub(r"\b(nan|inf)\b", r"np.\1", text)


def _names(wanted: Sequence[str]) -> list[str]:
    """Return a variable name for each: distinct, and used by neither Python nor the script."""
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
