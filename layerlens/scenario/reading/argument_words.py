"""The words that some arguments take, such as `same` of `padding`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from layerlens.scenario.keras_catalog import Argument

#: Word of another library, or of Keras 1 → the word of Keras 3.
_ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "data_format": {
        **dict.fromkeys(("nhwc", "nwc", "ndhwc", "tf", "last"), "channels_last"),
        **dict.fromkeys(("nchw", "ncw", "ncdhw", "th", "first"), "channels_first"),
    },
    "merge_mode": {
        **dict.fromkeys(("add", "plus"), "sum"),
        **dict.fromkeys(("multiply", "prod", "product"), "mul"),
        **dict.fromkeys(("average", "avg", "mean"), "ave"),
        **dict.fromkeys(("concatenate", "cat"), "concat"),
    },
    "interpolation": {"linear": "bilinear", "cubic": "bicubic"},
}


@dataclass(frozen=True, slots=True)
class Words:
    """The words that arguments of one name take, in any layer.

    A layer may take fewer: `causal` is for Conv1D. Keras refuses the others.
    """

    argument: str
    allowed: tuple[str, ...]
    #: Whether a layer takes them in any case.
    any_case: bool = False

    def take(self, value: str) -> bool:
        """Return whether a layer may take a text."""
        return (value.casefold() if self.any_case else value) in self.allowed

    def elsewhere(self, value: str) -> str | None:
        """Return the word of Keras 3 for one of another library; None if there is none."""
        return _ELSEWHERE.get(self.argument, {}).get(value.casefold())


_WORDS = (
    Words("padding", ("valid", "same", "causal"), any_case=True),
    Words("data_format", ("channels_last", "channels_first"), any_case=True),
    Words("merge_mode", ("concat", "sum", "mul", "ave")),
    Words("score_mode", ("dot", "concat")),
    Words(
        "interpolation",
        ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area"),
        any_case=True,
    ),
    Words("fill_mode", ("reflect", "wrap", "constant", "nearest", "mirror"), any_case=True),
    Words("output_mode", ("int", "one_hot", "multi_hot", "count", "tf_idf", "float")),
    Words("mode", ("fan_in", "fan_out", "fan_avg")),
    Words("mode", ("log", "magnitude", "psd", "real", "imag", "angle", "stft")),
    Words("scaling", ("density", "spectrum")),
    Words(
        "distribution",
        ("truncated_normal", "untruncated_normal", "normal", "uniform"),
        any_case=True,
    ),
)


def words_of(argument: Argument) -> Words | None:
    """Return the words that an argument takes; None if it takes other values.

    Its default shows it: `padding` is a number in `ZeroPadding2D`.
    """
    default = (argument.default or "").strip("'\"")
    for words in _WORDS:
        unset = default == "None" and words.argument == "data_format"
        if argument.name == words.argument and (default in words.allowed or unset):
            return words
    return None
