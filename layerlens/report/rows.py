"""A report as flat rows, in three tables whose columns share their names.

`pairs`: one row per scenario, candidate and mode, with the verdict and the measured differences.
`layers`: one row per layer; layers inside a wrapper have rows of their own with a greater `depth`.
`probes`: one row per probe and execution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

from layerlens.report.layers import LayerRow
from layerlens.report.run import RunRecord, ScenarioReport, coded

TableName = Literal["pairs", "layers", "probes"]
KINDS: tuple[TableName, ...] = get_args(TableName)
Row = dict[str, Any]

_SCENARIO = ("path", "title", "cell")

#: TableName → its columns, in order.
COLUMNS: dict[TableName, tuple[str, ...]] = {
    "pairs": (
        *_SCENARIO,
        "status",
        "reference",
        "candidate",
        "mode",
        "verdict",
        "strength",
        "expected",
        "held",
        "max_abs",
        "max_rel",
        "max_ulp",
        "mismatched",
        "compared",
        "rounding_expected",
        "float64_max_abs",
        "only_at_initialization",
        "also_differs",
        "unseen",
        "reference_params",
        "candidate_params",
        "reference_output_shape",
        "candidate_output_shape",
        "explanation",
        "error",
        "valid_max_abs",
        "padded_max_abs",
        "reference_graph_ops",
        "candidate_graph_ops",
        "params_gaps",
        "why",
    ),
    "layers": (
        *_SCENARIO,
        "model",
        "position",
        "depth",
        "layer",
        "type",
        "layer_path",
        "input_shape",
        "output_shape",
        "params",
        "trainable_params",
        "formula",
        "dtype",
        "mixes",
        "mask_in",
        "mask_out",
        "shared_with",
        "counted",
        "frozen_params",
        "multiply_adds",
        "activation_bytes",
        "graph_ops",
        "mask_use",
        "inputs",
    ),
    "probes": (
        *_SCENARIO,
        "reference",
        "candidate",
        "mode",
        "probe",
        "execution",
        "max_abs",
        "max_rel",
        "noise",
        "float64_max_abs",
    ),
}


def tidy_rows(report: RunRecord, kind: TableName = "pairs") -> list[Row]:
    """Return the rows of one table, each with every column of `COLUMNS[kind]`.

    A scenario at fault has `status` "error" and the faults in `error`: one row of `pairs`, or one
    for each pair where it was stopped.

    Raises:
        ValueError: there is no such table.
    """
    row_functions: dict[TableName, Callable[[ScenarioReport], Iterator[Row]]] = {
        "pairs": _pairs,
        "layers": _layers,
        "probes": _probes,
    }
    if kind not in row_functions:
        raise ValueError(f"unknown kind {kind!r}: one of {', '.join(KINDS)}")
    return [
        dict.fromkeys(COLUMNS[kind])
        | {"path": scenario.path, "title": scenario.title, "cell": scenario.cell}
        | row
        for scenario in report.scenarios
        for row in row_functions[kind](scenario)
    ]


def _pairs(scenario: ScenarioReport) -> Iterator[Row]:
    if not scenario.pairs:
        if scenario.status == "error":
            yield {"status": "error", "error": "; ".join(map(coded, scenario.errors))}
        return
    models = {model.name: model for model in scenario.models}
    held = {row.subject: row for row in scenario.expectations}
    gaps = {diff.candidate: diff.params for diff in scenario.diffs}
    stopped = "; ".join(map(coded, scenario.errors)) or None
    for pair in scenario.pairs:
        expectation = held.get(f"{pair.reference}=={pair.candidate}[{pair.mode}]")
        reference, candidate = models.get(pair.reference), models.get(pair.candidate)
        refused = candidate.error if candidate and candidate.error else None
        refused = refused or (reference.error if reference else None)
        yield {
            "status": scenario.status,
            "reference": pair.reference,
            "candidate": pair.candidate,
            "mode": pair.mode,
            "verdict": pair.verdict,
            "strength": pair.strength,
            "expected": expectation.expected if expectation else None,
            "held": expectation.held if expectation else None,
            "max_abs": pair.max_abs,
            "max_rel": pair.max_rel,
            "max_ulp": pair.max_ulp,
            "mismatched": pair.mismatched,
            "compared": pair.compared,
            "rounding_expected": pair.rounding.expected if pair.rounding else None,
            "float64_max_abs": pair.rounding.float64_max_abs if pair.rounding else None,
            "only_at_initialization": pair.only_at_initialization,
            "also_differs": pair.also_differs,
            "unseen": pair.unseen,
            "reference_params": reference.params if reference else None,
            "candidate_params": candidate.params if candidate else None,
            "reference_output_shape": reference.output_shape if reference else None,
            "candidate_output_shape": candidate.output_shape if candidate else None,
            "explanation": pair.explanation,
            "error": refused.message if refused else stopped,
            "valid_max_abs": pair.masked.valid.max_abs if pair.masked else None,
            "padded_max_abs": pair.masked.padded.max_abs if pair.masked else None,
            "reference_graph_ops": reference.graph_ops if reference else None,
            "candidate_graph_ops": candidate.graph_ops if candidate else None,
            "params_gaps": tuple(gap.text for gap in gaps.get(pair.candidate, ())),
            "why": pair.why,
        }


def _layers(scenario: ScenarioReport) -> Iterator[Row]:
    for model in scenario.models:
        for position, (depth, layer) in enumerate(_with_depth(model.layers)):
            yield {
                "model": model.name,
                "position": position,
                "depth": depth,
                "layer": layer.name,
                "type": layer.type,
                "layer_path": layer.path,
                "input_shape": layer.input_shape,
                "output_shape": layer.output_shape,
                "params": layer.params,
                "trainable_params": layer.trainable_params,
                "formula": layer.formula,
                "dtype": layer.dtype,
                "mixes": layer.mixes,
                "mask_in": layer.mask_in,
                "mask_out": layer.mask_out,
                "shared_with": layer.shared_with,
                "counted": layer.counted,
                "frozen_params": layer.frozen_params,
                "multiply_adds": layer.multiply_adds,
                "activation_bytes": layer.activation_bytes,
                "graph_ops": layer.graph_ops,
                "mask_use": layer.mask_use,
                "inputs": layer.inputs,
            }


def _with_depth(layers: tuple[LayerRow, ...], depth: int = 0) -> Iterator[tuple[int, LayerRow]]:
    for layer in layers:
        yield depth, layer
        yield from _with_depth(layer.holds, depth + 1)


def _probes(scenario: ScenarioReport) -> Iterator[Row]:
    for pair in scenario.pairs:
        for probe in pair.probes:
            yield {
                "reference": pair.reference,
                "candidate": pair.candidate,
                "mode": pair.mode,
                "probe": probe.name,
                "execution": probe.execution,
                "max_abs": probe.max_abs,
                "max_rel": probe.max_rel,
                "noise": probe.noise,
                "float64_max_abs": probe.float64_max_abs,
            }
