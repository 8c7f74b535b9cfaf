"""The difference of two counts of params is attributed to weights, and the gaps add up to it."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens import summary
from layerlens.explain.align_layers import align_layers
from layerlens.explain.param_gaps import params_gaps
from layerlens.report.diffs import LayerChange, ModelsDiff
from layerlens.report.layers import CountTerm, Factor, LayerRow, ModelReport, WeightRow
from tests.unit.tables.layer_tables import aligned, reports

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize(
    ("one", "other", "texts"),
    [
        ([{"Dense": 4}], [{"Dense": 6}], ["+12: kernel and bias of `dense` (units 4 → 6)"]),
        (
            [{"LSTM": {"units": 4}}],
            [{"GRU": {"units": 4, "reset_after": False}}],
            ["-40: kernel, recurrent kernel and bias of `gru` (instead of `lstm`) (gates 4 → 3)"],
        ),
        (
            [{"Conv1D": {"filters": 2, "kernel_size": 3}}],
            [{"Conv1D": {"filters": 2, "kernel_size": 5}}],
            ["+20: kernel of `conv1d` (kernel_size 3 → 5)"],
        ),
        (
            [{"BatchNormalization": {}}],
            [{"BatchNormalization": {"scale": False}}],
            ["-5: gamma of `batch_normalization` (scale)"],
        ),
        (
            [{"LSTM": {"units": 2}}],
            [{"Bidirectional": {"layer": {"LSTM": {"units": 2}}}}],
            [
                "+56: kernel and recurrent kernel of `backward_lstm` of `bidirectional`",
                "+8: bias of `backward_lstm` of `bidirectional` (use_bias)",
            ],
        ),
        (
            [{"TimeDistributed": {"layer": {"Dense": 2}}}],
            [{"Conv1D": {"filters": 2, "kernel_size": 1, "use_bias": False}}],
            ["-2: bias of `time_distributed` (use_bias)"],
        ),
    ],
    ids=["units", "gates", "window", "scale", "directions", "wrapped"],
)
def test_gaps_have_their_cause_and_add_up(one: Any, other: Any, texts: list[str]) -> None:
    first, second = reports([7, 5], a=one, b=other)
    if "Dense" in one[0]:
        first, second = reports([5], a=one, b=other)
    diff = align_layers(first, second)
    assert [gap.text for gap in diff.params] == texts
    assert sum(gap.params for gap in diff.params) == (second.params or 0) - (first.params or 0)


def test_sharing_is_attributed() -> None:
    own = {
        "graph": {
            "a": {"Dense": 4, "from": ["input"]},
            "b": {"Dense": 4, "from": ["a"]},
        },
        "outputs": ["b"],
    }
    shared = {
        "graph": {
            "a": {"Dense": 4, "from": ["input"]},
            "b": {"share": "a", "from": ["a"]},
        },
        "outputs": ["b"],
    }
    diff = aligned([4], one=own, other=shared)
    assert sum(gap.params for gap in diff.params) == -20
    assert "counted once" in diff.params[0].text


def _nested(*units: int, frozen: bool = False) -> Any:
    import keras

    held = [keras.layers.Dense(n) for n in units]
    base = keras.Sequential([keras.Input((4,)), *held], name="base")
    base.trainable = not frozen
    return keras.Sequential([keras.Input((4,)), base, keras.layers.Dense(2)])


def _of_objects(one: Any, other: Any) -> ModelsDiff:
    (report,) = summary({"a": one, "b": other}).scenarios
    (diff,) = report.diffs
    return diff


def test_inner_layers_are_matched_whatever_their_numbers_are() -> None:
    assert _of_objects(_nested(3, 3), _nested(3, 3, frozen=True)).params == ()
    wider = _of_objects(_nested(3, 3), _nested(5, 3)).params
    assert [gap.params for gap in wider] == [10, 6]
    assert "(units 3 → 5)" in wider[0].text
    assert "(inputs 3 → 5)" in wider[1].text


def test_an_extra_inner_layer_is_a_gap_of_its_own() -> None:
    more = _of_objects(_nested(3, 3), _nested(3, 3, 3)).params
    assert [gap.params for gap in more] == [9, 3]
    less = _of_objects(_nested(3, 3, 3), _nested(3, 3)).params
    assert [gap.params for gap in less] == [-9, -3]


def test_wrapped_layers_with_other_names_have_no_gap() -> None:
    import keras

    def wrapped(units: int) -> Any:
        inner = keras.layers.GRU(units)
        return keras.Sequential([keras.Input((5, 4)), keras.layers.Bidirectional(inner)])

    assert _of_objects(wrapped(3), wrapped(3)).params == ()
    gaps = _of_objects(wrapped(3), wrapped(4)).params
    assert all("units 3 → 4" in gap.text for gap in gaps)


# --- tables written by hand -----------------------------------------------------------------------


def dense(units: int, inputs: int, bias: bool = True) -> LayerRow:
    """The row of a Dense layer, with the terms of its count."""
    kernel = CountTerm(
        "kernel", "kernel", (Factor(inputs, "inputs"), Factor(units, "units")), inputs * units
    )
    terms = [kernel]
    weights = [WeightRow("dense/kernel", (inputs, units), inputs * units)]
    if bias:
        terms.append(CountTerm("bias", "bias", (Factor(units, "units"),), units, "use_bias"))
        weights.append(WeightRow("dense/bias", (units,), units))
    return LayerRow(
        "dense",
        "Dense",
        "dense",
        (None, inputs),
        (None, units),
        sum(term.params for term in terms),
        "float32",
        tuple(weights),
        terms=tuple(terms),
    )


def model(name: str, *layers: LayerRow, params: int | None = None) -> ModelReport:
    total = sum(layer.params for layer in layers) if params is None else params
    return ModelReport(name, total, total, 0, None, layers)


def texts(reference: ModelReport, candidate: ModelReport, *rows: LayerChange) -> list[str]:
    return [gap.text for gap in params_gaps(reference, candidate, rows)]


CHANGED = LayerChange("changed", "dense", "dense", 0, 0)


def test_terms_with_one_cause_are_one_gap() -> None:
    assert texts(model("a", dense(4, 3)), model("b", dense(6, 3)), CHANGED) == [
        "+8: kernel and bias of `dense` (units 4 → 6)"
    ]


def test_each_cause_has_a_gap_of_its_own() -> None:
    wider = model("b", dense(4, 5, bias=False))
    assert texts(model("a", dense(4, 3)), wider, CHANGED) == [
        "+8: kernel of `dense` (inputs 3 → 5)",
        "-4: bias of `dense` (use_bias)",
    ]


def test_a_layer_in_one_model_alone_is_a_gap_of_all_its_params() -> None:
    extra = LayerChange("only_candidate", None, "dense", None, 0)
    assert texts(model("a"), model("b", dense(4, 3)), extra) == [
        "+16: `dense` (Dense), only in `b`"
    ]
    missing = LayerChange("only_reference", "dense", None, 0, None)
    assert texts(model("a", dense(4, 3)), model("b"), missing) == [
        "-16: `dense` (Dense), only in `a`"
    ]


def test_a_difference_that_no_layer_explains_is_a_gap() -> None:
    assert texts(model("a", dense(4, 3)), model("b", dense(4, 3), params=20), CHANGED) == [
        "+4: weights that layers share, counted once"
    ]


def test_equal_shapes_and_unknown_counts_have_no_gaps() -> None:
    same = model("a", dense(4, 3))
    assert texts(same, model("b", dense(4, 3)), CHANGED) == []
    unknown = ModelReport("b", None, None, None, None, (dense(6, 3),))
    assert texts(same, unknown, CHANGED) == []
