"""The remedy for errors that no rule explains: the inputs that the layer takes."""

from __future__ import annotations

import re

from layerlens.models.keras_errors.refusal import Refusal
from layerlens.plain.shapes import shape_text

#: Pattern of class names → the inputs that these layers take, per sample.
_ACCEPTED_INPUTS: tuple[tuple[str, str], ...] = (
    (r"(Conv)?LSTM[1-3]D$|ConvLSTM", "a sequence of images or volumes, steps first"),
    (r"(LSTM|GRU|SimpleRNN|RNN|Bidirectional)$", "a sequence, (steps, features)"),
    (
        r"TimeDistributed$",
        "a sequence, (steps, ...), with the input of its layer at each step",
    ),
    (r"RepeatVector$", "one vector, (features)"),
    (r"Embedding$", "integers from 0 to input_dim - 1, of any shape"),
    (
        r"MultiHeadAttention$|GroupQueryAttention$",
        "query and value (and key), (steps, features) each",
    ),
    (r"(Additive)?Attention$", "a list of query and value (and key), (steps, features) each"),
    (
        r"^(Random[A-Z]|RandAugment|AugMix|AutoContrast|CenterCrop|Resizing|Solarization|Equaliz"
        r"|ContrastLimited)",
        "an image, (rows, columns, channels)",
    ),
    (r"(Add|Subtract|Multiply|Average|Maximum|Minimum)$", "several inputs whose shapes agree"),
    (r"Concatenate$", "several inputs whose shapes agree on all axes but one"),
    (r"Dot$", "two inputs that agree in size on the axes multiplied"),
    (r"(?<!Conv)1D(Transpose)?$", "a sequence, (steps, channels)"),
    (r"2D(Transpose)?$", "an image, (rows, columns, channels)"),
    (r"3D(Transpose)?$", "a volume, (depth, rows, columns, channels)"),
    (r"Dense$", "an input with at least one axis; it changes the last one"),
)


def accepted_input(layer_type: str) -> str | None:
    """Return the input that a layer of this class takes, per sample, in words."""
    return next(
        (words for pattern, words in _ACCEPTED_INPUTS if re.search(pattern, layer_type)), None
    )


def describe_accepted_input(refusal: Refusal) -> str:
    """Return a hint with the input that the layer takes and the shapes that it received."""
    words = accepted_input(refusal.type)
    received = " and ".join(shape_text(shape) for shape in refusal.shapes)
    expected = (
        f"`{refusal.type}` takes {words}" if words else f"check the input of `{refusal.layer}`"
    )
    here = f"; here it got {received}" if received else ""
    arguments = f" (`layerlens layers {refusal.type}` lists its arguments)" if refusal.type else ""
    return f"{expected}{here}{arguments}"
