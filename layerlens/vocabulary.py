"""The words of scenarios and reports, as types: verdicts, modes, statuses and the like."""

from __future__ import annotations

from typing import Literal

Verdict = Literal[
    "equivalent",
    "different",
    "shape_mismatch",
    "param_mismatch",
    "build_error",
    "inconclusive",
]
Mode = Literal["inference", "training"]
TransferMethod = Literal["auto", "by_order", "by_name", "reshape", "none"]
Status = Literal["pass", "fail", "error"]
Strength = Literal["certified", "tested", "weak"]
Execution = Literal["eager", "traced", "traced_dynamic"]
Mixes = Literal["none", "causal", "anti_causal", "window", "all", "reduces", "expands"]
#: What is done with a scenario: models compared, or their tables shown.
Command = Literal["compare", "summary"]
AlsoDiffers = Literal["mask", "gradients", "state", "losses", "dtype", "non_finite", "overflow"]
#: What a layer does with the mask that comes with its input: reads it (its result depends on it),
#: or does not; a mask that is not passed on ends there either way.
MaskUse = Literal["read", "ignored"]
#: What an output depends on beside its own sample's inputs: what a layer keeps from call to call,
#: the other samples of the batch, or a draw.
Beside = Literal["state", "batch", "chance"]
Change = Literal["same", "changed", "only_reference", "only_candidate"]
#: In what two lined-up layers differ.
Aspect = Literal[
    "type",
    "arguments",
    "inputs",
    "input_shape",
    "output_shape",
    "params",
    "weights",
    "mask",
    "mixes",
]

VERDICTS: tuple[Verdict, ...] = (
    "equivalent",
    "different",
    "shape_mismatch",
    "param_mismatch",
    "build_error",
    "inconclusive",
)
MODES: tuple[Mode, ...] = ("inference", "training")
TRANSFER_METHODS: tuple[TransferMethod, ...] = ("auto", "by_order", "by_name", "reshape", "none")
