from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.comparison.examination import DYNAMIC, Examination
from layerlens.comparison.masked_steps import masked_difference
from layerlens.numerics.probes import Probe, join
from layerlens.scenario.spec import Tolerance
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

#: Two samples of four steps; the last two of the first one are padding.
VALUES = np.ones((2, 4, 1), "float32")
VALUES[0, 2:] = 0.0
MASKING = layer("Masking", mask_value=0.0)


def observed(reference: list[Any], candidate: list[Any], **more: Any) -> Examination:
    models = chain("one", *reference, **more), chain("other", *candidate, **more)
    examination = prepared(*models, input_of(4, 1))
    examination.observe(examination.main, join([Probe("given", (VALUES,))]), DYNAMIC)
    return examination


def scaled(scale: float = 1.0, offset: float = 0.0) -> Any:
    return layer("Rescaling", scale=scale, offset=offset)


def test_differences_are_counted_at_valid_and_at_padded_steps() -> None:
    row = masked_difference(observed([MASKING, scaled()], [MASKING, scaled(3.0)]), None)
    assert row is not None
    assert row.model == "one"
    assert (row.valid.compared, row.padded.compared) == (6, 2)
    assert (row.valid.max_abs, row.valid.float64_max_abs, row.valid.mismatched) == (2.0, 2.0, 6)
    assert (row.padded.max_abs, row.padded.float64_max_abs, row.padded.mismatched) == (0, 0, 0)


def test_a_difference_at_padded_steps_alone() -> None:
    def shifted(offset: float) -> list[Any]:
        return [MASKING, scaled(2.0 - offset, offset)]  # 2 at a valid step, `offset` at padding

    row = masked_difference(observed(shifted(0.0), shifted(0.5)), None)
    assert row is not None
    assert (row.valid.mismatched, row.padded.mismatched) == (0, 2)
    assert row.padded.max_abs == 0.5


def test_a_tolerance_decides_what_is_mismatched() -> None:
    examination = observed([MASKING, scaled()], [MASKING, scaled(1.01)])
    row = masked_difference(examination, Tolerance(rtol=0.1, atol=0.0))
    assert row is not None
    assert row.valid.mismatched == 0
    assert row.valid.max_abs == pytest.approx(0.01, rel=1e-4)


def test_without_a_mask_or_with_a_slice_there_is_no_row() -> None:
    assert masked_difference(observed([scaled()], [scaled()]), None) is None
    sliced = observed([MASKING, scaled()], [MASKING, scaled()], select="[:, 0]")
    assert masked_difference(sliced, None) is None
