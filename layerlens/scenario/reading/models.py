"""Read a model and check what the schema cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerlens.scenario.faults import Faults
from layerlens.scenario.files import FileFault, file_fault, saved_file_fault
from layerlens.scenario.python_target import parse_target
from layerlens.scenario.reading.graphs import addressed, read_graph, refuse_unknown
from layerlens.scenario.reading.inputs import check_size, check_values, input_spec, shape_of
from layerlens.scenario.reading.layers import read_layers
from layerlens.scenario.reading.schema import InputPart, ModelPart, ScenarioPart
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
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
    outputs: tuple[str, ...] = ()


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
    _check_file(value, folder, faults)
    _check_python(value, folder, faults)
    _check_weights(value, faults)
    layers: tuple[LayerSpec, ...] = ()
    if isinstance(listed := value.get("layers"), YamlSequence):
        layers = read_layers(listed, faults)
    graph = value.get("graph")
    if not isinstance(graph, YamlMapping):
        return Structure(layers)
    inputs = input_names(value if has_inputs(value) else scenario)
    nodes = read_graph(graph, inputs, faults)
    return Structure(layers, nodes, _read_outputs(value, graph, faults))


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
            f"the inputs' values differ in batch size: {told}",
            inputs.at,
            "give all of them the same number of samples",
        )


def _check_inputs(name: str, value: YamlMapping, scenario: YamlMapping, faults: Faults) -> None:
    check_inputs(value, faults)
    needs = value.get("layers") is not None or value.get("graph") is not None
    given = ModelPart.gives(value, "input", "inputs") or ScenarioPart.gives(
        scenario, "input", "inputs"
    )
    if needs and not given:
        faults.add(
            f"the model `{name}` has no input",
            value.at,
            "add `input: {shape: [...]}` to the scenario, or to the model",
        )
    if not has_inputs(value) and not has_inputs(scenario):
        return
    inputs = input_names(value if has_inputs(value) else scenario)
    if value.get("layers") is not None and inputs is not None and len(inputs) > 1:
        faults.add(
            f"a list of layers takes one input; `{name}` gets {len(inputs)}: {', '.join(inputs)}",
            value.at,
            "write the model as a `graph:`, or give it its own `input:`",
        )


def _check_select(value: YamlMapping, faults: Faults) -> None:
    if isinstance(text := value.get("select"), str):
        try:
            parse_select(text)
        except ValueError as error:
            faults.add(f"`select`: {error}", value.values_at.get("select"))


def _check_file(value: YamlMapping, folder: Path, faults: Faults) -> None:
    if not isinstance(file := value.get("file"), str):
        return
    fault = saved_file_fault(folder / file, shown(file))
    _add_file_fault(fault, value.values_at.get("file"), faults)


def _add_file_fault(fault: FileFault | None, at: Position | None, faults: Faults) -> None:
    if fault is None:
        return
    relative = "paths are relative to the scenario's folder" if fault.is_missing else None
    faults.add(fault.message, at, " ".join(filter(None, (fault.hint, relative))) or None)


def _check_python(value: YamlMapping, folder: Path, faults: Faults) -> None:
    if not isinstance(text := value.get("python"), str):
        return
    at, target = value.values_at.get("python"), parse_target(text)
    if target is None:
        faults.add(
            f'`python` takes "module:callable"; received {described(text)}',
            at,
            "such as `python: my_models:build`, or `python: path/to/models.py:build`",
        )
    elif target.is_file:
        fault = file_fault(folder / target.source, shown(target.source), (".py",))
        _add_file_fault(fault, at, faults)


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


def _read_outputs(value: YamlMapping, graph: YamlMapping, faults: Faults) -> tuple[str, ...]:
    outputs, at = value.get("outputs"), value.values_at.get("outputs")
    if outputs is None:
        return ()
    listed = outputs
    if isinstance(outputs, str):
        listed = YamlSequence(at)
        listed.put(outputs, at)
    if not isinstance(listed, YamlSequence) or not listed:
        faults.add(f"`outputs` takes names of nodes; received {described(outputs)}", at)
        return ()
    for output, place in listed.with_positions():
        if not isinstance(output, str):
            faults.add(f"`outputs` takes names of nodes; received {described(output)}", place)
        elif addressed(output, graph) is None:
            refuse_unknown(output, graph, place, faults)
    return tuple(str(output) for output in listed)


def input_specs(
    one: InputPart | None, several: dict[str, InputPart] | None
) -> tuple[InputSpec, ...] | None:
    """Return the inputs in the order of the file; None if there are none."""
    if one is not None:
        return (input_spec("input", one),)
    if several is not None:
        return tuple(input_spec(name, part) for name, part in several.items())
    return None


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
        outputs=structure.outputs,
        file=str(folder / part.file) if part.file is not None else None,
        python=None if part.python is None else _resolved_python(part.python, folder),
        args=plain(part.args or {}),
        inputs=input_specs(part.input, part.inputs),
        select=part.select,
        weights=plain(part.weights or {}),
        dtype=part.dtype,
        where=faults.where(at) if at else None,
    )
