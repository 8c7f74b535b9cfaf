"""A draw enters, a scenario of ordinary layers leaves, in a combination that nobody has tried.

Unlike the mutants these are meant to be built and run: what fails on them is a fault of the search,
the measuring or the explaining, not of the reader.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

Layer = dict[str, Any]
#: The shape of a sample without the batch: None where it is open.
Shape = list[int | None]
#: A layer, its arguments, and how it changes the rank of a sample.
Made = tuple[str, Layer, int]

ACTIVATIONS = ("relu", "tanh", "sigmoid", "softmax", "linear", "elu", "gelu", "hard_sigmoid")
PADDINGS = ("valid", "same")


def composed(draw: random.Random) -> dict[str, Any]:
    """Return a scenario: a chain of layers, and the same chain rewritten in one or two places."""
    shape, given = _input(draw)
    chain = _chain(draw, shape, embedded="dtype" in given)
    models: dict[str, Any] = {"one": chain, "other": _rewritten(draw, chain)}
    if draw.random() < 0.2:
        models["third"] = _rewritten(draw, models["other"])
    if draw.random() < 0.1:
        dtype = draw.choice(("float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64"))
        models = {name: {"layers": layers, "dtype": dtype} for name, layers in models.items()}
    scenario: dict[str, Any] = {"input": {"shape": shape, **given}, "models": models}
    if draw.random() < 0.4:
        scenario["modes"] = draw.choice((["training"], ["inference", "training"]))
    if draw.random() < 0.15:
        scenario["transfer"] = draw.choice(("by_order", "by_name", "reshape", "none"))
    if draw.random() < 0.1:
        scenario["tolerance"] = {"rtol": 1e-3, "atol": 1e-4}
    return scenario


def _input(draw: random.Random) -> tuple[Shape, dict[str, Any]]:
    sizes = [draw.randint(2, 6) for _ in range(3)]
    match draw.randrange(7):
        case 0 | 1:
            return [sizes[0]], {}
        case 2 | 3:
            return [sizes[0] + 2, sizes[1]], {}
        case 4:
            return [None, sizes[1]], {}
        case 5:
            return [4 + sizes[0], 4 + sizes[1], sizes[2]], {}
    return [sizes[0] + 1], {"dtype": "int32", "low": 0, "high": sizes[1] + 2}


def _chain(draw: random.Random, shape: Shape, *, embedded: bool) -> list[Layer]:
    """Return layers that fit onto each other by rank; Keras may still refuse their sizes."""
    rank, chain = len(shape), []
    if embedded:
        chain.append({"Embedding": {"input_dim": 9, "output_dim": 3, "mask_zero": _flag(draw)}})
        rank += 1
    for _ in range(draw.choice((1, 2, 2, 3, 4))):
        name, arguments, step = draw.choice((*_ANY, *_BY_RANK[rank], *_BY_RANK[rank]))(draw)
        chain.append({name: arguments})
        rank += step
    return chain


def _flag(draw: random.Random) -> bool:
    return draw.random() < 0.5


def _few(draw: random.Random, **choices: tuple[Any, ...]) -> Layer:
    """Return some of the arguments, each with one of its values."""
    return {name: draw.choice(values) for name, values in choices.items() if draw.random() < 0.4}


# --- layers by the rank of a sample ---------------------------------------------------------------

Maker = Callable[[random.Random], Made]


def _dense(draw: random.Random) -> Made:
    more = _few(draw, activation=ACTIVATIONS, use_bias=(False,), kernel_regularizer=("l2",))
    return "Dense", {"units": draw.randint(1, 5), **more}, 0


def _activation(draw: random.Random) -> Made:
    plain = ("ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "Identity", "UnitNormalization")
    name = draw.choice(("Activation", *plain))
    return name, {"activation": draw.choice(ACTIVATIONS)} if name == "Activation" else {}, 0


def _normalization(draw: random.Random) -> Made:
    name = draw.choice(("BatchNormalization", "LayerNormalization", "RMSNormalization"))
    more = {} if name.startswith("RMS") else _few(draw, center=(False,), scale=(False,))
    return name, more, 0


def _random_layer(draw: random.Random) -> Made:
    name = draw.choice(("Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout"))
    key = "stddev" if name == "GaussianNoise" else "rate"
    return name, {key: draw.choice((0.0, 0.3, 0.5)), **_few(draw, seed=(1, 2))}, 0


def _scaled(draw: random.Random) -> Made:
    return "Rescaling", {"scale": draw.choice((2.0, 0.1, -1.0)), **_few(draw, offset=(1.0,))}, 0


def _watched(draw: random.Random) -> Made:
    return "ActivityRegularization", {"l2": 0.01}, 0


def _repeated(draw: random.Random) -> Made:
    return "RepeatVector", {"n": draw.randint(1, 4)}, 1


def _masking(draw: random.Random) -> Made:
    return "Masking", _few(draw, mask_value=(0.0, 1.0)), 0


def _recurrent(draw: random.Random) -> Made:
    name = draw.choice(("GRU", "LSTM", "SimpleRNN"))
    keeps = _flag(draw)
    more = _few(
        draw,
        stateful=(True,),
        go_backwards=(True,),
        unroll=(True,),
        dropout=(0.2,),
        recurrent_dropout=(0.2,),
        activation=ACTIVATIONS,
    )
    layer = {"units": draw.randint(1, 4), "return_sequences": keeps, **more}
    if name == "GRU":
        layer |= _few(draw, reset_after=(False,))
    if draw.random() < 0.25:
        merge = _few(draw, merge_mode=("sum", "mul", "ave", "concat"))
        return "Bidirectional", {"layer": {name: layer}, **merge}, 0 if keeps else -1
    if draw.random() < 0.15:
        cell = {f"{name}Cell": {"units": layer["units"]}}
        return "RNN", {"cell": cell, "return_sequences": keeps}, 0 if keeps else -1
    return name, layer, 0 if keeps else -1


def _distributed(draw: random.Random) -> Made:
    name, layer, _ = draw.choice((_dense, _random_layer, _normalization, _activation))(draw)
    return "TimeDistributed", {"layer": {name: layer}}, 0


def _kernel(draw: random.Random, name: str) -> Layer:
    filters = {} if name.startswith("Depthwise") else {"filters": draw.randint(1, 4)}
    return {"kernel_size": draw.randint(1, 3), **filters}


def _over_steps(draw: random.Random) -> Made:
    name = draw.choice(("Conv1D", "SeparableConv1D", "DepthwiseConv1D"))
    layer = _kernel(draw, name)
    more = _few(draw, padding=PADDINGS, strides=(2,), dilation_rate=(2,), activation=ACTIVATIONS)
    if name != "Conv1D":
        more.pop("dilation_rate", None)
    return name, {**layer, **more}, 0


def _steps_moved(draw: random.Random) -> Made:
    match draw.randrange(6):
        case 0:
            return "ZeroPadding1D", {"padding": draw.randint(0, 2)}, 0
        case 1:
            return "Cropping1D", {"cropping": draw.randint(0, 1)}, 0
        case 2:
            return "UpSampling1D", {"size": 2}, 0
        case 3:
            return "Permute", {"dims": [2, 1]}, 0
        case 4:
            name = draw.choice(("MaxPooling1D", "AveragePooling1D"))
            return name, {"pool_size": 2, **_few(draw, padding=PADDINGS, strides=(1, 2))}, 0
    return "SpatialDropout1D", {"rate": 0.4}, 0


def _steps_joined(draw: random.Random) -> Made:
    return draw.choice(("GlobalMaxPooling1D", "GlobalAveragePooling1D", "Flatten")), {}, -1


def _over_pixels(draw: random.Random) -> Made:
    name = draw.choice(("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose"))
    layer = _kernel(draw, name)
    return name, {**layer, **_few(draw, padding=PADDINGS, strides=(2,), use_bias=(False,))}, 0


def _pixels_moved(draw: random.Random) -> Made:
    match draw.randrange(5):
        case 0:
            return "ZeroPadding2D", {"padding": draw.randint(0, 2)}, 0
        case 1:
            return "Cropping2D", {"cropping": draw.randint(0, 1)}, 0
        case 2:
            how = _few(draw, interpolation=("nearest", "bilinear"))
            return "UpSampling2D", {"size": 2, **how}, 0
        case 3:
            return (
                draw.choice(("MaxPooling2D", "AveragePooling2D")),
                _few(draw, padding=PADDINGS),
                0,
            )
    return "SpatialDropout2D", {"rate": 0.4}, 0


def _pixels_joined(draw: random.Random) -> Made:
    return draw.choice(("GlobalMaxPooling2D", "GlobalAveragePooling2D", "Flatten")), {}, -2


def _rows_read(draw: random.Random) -> Made:
    keeps = _flag(draw)
    layer = {"filters": 2, "kernel_size": 2, "return_sequences": keeps}
    return "ConvLSTM1D", {**layer, **_few(draw, stateful=(True,))}, 0 if keeps else -1


_ANY: tuple[Maker, ...] = (_dense, _activation, _normalization, _random_layer, _scaled, _watched)
_BY_RANK: dict[int, tuple[Maker, ...]] = {
    1: (_dense, _dense, _activation, _repeated),
    2: (_recurrent, _recurrent, _distributed, _over_steps, _steps_moved, _steps_joined, _masking),
    3: (_over_pixels, _over_pixels, _pixels_moved, _pixels_joined, _distributed, _rows_read),
}


# --- what people do to a chain -------------------------------------------------------------------


def _rewritten(draw: random.Random, chain: list[Layer]) -> list[Layer]:
    """Return the chain after one or two changes, harmless or not."""
    chain = deepcopy(chain)
    for _ in range(draw.choice((0, 1, 1, 2))):
        place = draw.randrange(len(chain))
        ((name, arguments),) = chain[place].items()
        match draw.randrange(9):
            case 0:
                chain.insert(place, {"Activation": {"activation": "linear"}})
            case 1:
                chain.insert(draw.randrange(len(chain) + 1), {"Dropout": {"rate": 0.3}})
            case 2 if "activation" in arguments and name != "Activation":
                split = {"Activation": {"activation": arguments.pop("activation")}}
                chain.insert(place + 1, split)
            case 3 if name == "TimeDistributed":
                chain[place] = arguments["layer"]
            case 3 if name == "Dense":
                chain[place] = {"TimeDistributed": {"layer": {name: arguments}}}
            case 4 if len(chain) > 1:
                del chain[place]
            case 5 if len(chain) > 1:
                other = draw.randrange(len(chain))
                chain[place], chain[other] = chain[other], chain[place]
            case 6:
                arguments |= _few(draw, stateful=(True, False)) if "stateful" in arguments else {}
                arguments |= {"trainable": False}
            case 7:
                numbers = [key for key, value in arguments.items() if isinstance(value, float)]
                for key in numbers:
                    arguments[key] = arguments[key] / 2
            case _:
                chain.append(draw.choice(({"ReLU": {}}, {"Identity": {}}, {"Softmax": {}})))
    return chain
