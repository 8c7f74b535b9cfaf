"""Read a model and check what the schema cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerlens.fault_codes import Code
from layerlens.scenario.faults import Faults
from layerlens.scenario.files import file_fault
from layerlens.scenario.python_target import parse_target
from layerlens.scenario.reading.call_arguments import Sources
from layerlens.scenario.reading.graphs import Outputs, read_graph, read_outputs
from layerlens.scenario.reading.inputs import (
    check_inputs,
    has_inputs,
    input_names,
    input_specs,
    shape_of,
)
from layerlens.scenario.reading.layers import Layers, read_layers
from layerlens.scenario.reading.saved_files import add_file_fault, check_file
from layerlens.scenario.reading.schema import ModelPart, ScenarioPart
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import LayerSpec, ModelSpec, NodeSpec
from layerlens.scenario.yaml.positions import (
    Position,
    YamlMapping,
    YamlSequence,
    described,
    plain,
    shown,
)


@dataclass(frozen=True, slots=True)
class Structure:
    """The layers of a model, or its graph and outputs."""

    layers: tuple[LayerSpec, ...] = ()
    nodes: tuple[NodeSpec, ...] = ()
    outputs: Outputs = field(default_factory=Outputs)


def read_structure(
    name: str, value: YamlMapping, scenario: YamlMapping, folder: Path, faults: Faults
) -> Structure:
    """Check one model, and read its layers or graph; `model_spec` completes a model without faults.

    Args:
        name: the name of the model.
        value: its mapping in the file.
        scenario: the whole file, whose inputs apply where the model has none.
        folder: the folder that paths of saved models are relative to.
        faults: receives the faults of the model.
    """
    _check_inputs(name, value, scenario, faults)
    _check_select(value, faults)
    check_file(value, folder, faults)
    _check_python(value, folder, faults)
    _check_weights(value, faults)
    inputs = input_names(value if has_inputs(value) else scenario)
    layers: tuple[LayerSpec, ...] = ()
    if isinstance(listed := value.get("layers"), YamlSequence):
        layers = read_layers(listed, faults, Sources(inputs))
    graph = value.get("graph")
    if not isinstance(graph, YamlMapping):
        return Structure(layers)
    nodes = read_graph(graph, inputs, Layers(faults), faults)
    return Structure(layers, nodes, read_outputs(value, graph, inputs, faults))


def _check_inputs(name: str, value: YamlMapping, scenario: YamlMapping, faults: Faults) -> None:
    check_inputs(value, faults)
    needs = value.get("layers") is not None or value.get("graph") is not None
    given = ModelPart.gives(value, "input", "inputs") or ScenarioPart.gives(
        scenario, "input", "inputs"
    )
    if needs and not given:
        faults.add(
            Code.NO_INPUT,
            f"the model `{name}` has no input",
            value.at,
            "add `input: {shape: [...]}` to the scenario, or to the model",
        )
    if not has_inputs(value) and not has_inputs(scenario):
        return
    inputs = input_names(value if has_inputs(value) else scenario)
    if value.get("layers") is not None and inputs is not None and len(inputs) > 1:
        faults.add(
            Code.NO_INPUT,
            f"a list of layers takes one input; `{name}` gets {len(inputs)}: {', '.join(inputs)}",
            value.at,
            "write the model as a `graph:`, or give it its own `input:`",
        )


def _check_select(value: YamlMapping, faults: Faults) -> None:
    if isinstance(text := value.get("select"), str):
        try:
            parse_select(text)
        except ValueError as error:
            faults.add(Code.BAD_SELECT, f"`select`: {error}", value.values_at.get("select"))


def _check_python(value: YamlMapping, folder: Path, faults: Faults) -> None:
    if not isinstance(text := value.get("python"), str):
        return
    at, target = value.values_at.get("python"), parse_target(text)
    if target is None:
        faults.add(
            Code.PYTHON_TARGET,
            f'`python` takes "module:callable"; received {described(text)}',
            at,
            "such as `python: my_models:build`, or `python: path/to/models.py:build`",
        )
    elif target.is_file:
        fault = file_fault(folder / target.source, shown(target.source), (".py",))
        add_file_fault(fault, at, faults)


def _resolved_python(text: str, folder: Path) -> str:
    """Return the callable with the path of its file, which is relative to the scenario's folder."""
    target = parse_target(text)
    if target is None or not target.is_file:
        return text
    return f"{folder / target.source}:{target.callable}"


def _check_weights(value: YamlMapping, faults: Faults) -> None:
    if isinstance(weights := value.get("weights"), YamlMapping):
        for path, values in weights.items():
            shape_of(values, weights.values_at.get(path), "float64", faults)


def model_spec(
    name: str,
    part: ModelPart,
    structure: Structure,
    folder: Path,
    faults: Faults,
    at: Position | None,
) -> ModelSpec:
    """Return the spec of a model without faults."""
    if part.file is not None:
        form: Any = "file"
    elif part.python is not None:
        form = "python"
    else:
        form = "graph" if part.graph is not None else "layers"
    return ModelSpec(
        name=name,
        form=form,
        layers=structure.layers,
        nodes=structure.nodes,
        outputs=structure.outputs.names,
        places=structure.outputs.places,
        file=str(folder / part.file) if part.file is not None else None,
        python=None if part.python is None else _resolved_python(part.python, folder),
        args=plain(part.args or {}),
        inputs=input_specs(part.input, part.inputs),
        select=part.select,
        weights=plain(part.weights or {}),
        chunks=part.chunks,
        dtype=part.dtype,
        where=faults.where(at) if at else None,
    )
