"""A refusal has the error and the layers before it; `select` changes the output shape."""

from __future__ import annotations

from tests.unit.models.build.models import SEQUENCE, build, chain, refusal
from tests.unit.tables.every_layer import layer


def test_a_refusal_has_the_layer_the_reason_and_the_rows_before() -> None:
    result = refusal(chain(layer("LSTM", units=8), layer("LSTM", units=8)), SEQUENCE)
    assert [row.name for row in result.report.layers] == ["lstm"]
    assert result.report.error.layer == "lstm_1"
    assert "return_sequences: true" in result.report.error.hint
    assert result.report.output_shape is None


def test_a_select_that_does_not_fit_is_refused_and_one_that_fits_reshapes() -> None:
    sequence = layer("GRU", units=4, return_sequences=True)
    assert build(chain(sequence, select="[:, -1]"), SEQUENCE).report.output_shape == (None, 4)
    error = refusal(chain(sequence, select="[:, -1, 0, 0]"), SEQUENCE).report.error
    assert "takes 4 axes, but the output (None, 64, 4) has 3" in error.message
    error = refusal(chain(sequence, select="[:, 64]"), SEQUENCE).report.error
    assert "takes position 64 of axis 1, but the output (None, 64, 4) has 64 there" in error.message
