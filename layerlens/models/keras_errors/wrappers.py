"""Remedies for wrappers around a layer or cell that they do not accept."""

from __future__ import annotations

from typing import Any

from layerlens.models.keras_errors.refusal import Refusal, Remedy, Rule
from layerlens.models.keras_errors.text import listed
from layerlens.models.keras_errors.time_steps import RECURRENT_LAYERS
from layerlens.scenario.spec import LayerSpec

_CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells")


def not_recurrent(refusal: Refusal) -> str | None:
    """Bidirectional around a layer that is not recurrent, or two layers that do not match."""
    if refusal.type != "Bidirectional":
        return None
    inner = refusal.inner
    if inner is not None and inner.type not in (*RECURRENT_LAYERS, "ConvLSTM1D", "ConvLSTM2D"):
        if "go_backwards" in refusal.reason or "return_sequences" in refusal.reason:
            return (
                f"`Bidirectional` wraps {listed(RECURRENT_LAYERS)}, not `{inner.type}`, which has "
                f"no direction; use `{inner.type}` itself"
            )
        return None
    if "different `go_backwards`" in refusal.reason:
        return (
            "remove `backward_layer` to use a mirrored copy, or set `go_backwards: true` on one of "
            "the two"
        )
    match = refusal.find(r"same value for attribute \"(\w+)\", got \"(\w+)\"")
    if match:
        value = match[2].lower() if match[2] in ("True", "False") else match[2]
        return (
            f"give both layers the same `{match[1]}`: set `{match[1]}: {value}` on `backward_layer`"
        )
    return None


def not_a_cell(refusal: Refusal) -> str | None:
    """RNN or StackedRNNCells of layers, which process all steps, not cells, which process one."""
    if refusal.type not in ("RNN", "StackedRNNCells"):
        return None
    cells = refusal.arguments.get("cell", refusal.arguments.get("cells"))
    wrong = next((spec for spec in _specs(cells) if spec.type not in _CELLS), None)
    if wrong is not None:
        cell = f"{wrong.type}Cell"
        if cell in _CELLS:
            return (
                f"`RNN` takes cells, which compute one step, but `{wrong.type}` computes "
                f"all steps; use `{cell}` instead, or `{wrong.type}` without `RNN`"
            )
        if "state_size" in refusal.reason:
            return f"`RNN` takes cells, {listed(_CELLS)}, not `{wrong.type}`"
        return None
    if "should have a `call` method" in refusal.reason:
        return f"`RNN` takes a cell, such as `cell: {{LSTMCell: {{units: {_units(cells)}}}}}`"
    return None


def _specs(cells: Any) -> list[LayerSpec]:
    """Return the cells, with those inside StackedRNNCells."""
    items = cells if isinstance(cells, (list, tuple)) else [cells]
    specs = [item for item in items if isinstance(item, LayerSpec)]
    nested = [_specs(spec.arguments.get("cells")) for spec in specs if spec.arguments.get("cells")]
    return [*specs, *(spec for group in nested for spec in group)]


def _units(cells: Any) -> int:
    return cells if isinstance(cells, int) and cells > 0 else 8


def no_kernel(refusal: Refusal) -> str | None:
    if refusal.type != "SpectralNormalization" or "nor 'embeddings'" not in refusal.reason:
        return None
    inner = refusal.inner
    name = f", not `{inner.type}`" if inner else ""
    return f"`SpectralNormalization` wraps a layer with a kernel, such as `Dense` or `Conv2D`{name}"


def several_outputs(refusal: Refusal) -> Remedy | None:
    """TimeDistributed around a layer or model that has more than one output."""
    inner = refusal.inner
    if refusal.type != "TimeDistributed" or inner is None:
        return None
    if not refusal.find(r"Cannot convert '.*' to a shape|'(list|tuple)' object has no attribute"):
        return None
    return Remedy(
        "join the outputs inside it, with `Concatenate` for example; or wrap one model for each "
        "output",
        f"`TimeDistributed` takes a layer with one output; this `{inner.type}` has several",
    )


#: These apply before any rule for the wrapped layer.
WRAPPER_RULES: tuple[Rule, ...] = (not_a_cell, not_recurrent, no_kernel, several_outputs)
