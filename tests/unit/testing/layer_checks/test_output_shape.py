"""The check of `compute_output_shape`."""

from __future__ import annotations

import pytest

from layerlens.testing.layer_checks import (
    check_announced_shape,
)
from tests.unit.testing.layer_checks.faulty_layers import (
    STEPS,
    CannotTell,
    Fixed,
    LosesAxis,
    Refuses,
    only,
)

pytestmark = pytest.mark.usefixtures("backend")


def test_a_wrong_shape_is_a_fault() -> None:
    faults = check_announced_shape(LosesAxis(), STEPS).faults
    assert len(faults) == 4
    assert faults[0] == "for (1, 8, 4) it announces (1, 8) and returns (1, 8, 4)"
    fixed = check_announced_shape(Fixed(), STEPS).faults
    assert fixed[0] == "for (2, 13, 4) it announces (1, 8, 4) and returns (2, 13, 4)"
    fault = only(check_announced_shape(CannotTell(), STEPS))
    assert fault.startswith("compute_output_shape((None, None, 4)) fails: ")
    assert only(check_announced_shape(Refuses(), STEPS)) == "it does not run: no, thank you"
