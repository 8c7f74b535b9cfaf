"""Make mutants of an equivalent pair, each with one change that should make it differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from layerlens.scenario.spec import (
    LayerSpec,
    ModelSpec,
    NodeSpec,
    Scenario,
    inner_layers,
    with_inner_layer,
)

RECURRENT = {"SimpleRNN", "LSTM", "GRU"}
CELLS = {"SimpleRNNCell", "LSTMCell", "GRUCell"}
CONVOLUTIONS = {
    f"{kind}{n}D" for kind in ("Conv", "DepthwiseConv", "SeparableConv") for n in (1, 2, 3)
}
ATTENTION = {"Attention", "AdditiveAttention", "GroupQueryAttention", "MultiHeadAttention"}
ACTIVATED = {"Dense", "EinsumDense", *CONVOLUTIONS}
EPSILON = {"BatchNormalization": 1e-3, "LayerNormalization": 1e-3, "GroupNormalization": 1e-3}

#: The replacement of an activation; it differs on the usual range of values.
OTHER_ACTIVATION = {None: "tanh", "linear": "tanh", "relu": "elu", "tanh": "linear"}
OTHER_TYPE = {
    "GlobalMaxPooling1D": "GlobalAveragePooling1D",
    "GlobalAveragePooling1D": "GlobalMaxPooling1D",
    "GlobalMaxPooling2D": "GlobalAveragePooling2D",
    "GlobalAveragePooling2D": "GlobalMaxPooling2D",
    "MaxPooling1D": "AveragePooling1D",
    "AveragePooling1D": "MaxPooling1D",
    "MaxPooling2D": "AveragePooling2D",
    "AveragePooling2D": "MaxPooling2D",
    "Add": "Average",
    "Average": "Add",
    "Maximum": "Minimum",
    "Multiply": "Add",
    "Subtract": "Add",
}
OTHER_MERGE = {"sum": "ave", "ave": "sum", "mul": "sum", "concat": "sum", None: "sum"}

Change = tuple[str, LayerSpec]

#: Pair → changes that leave the function the same because of the layers around: a slope below zero
#: where no value is below zero, an order of steps where all steps are equal.
HARMLESS: dict[str, tuple[str, ...]] = {
    # Only the states of these layers are used.
    "call_arguments/states_of_an_encoder_by_name": ("enc: GRU.return_sequences → True",),
    "states/hidden_state_is_the_last_step": ("rnn: LSTM.return_sequences → True",),
    "states/state_of_a_gru_is_its_output": ("rnn: GRU.return_sequences → True",),
    "states/decoder_of_a_gru_and_of_its_cell": ("enc: GRU.return_sequences → True",),
    "states/hidden_states_of_both_directions": (
        "rnn: Bidirectional.merge_mode → sum",
        "rnn: Bidirectional(LSTM.return_sequences → True)",
    ),
    "states/chunks_of_one_step": ("SimpleRNN.go_backwards → True (layer 0)",),
    # The condition leaves out the inputs that would show them.
    "conditions/elu_of_positive_numbers": ("ReLU.negative_slope → 0.1 (layer 0)",),
    "conditions/backward_over_one_step": ("GRU.go_backwards → False (layer 0)",),
    "conditions/maximum_or_mean_of_one_step": (
        "GlobalAveragePooling1D → GlobalMaxPooling1D (layer 0)",
    ),
    # A single step has no later one, which a mask could hide.
    "attention/heads_over_a_single_step": (
        "out: call of MultiHeadAttention: use_causal_mask → True",
    ),
    "call_arguments/causal_mask_of_one_step": (
        "out: call of MultiHeadAttention: use_causal_mask → True",
    ),
    # The bias is zero.
    "carried_over/a_bias_that_stays_zero": ("Dense.use_bias → False (layer 0)",),
    # The offset is subtracted again, and a unit norm ignores a factor.
    "rounding/an_offset_taken_off_before_a_unit_norm": ("Rescaling.scale → 1.001 (layer 0)",),
    "activations/relu_twice_is_relu": (
        "ReLU.negative_slope → 0.1 (layer 0)",
        "Activation.activation → elu (layer 1)",
    ),
    "activations/elu_after_relu_is_relu": ("ELU.alpha → 0.5 (layer 1)",),
    "activations/elu_before_relu": ("ELU.alpha → 0.5 (layer 0)",),
    "activations/relu_after_sigmoid": ("ReLU.negative_slope → 0.1 (layer 1)",),
    "activations/relu6_after_sigmoid": ("Activation.activation → linear (layer 1)",),
    "activations/relu_after_softplus": ("ReLU.negative_slope → 0.1 (layer 1)",),
    "activations/hard_tanh_after_tanh": ("Activation.activation → linear (layer 1)",),
    "convolutions/dilated_on_a_single_step": ("Conv1D.dilation_rate → 1 (layer 0)",),
    "integers/relu_on_counts": ("ReLU.negative_slope → 0.1 (layer 1)",),
    "integers/relu6_on_small_counts": ("Activation.activation → linear (layer 1)",),
    "integers/relu_behind_an_encoding": ("ReLU.negative_slope → 0.1 (layer 1)",),
    "integers/discretization_of_integers_between_boundaries": (
        "Rescaling.scale → 1.001 (layer 0)",
    ),
    "integers/hashing_into_one_bin": ("output scaled by 1.001",),
    "merging/a_branch_that_counts_for_nothing": ("idle: Dense.activation → linear",),
    "pooling/max_against_average_of_one": ("AveragePooling1D → MaxPooling1D (layer 0)",),
    "pooling/max_against_average_of_constant_rows": (
        "GlobalAveragePooling1D → GlobalMaxPooling1D (layer 1)",
    ),
    "recurrent/gru_reset_after_in_the_first_step": ("GRU.go_backwards → True (layer 0)",),
    "recurrent/go_backwards_over_one_step": ("GRU.go_backwards → False (layer 0)",),
    "recurrent/go_backwards_over_repeated_steps": ("LSTM.go_backwards → False (layer 1)",),
    "recurrent/encoder_decoder_plain_dense": ("LSTM.go_backwards → True (layer 2)",),
    "recurrent/relu_behind_a_relu_rnn": ("ReLU.negative_slope → 0.1 (layer 1)",),
    "reshaping/upsampling_of_a_single_pixel": ("UpSampling2D.interpolation → nearest (layer 0)",),
    "reshaping/upsampling_then_pooling": ("MaxPooling1D → AveragePooling1D (layer 1)",),
    "rounding/added_and_taken_off": ("large: Rescaling.scale → 1000.9999999999999",),
}


def mutants_of(scenario: Scenario, candidate: str) -> Iterator[tuple[str, Scenario]]:
    """Yield the changes of a candidate, each with a scenario of the reference and the mutant."""
    for change, mutant in mutated_models(scenario.model(candidate)):
        yield (
            change,
            replace(
                scenario,
                models=(scenario.model(scenario.reference), mutant),
                fit=None,
                tolerance=None,
                expect=None,
            ),
        )


def mutated_models(model: ModelSpec) -> Iterator[tuple[str, ModelSpec]]:
    if model.form == "layers":
        for position, layer in enumerate(model.layers):
            for change, other in changed_layers(layer):
                layers = (*model.layers[:position], other, *model.layers[position + 1 :])
                yield f"{change} (layer {position})", replace(model, layers=layers)
        scaled = LayerSpec("Rescaling", {"scale": 1.001})
        yield "output scaled by 1.001", replace(model, layers=(*model.layers, scaled))
    elif model.form == "graph":
        for position, node in enumerate(model.nodes):
            if node.layer is None:
                continue
            for change, other in changed_layers(node.layer):
                changed: NodeSpec = replace(node, layer=other)
                nodes = (*model.nodes[:position], changed, *model.nodes[position + 1 :])
                yield f"{node.name}: {change}", replace(model, nodes=nodes)


def changed_layers(layer: LayerSpec) -> Iterator[Change]:
    """Yield the layer with one argument, its type or an inner layer changed."""
    yield from changed_arguments(layer)
    if layer.type in OTHER_TYPE:
        other = OTHER_TYPE[layer.type]
        yield f"{layer.type} → {other}", replace(layer, type=other)
    for name, value in layer.arguments.items():
        if isinstance(value, LayerSpec):
            for change, inner in changed_layers(value):
                yield f"{layer.type}({change})", with_argument(layer, name, inner)
    for key, held in inner_layers(layer).items():
        for change, inner in changed_layers(held):
            yield f"{layer.type}.{key}({change})", with_inner_layer(layer, key, inner)
    if layer.type in ATTENTION:
        causal = not layer.call.get("use_causal_mask", False)
        changed = replace(layer, call={**layer.call, "use_causal_mask": causal})
        yield f"call of {layer.type}: use_causal_mask → {causal}", changed


def changed_arguments(layer: LayerSpec) -> Iterator[Change]:
    given = layer.arguments

    def set_to(name: str, value: Any) -> Change:
        return f"{layer.type}.{name} → {value}", with_argument(layer, name, value)

    if layer.type in ACTIVATED or layer.type == "Activation":
        yield set_to("activation", OTHER_ACTIVATION.get(given.get("activation"), "linear"))
    if layer.type in RECURRENT | CELLS:
        default = given.get("activation", "tanh")
        yield set_to("activation", OTHER_ACTIVATION.get(default, "linear"))
    if layer.type in (RECURRENT | CELLS) - {"SimpleRNN", "SimpleRNNCell"}:
        gate = given.get("recurrent_activation", "sigmoid")
        yield set_to("recurrent_activation", "sigmoid" if gate != "sigmoid" else "hard_sigmoid")
    if layer.type in RECURRENT:
        yield set_to("go_backwards", not given.get("go_backwards", False))
        yield set_to("return_sequences", not given.get("return_sequences", False))
    if layer.type in ACTIVATED | RECURRENT | CELLS and layer.type != "EinsumDense":
        yield set_to("use_bias", not given.get("use_bias", True))
    if layer.type in CONVOLUTIONS and wide(given.get("kernel_size")):
        padding = given.get("padding", "valid")
        yield set_to("padding", {"valid": "same", "same": "valid", "causal": "same"}[padding])
        if padding != "valid" and not wide(given.get("strides")):
            yield set_to("dilation_rate", 1 if wide(given.get("dilation_rate")) else 2)
    if layer.type in EPSILON:
        yield set_to("epsilon", 1000 * given.get("epsilon", EPSILON[layer.type]))
        yield set_to("center", not given.get("center", True))
    if layer.type == "LeakyReLU":
        yield set_to("negative_slope", given.get("negative_slope", 0.3) / 2)
    if layer.type == "ELU":
        yield set_to("alpha", given.get("alpha", 1.0) / 2)
    if layer.type == "ReLU":
        yield set_to("negative_slope", given.get("negative_slope", 0.0) + 0.1)
    if layer.type == "Bidirectional":
        yield set_to("merge_mode", OTHER_MERGE[given.get("merge_mode", "concat")])
    if layer.type.startswith("UpSampling2D"):
        nearest = given.get("interpolation", "nearest") == "nearest"
        yield set_to("interpolation", "bilinear" if nearest else "nearest")
    if layer.type == "Rescaling" and given["scale"] != 0:
        yield set_to("scale", given["scale"] * 1.001)


def with_argument(layer: LayerSpec, name: str, value: Any) -> LayerSpec:
    return replace(layer, arguments={**layer.arguments, name: value})


def wide(size: Any) -> bool:
    """Return whether a kernel size, stride or dilation is greater than one along some axis."""
    sizes = size if isinstance(size, (list, tuple)) else [size]
    return any(isinstance(n, int) and n > 1 for n in sizes)
