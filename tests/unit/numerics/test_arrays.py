from __future__ import annotations

import numpy as np

from layerlens.numerics.arrays import first_index


def test_the_first_true_element_in_row_major_order() -> None:
    flags = np.zeros((2, 3), dtype=bool)
    flags[1, 0] = flags[0, 2] = True
    assert first_index(flags) == (0, 2)
