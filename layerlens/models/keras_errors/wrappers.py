"""Remedies for what a wrapper holds: directions, cells, kernels."""

from __future__ import annotations

from typing import Any

from layerlens.models.keras_errors.refusal import Refusal, Rule
from layerlens.models.keras_errors.text import listed
from layerlens.scenario.spec import LayerSpec

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN")
_CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells")


def recurrence_held(refusal: Refusal) -> str | None:
    """What Bidirectional holds has to be recurrent, and its two layers a pair."""
    if refusal.type != "Bidirectional":
        return None
    inner = refusal.inner
    if inner is not None and inner.type not in (*_RECURRENT, "ConvLSTM1D", "ConvLSTM2D"):
        if "go_backwards" in refusal.reason or "return_sequences" in refusal.reason:
            return (
                f"`Bidirectional` holds {listed(_RECURRENT)}, not `{inner.type}`, which has no "
                f"direction; use `{inner.type}` itself"
            )
        return None
    if "different `go_backwards`" in refusal.reason:
        return (
            "leave `backward_layer` out for a mirrored copy, or set `go_backwards: true` on one of "
            "the two"
        )
    match = refusal.find(r"same value for attribute \"(\w+)\", got \"(\w+)\"")
    if match:
        value = match[2].lower() if match[2] in ("True", "False") else match[2]
        return (
            f"give both layers the same `{match[1]}`: set `{match[1]}: {value}` on `backward_layer`"
        )
    return None


def cell_wanted(refusal: Refusal) -> str | None:
    """RNN and StackedRNNCells hold cells, which do one step, not layers, which do them all."""
    if refusal.type not in ("RNN", "StackedRNNCells"):
        return None
    held = refusal.arguments.get("cell", refusal.arguments.get("cells"))
    wrong = next((spec for spec in _specs(held) if spec.type not in _CELLS), None)
    if wrong is not None:
        cell = f"{wrong.type}Cell"
        if cell in _CELLS:
            return (
                f"`RNN` holds cells, which do one step, and `{wrong.type}` does them all; use "
                f"`{cell}` in its place, or `{wrong.type}` without `RNN`"
            )
        if "state_size" in refusal.reason:
            return f"`RNN` holds cells, {listed(_CELLS)}, not `{wrong.type}`"
        return None
    if "should have a `call` method" in refusal.reason:
        return f"`RNN` holds a cell, such as `cell: {{LSTMCell: {{units: {_units(held)}}}}}`"
    return None


def _specs(held: Any) -> list[LayerSpec]:
    """The cells held, those inside StackedRNNCells too."""
    items = held if isinstance(held, (list, tuple)) else [held]
    specs = [item for item in items if isinstance(item, LayerSpec)]
    nested = [_specs(spec.arguments.get("cells")) for spec in specs if spec.arguments.get("cells")]
    return [*specs, *(spec for group in nested for spec in group)]


def _units(held: Any) -> int:
    return held if isinstance(held, int) and held > 0 else 8


def normalized_kernel(refusal: Refusal) -> str | None:
    if refusal.type != "SpectralNormalization" or "nor 'embeddings'" not in refusal.reason:
        return None
    inner = refusal.inner
    name = f", not `{inner.type}`" if inner else ""
    return f"`SpectralNormalization` holds a layer with a kernel, such as `Dense` or `Conv2D`{name}"


#: These look before the layer that is held is looked at itself.
HOLDING_RULES: tuple[Rule, ...] = (cell_wanted, recurrence_held, normalized_kernel)
