"""How much a proof may cost, beyond which probes are cheaper."""

from __future__ import annotations

from dataclasses import dataclass

#: Whole models with more weights, or more values between their layers for one sample, take longer
#: to prove than to probe.
MOST_PARAMS, MOST_ACTIVATIONS = 4_000_000, 500_000
#: The same for multiply-adds for one sample, which are known before a proof starts, for an array,
#: and for all elements that a graph computes at one size.
MOST_MULTIPLY_ADDS, MOST_ELEMENTS, MOST_COMPUTED = 1_000_000_000, 4_000_000, 20_000_000
#: The same for maxima that are remembered; each takes some 200 bytes.
MOST_MAXIMA = 1_000_000
#: A part of a large model may cost more, since probes run the whole model: this share of its
#: multiply-adds, one computed element for so many of them, or so many for each value between its
#: layers, and arrays of this size.
MOST_OF_A_MODEL, MULTIPLY_ADDS_PER_ELEMENT, ELEMENTS_PER_VALUE = 0.25, 64, 5
MOST_PART_ELEMENTS = 10_000_000
#: Parts of fewer multiply-adds are always tried.
ALWAYS_TRIED = 200_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a proof takes on."""

    params: int
    #: Values that layers return for one sample.
    activations: int
    #: Multiply-adds for one sample.
    multiply_adds: int
    #: Elements of one array.
    elements: int
    #: Elements that a graph computes at one size; many products of a sum count as one more.
    computed: int
    #: Different maxima of two elements that are remembered.
    maxima: int


def limits_of_whole() -> Limits:
    """Return the limits for whole models."""
    return Limits(
        MOST_PARAMS,
        MOST_ACTIVATIONS,
        MOST_MULTIPLY_ADDS,
        MOST_ELEMENTS,
        MOST_COMPUTED,
        MOST_MAXIMA,
    )


def limits_of_part(multiply_adds: int, activations: int) -> Limits:
    """Return the limits for parts of models of so many multiply-adds and activations a sample."""
    computed = max(
        MOST_COMPUTED,
        multiply_adds // MULTIPLY_ADDS_PER_ELEMENT,
        activations * ELEMENTS_PER_VALUE,
    )
    growth = computed / MOST_COMPUTED
    return Limits(
        round(MOST_PARAMS * growth),
        round(MOST_ACTIVATIONS * growth),
        max(ALWAYS_TRIED, round(multiply_adds * MOST_OF_A_MODEL)),
        MOST_ELEMENTS if growth == 1 else MOST_PART_ELEMENTS,
        computed,
        round(MOST_MAXIMA * growth),
    )
