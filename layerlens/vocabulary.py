"""The fixed values in scenarios and reports: verdicts, modes, statuses and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Verdict = Literal[
    "equivalent",
    "different",
    "shape_mismatch",
    "param_mismatch",
    "build_error",
    "within_quantization",
    "inconclusive",
]
Mode = Literal["inference", "training"]
#: The dtype of an input.
Dtype = Literal[
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "string",
]
#: A Keras dtype policy.
Policy = Literal["float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"]
TransferMethod = Literal["auto", "by_order", "by_name", "reshape", "none"]
#: How weights were paired, whatever was asked for.
DoneMethod = Literal["by_order", "by_name", "reshape", "call_order", "mapping", "none"]
#: How the weights that a mapping leaves over are paired.
RestMethod = Literal["auto", "by_name", "none"]
#: What is compared of models with weights: the function alone, with the reference's weights carried
#: over, or also the weights that the models were saved with.
Weights = Literal["carried", "saved"]
#: A scenario that expects nothing is `unchecked`; it never counts as passed.
Status = Literal["pass", "fail", "error", "unchecked"]
Strength = Literal["weak", "tested", "certified"]
CertificateMethod = Literal["identical", "polynomial", "graph"]
#: How much may be spent on a pair.
Effort = Literal["quick", "normal", "thorough"]
#: How a verdict on outputs was reached: by a proof that a few runs confirm, by the layers of large
#: models called one by one, by a few probes, by all of them, by those of a recording, or by those
#: of the model that an exported file is compared with.
Plan = Literal["proof", "layer_by_layer", "few_probes", "all_probes", "recording", "exported"]
Execution = Literal["eager", "traced", "traced_dynamic"]
Mixes = Literal["none", "causal", "anti_causal", "window", "all", "reduces", "expands"]
#: The task of a run: compare models, or show their layer tables.
Command = Literal["compare", "summary"]
AlsoDiffers = Literal[
    "mask", "gradients", "state", "losses", "dtype", "non_finite", "overflow", "weights"
]
#: How the weights of a model can be reached: set at will, by name, or as they were saved only.
WeightAccess = Literal["open", "named", "frozen"]
#: Where float64 results come from: computed in float64, by a wider copy of the model, or nowhere.
Float64Form = Literal["native", "widened", "none"]
#: Whether the output of a layer depends on the mask of its input.
MaskUse = Literal["read", "ignored"]
#: What an output depends on besides the inputs of its own sample: state kept between calls, other
#: samples of the batch, or random numbers.
OtherInfluence = Literal["state", "batch", "chance"]
Change = Literal["same", "changed", "only_reference", "only_candidate"]
#: The aspects in which two aligned layers can differ.
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
#: What else differs → the words for it; the others are words already.
ALSO_DIFFERS_WORDS: Mapping[AlsoDiffers, str] = {
    "mask": "the mask passed on",
    "non_finite": "the handling of NaN and infinities",
    "overflow": "an overflow of a dtype",
    "state": "the final state",
    "dtype": "the dtype",
    "weights": "the values of the weights",
}

DTYPES: tuple[Dtype, ...] = get_args(Dtype)
POLICIES: tuple[Policy, ...] = get_args(Policy)
VERDICTS: tuple[Verdict, ...] = (
    "equivalent",
    "different",
    "shape_mismatch",
    "param_mismatch",
    "build_error",
    "within_quantization",
    "inconclusive",
)
WEIGHTS: tuple[Weights, ...] = ("saved", "carried")
STATUSES: tuple[Status, ...] = ("pass", "fail", "error", "unchecked")
#: From the weakest to the strongest.
STRENGTHS: tuple[Strength, ...] = ("weak", "tested", "certified")
EFFORTS: tuple[Effort, ...] = ("quick", "normal", "thorough")
MODES: tuple[Mode, ...] = ("inference", "training")
TRANSFER_METHODS: tuple[TransferMethod, ...] = ("auto", "by_order", "by_name", "reshape", "none")
REST_METHODS: tuple[RestMethod, ...] = ("auto", "by_name", "none")
