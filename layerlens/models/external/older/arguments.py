"""The arguments of layers as Keras 1 and 2 wrote them, and what they are called in Keras 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from layerlens.models.external.older.record import MalformedError, Place, Record
from layerlens.scenario.keras_catalog import layer_names, signature
from layerlens.scenario.older_names import (
    CONV_LSTM,
    GATED,
    OF_THE_INPUT,
    RENAMED_ARGUMENTS,
)

_Arguments = dict[str, Any]

#: Layers of images whose configuration in Keras 1 has no `dim_ordering`.
_SILENT_ON_AXES = frozenset(
    f"{kind}{axes}D"
    for kind in ("UpSampling", "ZeroPadding", "Cropping", "SpatialDropout")
    for axes in (2, 3)
)
_AXES_ORDER = {"tf": "channels_last", "th": "channels_first", "channels_last": "channels_last"}
_AXES_ORDER["channels_first"] = "channels_first"

_ANY = object()
#: Arguments that Keras 3 has not, with the values that have no effect on any result.
_WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {
    "implementation": (_ANY,),
    "consume_less": (_ANY,),
    "time_major": (False,),
    "groups": (1,),
    "dynamic": (False, None),
    "ragged": (False, None),
    "weights": (None,),
    "fused": (_ANY,),
    "renorm": (False, None),
    "renorm_clipping": (None,),
    "renorm_momentum": (_ANY,),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "causal": (False,),
    "input_spec": (None,),
    "experimental_autocast": (_ANY,),
    "experimental_run_tf_function": (_ANY,),
    "rng_type": (_ANY,),
    "softmax_robust_masking": (False,),
    "return_runtime": (False,),
    "expects_training_arg": (_ANY,),
    "query_shape": (_ANY,),
    "key_shape": (_ANY,),
    "value_shape": (_ANY,),
}
#: Tells in a note why an argument goes.
_NO_EFFECT = "it has no effect on the result"


def translate_arguments(
    kind: str, given: Mapping[str, Any], layer: str, place: Place, record: Record
) -> _Arguments:
    """Return the arguments of one layer under the names and in the form of Keras 3."""
    arguments = dict(given)
    _gather_kernel_size(arguments, record)
    for old, new in RENAMED_ARGUMENTS.get(kind, {}).items():
        if old not in arguments or new == old:
            continue
        value = arguments.pop(old)
        if new in arguments:
            raise MalformedError((*place, old), f"both `{old}` and `{new}` are given")
        arguments[new] = value
        if old not in ("batch_input_shape",):
            record.translated(f"`{old}`", f"`{new}`")
    for name in [name for name in OF_THE_INPUT if name in arguments]:
        if name != "input_dim" or kind != "Embedding":
            del arguments[name]
    for change in _CHANGES.get(kind, ()):
        change(arguments, record)
    if isinstance(arguments.get("data_format"), str):
        arguments["data_format"] = _AXES_ORDER.get(
            arguments["data_format"], arguments["data_format"]
        )
    _drop_without_effect(kind, arguments, layer, place, record)
    return arguments


def axes_order(config: Any) -> str | None:
    """Return the order of axes on which all layers of a description agree; None if they do not."""
    found = set(_orders(config))
    return found.pop() if len(found) == 1 else None


def put_axes_order(
    kind: str, arguments: _Arguments, order: str | None, layer: str, record: Record
) -> None:
    """Give layers of images, which say no order in Keras 1, that of the layers around them."""
    if kind == "Flatten":
        arguments.setdefault("data_format", "channels_last")  # no axes moved before Keras 2.2
        return
    if kind not in _SILENT_ON_AXES or "data_format" in arguments:
        return
    if order is None and puts_channels_first(record.version):
        order = "channels_first"
    arguments["data_format"] = order or "channels_last"
    record.assume(f"`data_format: {arguments['data_format']}` (not in the file)", layer)


def puts_channels_first(version: str | None) -> bool:
    """Return whether Keras of this version put channels first unless told otherwise."""
    return version is not None and version.startswith("1.0.")


def _orders(config: Any) -> Any:
    if isinstance(config, (list, tuple)):
        for item in config:
            yield from _orders(item)
    elif isinstance(config, Mapping):
        for key, value in config.items():
            if key in ("dim_ordering", "data_format") and isinstance(value, str):
                yield _AXES_ORDER.get(value)
            yield from _orders(value)


def _drop_without_effect(
    kind: str, arguments: _Arguments, layer: str, place: Place, record: Record
) -> None:
    if kind not in layer_names():
        return
    known = signature(kind)
    for name in list(arguments):
        argument = known.argument(name)
        if argument is not None and not argument.legacy:
            continue
        allowed = _WITHOUT_EFFECT.get(name, ())
        if (name, kind) in _UNUSED or _ANY in allowed or arguments[name] in allowed:
            del arguments[name]
            record.left_out(f"`{name}`", _NO_EFFECT)
        elif argument is None and not known.accepts_any:
            record.refuse(
                layer,
                f"is a `{kind}` with `{name}: {str(arguments[name])[:40]}`, an argument "
                f"that Keras 3 does not have",
                (*place, name),
                f"replace `{name}` with layers of Keras 3",
            )
            del arguments[name]


#: Arguments that the classes inherited and never used.
_UNUSED = frozenset({("trainable", "InputLayer")}) | frozenset(
    (f"kernel_{part}", kind)
    for part in ("initializer", "regularizer", "constraint")
    for kind in ("SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D")
)


# --- single changes -------------------------------------------------------------------------------


def _gather_kernel_size(arguments: _Arguments, record: Record) -> None:
    for parts in (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3")):
        if all(part in arguments for part in parts):
            arguments["kernel_size"] = [arguments.pop(part) for part in parts]
            record.translated(", ".join(f"`{part}`" for part in parts), "`kernel_size`")


def _gather_padding(arguments: _Arguments, record: Record) -> None:
    """Keras 1 wrote the padding of each side under a name of its own, or as one flat list."""
    name = "padding" if "padding" in arguments else "cropping"
    value = arguments.get(name)
    if isinstance(value, Mapping):
        sides = ("left", "right") if "left_pad" in value and "top_pad" not in value else None
        flat = [value.get(f"{side}_pad", 0) for side in sides or ("top", "bottom", "left", "right")]
        arguments[name] = flat if sides else [flat[:2], flat[2:]]
        record.translated(f"`{name}` by the names of sides", f"`{name}`")
    elif isinstance(value, list) and len(value) == 4:
        arguments[name] = [value[:2], value[2:]]
        record.translated(f"`{name}` as one list of four", f"`{name}`")


def _gather_separable(arguments: _Arguments, record: Record) -> None:
    if "init" in arguments:
        value = arguments.pop("init")
        arguments["depthwise_initializer"] = arguments["pointwise_initializer"] = value
        record.translated("`init`", "`depthwise_initializer`, `pointwise_initializer`")


def _forget_bias(arguments: _Arguments, record: Record) -> None:
    if "forget_bias_init" in arguments:
        value = arguments.pop("forget_bias_init")
        arguments["unit_forget_bias"] = value in ("one", "ones")
        record.translated(f"`forget_bias_init: {str(value)[:40]}`", "`unit_forget_bias`")


def _one_axis(arguments: _Arguments, record: Record) -> None:
    axis = arguments.get("axis")
    if isinstance(axis, (list, tuple)) and len(axis) == 1:
        arguments["axis"] = axis[0]
        record.translated("`axis` as a list of one", "`axis`")


def _multi_hot(arguments: _Arguments, record: Record) -> None:
    if arguments.get("output_mode") == "binary":
        arguments["output_mode"] = "multi_hot"
        record.translated("`output_mode: binary`", "`output_mode: multi_hot`")


_CHANGES: Mapping[str, tuple[Callable[[_Arguments, Record], None], ...]] = {
    **dict.fromkeys([f"ZeroPadding{axes}D" for axes in (1, 2)], (_gather_padding,)),
    "Cropping2D": (_gather_padding,),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), (_gather_separable,)),
    **dict.fromkeys((*GATED, *CONV_LSTM), (_forget_bias,)),
    "BatchNormalization": (_one_axis,),
    **dict.fromkeys(
        ("CategoryEncoding", "TextVectorization", "StringLookup", "IntegerLookup"), (_multi_hot,)
    ),
}
