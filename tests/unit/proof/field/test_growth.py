from __future__ import annotations

from layerlens.proof.field.growth import VARIABLE, Growth


def test_polynomials() -> None:
    square = VARIABLE.times(VARIABLE)
    assert (square.degree, square.below) == (2, 0)
    assert square.plus(VARIABLE).degree == 2
    assert square.summed(64, shared=False) == Growth(2.0, 6.0)


def test_fractions() -> None:
    inverse = VARIABLE.inverted()
    assert (inverse.degree, inverse.below) == (0, 1)
    assert inverse.plus(inverse).below == 2  # 1/a + 1/b = (a + b) / ab
    assert (inverse.summed(8, shared=False).degree, inverse.summed(8, shared=False).below) == (7, 8)
    assert inverse.summed(8, shared=True).below == 1
    assert inverse.of_a_difference() == 1


def test_the_chance_grows_with_degree_and_with_coefficients() -> None:
    assert 0 < VARIABLE.chance() < VARIABLE.times(VARIABLE).chance() < 1e-5
    assert Growth(1.0, 1e6).chance() > 0.01
