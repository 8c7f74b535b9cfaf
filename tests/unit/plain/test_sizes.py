import pytest

from layerlens.plain.sizes import MOST_VALUES, is_oversized


@pytest.mark.parametrize(
    ("shape", "oversized"),
    [
        ((), False),
        ((64, 15), False),
        ((None, 2**31), False),
        ((2**31, 2**32 - 1), False),
        ((2**31, 2**32), True),
        ((MOST_VALUES,), False),
        ((MOST_VALUES + 1, None), True),
        ((2**62, 2**62, 0), False),
    ],
)
def test_a_sample_has_at_most_63_bits_of_values(shape: tuple[int | None, ...], oversized: bool):
    assert is_oversized(shape) is oversized
