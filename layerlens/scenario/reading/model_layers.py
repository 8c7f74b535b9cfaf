"""Read a model that stands in the place of a layer: `Sequential`, `Functional` or `Model`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from layerlens.fault_codes import Code
from layerlens.scenario.faults import Faults
from layerlens.scenario.files import KERAS_SUFFIXES
from layerlens.scenario.model_layers import SHORT_FORMS
from layerlens.scenario.reading.call_arguments import Sources
from layerlens.scenario.reading.graphs import Outputs, read_graph, read_outputs
from layerlens.scenario.reading.inputs import check_inputs, input_names
from layerlens.scenario.reading.layer_reader import LayerReader
from layerlens.scenario.reading.model_parts import (
    FunctionalPart,
    ModelLayerPart,
    SavedPart,
    SequentialPart,
)
from layerlens.scenario.reading.saved_files import check_file
from layerlens.scenario.reading.schema import Names
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from layerlens.scenario.yaml.positions import (
    Position,
    YamlMapping,
    YamlSequence,
    described,
)

_PARTS: dict[str, type[ModelLayerPart]] = {
    "Sequential": SequentialPart,
    "Functional": FunctionalPart,
    "Model": SavedPart,
}


def read_model_layer(
    name: str,
    body: Any,
    at: Position | None,
    body_at: Position | None,
    layers: LayerReader,
    faults: Faults,
) -> LayerSpec | None:
    """Return a model as a layer; None, with its faults added, if it has any.

    Args:
        name: one of MODEL_LAYERS.
        body: what is written below the name, in the file at `body_at`.
        at: the place of the name.
        layers: reads the layers in it.
        faults: receives the faults of the model.
    """
    before = len(faults.found)
    written = _as_mapping(name, body, at if body is None else body_at, faults)
    if written is None:
        return None
    _check_name(written, faults)
    part = _PARTS[name].read(written, Names(faults, (), None, ()))
    where = faults.where(at) if at else None
    model = replace(_model(name, written, part, layers, faults), where=where)
    if part is None or len(faults.found) > before:
        return None
    arguments = {
        key: value for key in ("name", "trainable") if (value := getattr(part, key)) is not None
    }
    places = {key: faults.where(place) for key, place in written.values_at.items()}
    return LayerSpec(name, arguments, model=model, where=where, places=places)


def _as_mapping(name: str, body: Any, at: Position | None, faults: Faults) -> YamlMapping | None:
    if isinstance(body, YamlMapping):
        return body
    short = SHORT_FORMS.get(name)
    if isinstance(body, YamlSequence if short == "layers" else str) and short is not None:
        written = YamlMapping(at)
        written.put(short, body, at, at)
        return written
    forms = {
        "Sequential": "a list of layers, or `{layers: [...], name: ..., trainable: ...}`",
        "Functional": "`{graph: {...}, outputs: [...], inputs: {...}}`",
        "Model": "`{file: base.keras, trainable: ...}`",
    }
    faults.add(Code.WRONG_TYPE, f"`{name}` takes {forms[name]}; received {described(body)}", at)
    return None


def _check_name(written: YamlMapping, faults: Faults) -> None:
    name = written.get("name")
    if isinstance(name, str) and (not name.strip() or "/" in name):
        faults.add(
            Code.BAD_NAME,
            f'"{name}" cannot name a layer',
            written.values_at.get("name"),
            "Keras takes any name without `/`",
        )


def _model(
    name: str,
    written: YamlMapping,
    part: ModelLayerPart | None,
    layers: LayerReader,
    faults: Faults,
) -> ModelSpec:
    """Return the description of the model; faults are added wherever it has any."""
    title = getattr(part, "name", None) or name.lower()
    if name == "Model":
        folder = Path(faults.file).parent
        check_file(written, folder, faults, KERAS_SUFFIXES)  # a recording has no layers
        return ModelSpec(title, "file", file=str(folder / str(written.get("file"))))
    check_inputs(written, faults)
    inputs = input_names(written)
    listed, graph = written.get("layers"), written.get("graph")
    found: tuple[LayerSpec, ...] = ()
    if isinstance(listed, YamlSequence):
        # Keras' Sequential passes no arguments to the calls of its layers.
        found = layers.layers(listed, Sources(inputs) if name == "Functional" else None)
    nodes: tuple[NodeSpec, ...] = ()
    outputs = Outputs()
    if isinstance(graph, YamlMapping):
        nodes = read_graph(graph, inputs, layers, faults)
        outputs = read_outputs(written, graph, inputs, faults)
    return ModelSpec(
        title,
        "graph" if graph is not None else "layers",
        layers=found,
        nodes=nodes,
        outputs=outputs.names,
        places=outputs.places,
        inputs=_inputs(part),
    )


def _inputs(part: ModelLayerPart | None) -> tuple[InputSpec, ...] | None:
    if not isinstance(part, FunctionalPart):
        return None
    given = {"input": part.input} if part.input is not None else part.inputs or {}
    return tuple(InputSpec(key, tuple(one.shape), one.dtype) for key, one in given.items())
