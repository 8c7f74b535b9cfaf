"""Say what a layer takes, for errors that no rule knows."""

from __future__ import annotations

import re

from layerlens.models.keras_errors.refusal import Refusal
from layerlens.plain.shapes import shape_text

#: What families of layers take, batch axis left out.
_TAKES: tuple[tuple[str, str], ...] = (
    (r"(Conv)?LSTM[1-3]D$|ConvLSTM", "a sequence of images or volumes, steps first"),
    (r"(LSTM|GRU|SimpleRNN|RNN|Bidirectional)$", "a sequence, (steps, features)"),
    (r"TimeDistributed$", "a sequence, (steps, ...), whatever its layer takes at each step"),
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
    (r"Dense$", "anything with at least one axis, of which it changes the last"),
)


def takes(layer_type: str) -> str | None:
    """Return in words what a layer of this class takes, per sample."""
    return next((words for pattern, words in _TAKES if re.search(pattern, layer_type)), None)


def what_it_takes(refusal: Refusal) -> str:
    """Say what the layer takes and what it got: true whatever the reason was."""
    words = takes(refusal.type)
    got = " and ".join(shape_text(shape) for shape in refusal.shapes)
    asked = (
        f"`{refusal.type}` takes {words}" if words else f"look at what `{refusal.layer}` is given"
    )
    received = f"; here it got {got}" if got else ""
    named = f" (`layerlens layers {refusal.type}` lists its arguments)" if refusal.type else ""
    return f"{asked}{received}{named}"
