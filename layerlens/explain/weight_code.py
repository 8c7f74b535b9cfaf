"""Write weights as source code that sets them in a script."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerlens.explain.difference_check import DifferenceCheck, FirstDifference
from layerlens.explain.keras_code import array_source
from layerlens.models.build.request import Built
from layerlens.models.execute.side import Values
from layerlens.models.execute.variables import weight_variables
from layerlens.numerics.arrays import Array, Inputs
from layerlens.numerics.weight_changes import Reshape
from layerlens.numerics.weight_transfer import Pairing

#: The most scalars of weights that are written into a script; more are drawn at random by it.
EMBEDDED = 400
#: The number of seeds that are tried for random weights.
SEEDS = 12


@dataclass(frozen=True)
class Weights:
    """The source that sets the weights, and the first difference of the models with them.

    None for a difference that no weights of the source were found to show.
    """

    source: str
    difference: FirstDifference | None


@dataclass
class WeightSource:
    """Writes the weights of a check; `model` is the script's name for the reference."""

    check: DifferenceCheck
    inputs: Inputs
    model: str

    def shortest(self) -> Weights:
        """Return the shortest source that shows the difference.

        In order: rounded to 1, 2 or 3 digits, drawn at random with a seed, every digit.
        """
        values = self.check.weights_reference
        if not values and not self.check.weights_candidate:
            return Weights("", self.check.first_difference(self.inputs))
        own = list(self._own_weights())
        small = sum(array.size for array in (*values, *own)) <= EMBEDDED
        if small:
            for digits in (1, 2, 3):
                rounded = tuple(_in_digits(array, digits) for array in values)
                found = self._if_different(rounded, digits)
                if found is not None:
                    return found
        elif not own:
            drawn = self._drawn()
            if drawn is not None:
                return drawn
        found = self._if_different(values, None)
        return found or Weights(self._written(values, self.check.weights_candidate), None)

    def _if_different(self, values: Values, digits: int | None) -> Weights | None:
        """Return these weights of the reference if the models differ with them."""
        carried = self._carried(values, digits)
        difference = replace(
            self.check, weights_reference=values, weights_candidate=carried
        ).first_difference(self.inputs)
        return Weights(self._written(values, carried), difference) if difference else None

    def _drawn(self) -> Weights | None:
        """Return source that draws weights, with the first seed that shows the difference."""
        reference = self.check.reference.built
        for seed in range(SEEDS):
            values = _draw(reference, self.check.weights_reference, seed)
            carried = self._carried(values, None)
            difference = replace(
                self.check, weights_reference=values, weights_candidate=carried
            ).first_difference(self.inputs)
            if difference is not None:
                source = [_DRAW.format(seed=seed, model=self.model), self._sets(values, carried)]
                return Weights("\n".join(source), difference)
        return None

    def _sources(self) -> list[Pairing | None]:
        """Return, for each weight of the candidate, how it is made from the reference's, if so."""
        ours, theirs = self.check.weights_reference, self.check.weights_candidate
        transfer = self.check.transfer if not self.check.witness.inconsistent else None
        written = {one.candidate: one for one in transfer.pairings} if transfer else {}
        found: list[Pairing | None] = []
        for place, array in enumerate(theirs):
            pairing = written.get(place)
            if pairing is not None and not np.array_equal(pairing.made_from(ours), array):
                pairing = None
            found.append(pairing or _same_as(array, place, ours))
        return found

    def _own_weights(self) -> Iterator[Array]:
        """Yield the weights of the candidate that equal none of the reference's."""
        for array, source in zip(self.check.weights_candidate, self._sources(), strict=True):
            if source is None:
                yield array

    def _carried(self, values: Values, digits: int | None) -> Values:
        """Return the candidate's weights for these of the reference, its own ones rounded."""
        carried = []
        for array, source in zip(self.check.weights_candidate, self._sources(), strict=True):
            if source is None:
                carried.append(array if digits is None else _in_digits(array, digits))
            else:
                carried.append(source.made_from(values))
        return tuple(carried)

    def _written(self, values: Values, carried: Values) -> str:
        built = self.check.reference.built
        lines = ["weights = ["]
        variables = weight_variables(built)
        for n in _model_order(built):
            source = f"# {variables[n].path}\n{array_source(values[n])},"
            lines.append(textwrap.indent(source, "    "))
        return "\n".join([*lines, "]", self._sets(values, carried)])

    def _sets(self, values: Values, carried: Values) -> str:
        """Return the calls that set both models' weights, in Keras' own order of them."""
        lines = [f"{self.model}.set_weights(weights)"]
        if self.check.witness.inconsistent:
            return lines[0]
        place = {n: k for k, n in enumerate(_model_order(self.check.reference.built))}
        sources = self._sources()
        items = []
        for n in _model_order(self.check.candidate.built):
            source = sources[n]
            if source is None:
                items.append(array_source(carried[n]))
                continue
            names = [f"weights[{place[k]}]" for k in source.sources]
            items.append(names[0] if source.change is None else source.change.source(names))
        all_in_order = [f"weights[{n}]" for n in range(len(values))]
        argument = "weights" if items == all_in_order else f"[{', '.join(items)}]"
        return "\n".join([*lines, f"candidate.set_weights({argument})"])


_DRAW = '''rng = np.random.default_rng({seed})


def drawn(weight):
    """Return random values for a weight."""
    if not weight.dtype.startswith(("float", "bfloat")):
        return keras.ops.convert_to_numpy(weight)
    value = rng.normal(size=weight.shape) / max(1, np.prod(weight.shape[:-1])) ** 0.5
    return abs(value) if "variance" in weight.path else value


weights = [drawn(weight) for weight in {model}.weights]'''


def _draw(built: Built, values: Values, seed: int) -> Values:
    """Draw weights as the script does; weights that are not floats keep their values."""
    rng = np.random.default_rng(seed)
    variables = weight_variables(built)
    drawn: dict[int, Any] = {}
    for n in _model_order(built):
        if not str(variables[n].dtype).startswith(("float", "bfloat")):
            drawn[n] = values[n]
            continue
        shape = tuple(variables[n].shape)
        value = rng.normal(size=shape) / max(1, np.prod(shape[:-1])) ** 0.5
        value = abs(value) if "variance" in variables[n].path else value
        drawn[n] = np.asarray(value).astype("float32")
    return tuple(drawn[n] for n in range(len(values)))


def _model_order(built: Built) -> list[int]:
    """Return the positions of the weights in the order of Keras' `model.weights`."""
    places = {id(variable): n for n, variable in enumerate(weight_variables(built))}
    return [places[id(variable)] for variable in built.model.weights]


def _same_as(array: Array, position: int, others: Sequence[Array]) -> Pairing | None:
    """Return how a weight is made from the first of the others with the same flat values.

    That at its own position is preferred.
    """
    order = sorted(range(len(others)), key=lambda n: (n != position, n))
    for n in order:
        other = others[n]
        if other.size == array.size and np.array_equal(other.reshape(-1), array.reshape(-1)):
            change = None if other.shape == array.shape else Reshape(array.shape)
            return Pairing((n,), position, change)
    return None


def _in_digits(array: Array, digits: int) -> Array:
    """Round floats to a number of significant digits; other dtypes stay as they are."""
    if array.dtype.kind != "f":
        return array
    rounded = [float(f"{float(value):.{digits - 1}e}") for value in array.reshape(-1)]
    return np.asarray(rounded, dtype=array.dtype).reshape(array.shape)
