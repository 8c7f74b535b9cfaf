"""Where values are defined: the conditions on which each element of an array depends.

A quotient needs a denominator that is not zero, a root or a logarithm an argument that is not
negative. Each such condition has a number, and each element the set of those that it depends on, as
bits. What floating point does with an element that is not defined, infinities and NaN, is no matter
of arithmetic: `0 * sqrt(x)` is not 0, and a selection or a maximum may drop it. So only operations
that let nothing drop are followed; others are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.value import CannotProveError, Value

#: Sets of conditions, one for each element of an array: (words, *shape).
Conditions = NDArray[np.uint64]

#: More conditions than this are not told apart.
MOST_CONDITIONS = 2**14
#: Sets of more words in all are refused.
MOST_WORDS = 8_000_000
_BITS = 64

#: Elementwise operations that are defined where all their inputs are, and not finite elsewhere.
_ELEMENTWISE = frozenset(
    {
        "Add",
        "AddN",
        "AddV2",
        "BiasAdd",
        "Cast",
        "Div",
        "Inv",
        "Log",
        "Log1p",
        "Mul",
        "Neg",
        "Pow",
        "RealDiv",
        "Reciprocal",
        "Rsqrt",
        "Sqrt",
        "Square",
        "SquaredDifference",
        "Sub",
    }
)
#: Arguments of these that may not be undefined, by position: divided by, infinity gives 0.
_ALWAYS_DEFINED = {
    "BiasAdd": 1,
    "Div": 1,
    "Inv": 0,
    "Pow": 0,
    "RealDiv": 1,
    "Reciprocal": 0,
    "Rsqrt": 0,
}
_REDUCTIONS = frozenset({"Mean", "Sum"})


@dataclass
class Definedness:
    """The conditions of one proof, by number; both models have one numbering."""

    numbers: dict[Hashable, int] = field(default_factory=dict)
    #: What the operation being run needs, for elements of its arguments.
    _noted: list[Conditions] = field(default_factory=list)

    def note(self, what: str, fingerprints: NDArray[np.uint64]) -> None:
        """Note that something must hold of each element, given by its two fingerprints.

        Raises:
            CannotProveError: there are too many elements.
        """
        first, second = (np.ravel(lane).tolist() for lane in fingerprints)
        numbers = np.array(
            [
                self.numbers.setdefault((what, *pair), len(self.numbers))
                for pair in zip(first, second, strict=True)
            ],
            np.int64,
        )
        if len(self.numbers) > MOST_CONDITIONS:
            raise CannotProveError(f"more than {MOST_CONDITIONS:,} elements may be undefined")
        words = int(numbers.max(initial=0)) // _BITS + 1
        found = np.zeros((words, numbers.size), np.uint64)
        places = np.arange(numbers.size)
        found[numbers // _BITS, places] = np.uint64(1) << (numbers % _BITS).astype(np.uint64)
        self._noted.append(found.reshape(words, *fingerprints.shape[1:]))

    def follow(
        self,
        operation: Any,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        moved: Callable[[], tuple[Sequence[int], Sequence[NDArray[np.int64]]]] | None = None,
    ) -> None:
        """Give the outputs of an operation the conditions of its inputs and those noted.

        Where it moves elements, `moved` returns the positions of the inputs that are moved, and for
        each output the numbers of its elements among theirs, from 1; 0 is none of them.

        Raises:
            CannotProveError: it may be defined where an input is not.
        """
        noted, self._noted = self._noted, []
        given = [value.needs for value in inputs if value.needs is not None]
        kind = operation.type
        if not noted and not given:
            return
        if moved is not None:
            positions, places = moved()
            flat = _joined([_needs(inputs[position]) for position in positions])
            for value, place in zip(outputs, places, strict=True):
                value.needs = flat[:, place]
            return
        (found,) = outputs
        if kind in _ELEMENTWISE and not _may_be_dropped(kind, inputs):
            found.needs = union(_spread(each, found.shape) for each in (*noted, *given))
        elif noted:
            raise CannotProveError(f"`{kind}` may be undefined")
        else:
            found.needs = _of_several(operation, inputs, found)


def _may_be_dropped(kind: str, inputs: Sequence[Value]) -> bool:
    """Return whether an operation may be defined where an argument is not."""
    position = _ALWAYS_DEFINED.get(kind)
    return position is not None and inputs[position].needs is not None


def _of_several(operation: Any, inputs: Sequence[Value], found: Value) -> Conditions | None:
    """Return the conditions of elements that are made of several, or selected by constants."""
    kind = operation.type
    if kind in _REDUCTIONS and inputs[0].needs is not None:
        axes = {int(axis) % inputs[0].rank for axis in np.ravel(inputs[1].array("an axis"))}
        return _over(inputs[0].needs, axes).reshape(-1, *found.shape)
    if kind in ("Select", "SelectV2") and inputs[0].constant is not None:
        chosen = np.broadcast_to(inputs[0].constant, found.shape)
        one, other = (_spread(_needs(value), found.shape) for value in inputs[1:])
        one, other = _aligned(one, other)
        return np.where(chosen, one, other)
    if kind in _PRODUCTS:
        letters, result = _PRODUCTS[kind](operation, inputs)
        parts = [
            _arranged(value.needs, axes, result)
            for value, axes in zip(inputs, letters, strict=True)
            if value.needs is not None
        ]
        return union(_spread(part, found.shape) for part in parts)
    raise CannotProveError(f"`{kind}` takes a value that may be undefined")


#: For each input the letters of its axes, and those of the result.
_Letters = tuple[Sequence[str], str]


def _of_matrices(operation: Any, inputs: Sequence[Value]) -> _Letters:
    names = ("transpose_a", "transpose_b") if operation.type == "MatMul" else ("adj_x", "adj_y")
    turned = [operation.get_attr(name) for name in names]
    rank = max(value.rank for value in inputs)
    before = "".join(chr(ord("A") + place) for place in range(rank - 2))
    last = ["ki" if turned[0] else "ik", "jk" if turned[1] else "kj"]
    axes = [
        before[len(before) - (value.rank - 2) :] + pair
        for value, pair in zip(inputs, last, strict=True)
    ]
    return axes, before + "ij"


def _of_an_einsum(operation: Any, inputs: Sequence[Value]) -> _Letters:
    terms, result = operation.get_attr("equation").decode().split("->")
    return terms.split(","), result


_PRODUCTS: dict[str, Callable[[Any, Sequence[Value]], _Letters]] = {
    "BatchMatMul": _of_matrices,
    "BatchMatMulV2": _of_matrices,
    "BatchMatMulV3": _of_matrices,
    "Einsum": _of_an_einsum,
    "MatMul": _of_matrices,
}


def _arranged(needs: Conditions, axes: str, result: str) -> Conditions:
    """Return the conditions of sums of products: those of all that are added up."""
    kept = [letter for letter in axes if letter in result]
    found = _over(needs, {place for place, letter in enumerate(axes) if letter not in result})
    found = found.reshape(len(needs), *(needs.shape[1 + axes.index(letter)] for letter in kept))
    order = sorted(range(len(kept)), key=lambda place: result.index(kept[place]))
    found = found.transpose([0, *(1 + place for place in order)])
    sizes = {letter: needs.shape[1 + axes.index(letter)] for letter in kept}
    return found.reshape(len(needs), *(sizes.get(letter, 1) for letter in result))


def union(parts: Iterable[Conditions]) -> Conditions | None:
    """Return the union of the sets of arrays of one shape."""
    found: Conditions | None = None
    for part in parts:
        found = part if found is None else np.bitwise_or(*_aligned(found, part))
    return found


def same(one: Conditions | None, other: Conditions | None) -> bool:
    """Return whether each element depends on the same conditions."""
    if one is None or other is None:
        return not any(part is not None and part.any() for part in (one, other))
    return bool(np.array_equal(*_aligned(one, other)))


def _needs(value: Value) -> Conditions:
    if value.needs is not None:
        return value.needs
    return np.zeros((1, *value.shape), np.uint64)


def _joined(parts: Sequence[Conditions]) -> Conditions:
    """Return the sets of all elements of several arrays in one row, behind an empty set."""
    words = max(len(part) for part in parts)
    none = np.zeros((words, 1), np.uint64)
    rows = (_with_words(part, words).reshape(words, -1) for part in parts)
    return np.concatenate([none, *rows], axis=1)


def _spread(needs: Conditions, shape: tuple[int, ...]) -> Conditions:
    """Return the sets of an array broadcast to a shape.

    Raises:
        CannotProveError: they would take too much room.
    """
    if len(needs) * int(np.prod(shape)) > MOST_WORDS:
        raise CannotProveError("too many elements may be undefined")
    aligned = needs.reshape(len(needs), *(1,) * (len(shape) - needs.ndim + 1), *needs.shape[1:])
    return np.broadcast_to(aligned, (len(needs), *shape))


def _over(needs: Conditions, axes: Iterable[int]) -> Conditions:
    places = tuple(sorted(1 + axis for axis in axes))
    return np.bitwise_or.reduce(needs, axis=places) if places else needs


def _aligned(one: Conditions, other: Conditions) -> tuple[Conditions, Conditions]:
    """Return both with as many words."""
    words = max(len(one), len(other))
    return _with_words(one, words), _with_words(other, words)


def _with_words(needs: Conditions, words: int) -> Conditions:
    if len(needs) == words:
        return needs
    missing = np.zeros((words - len(needs), *needs.shape[1:]), np.uint64)
    return np.concatenate([needs, missing])
