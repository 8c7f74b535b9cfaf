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

#: Weights with more scalars than this are drawn by the script instead of written into it.
EMBEDDED = 400
#: How many seeds are tried until drawn weights show the difference.
SEEDS = 12


@dataclass(frozen=True)
class Weights:
    """The source that sets the weights, and the place where the models then part."""

    source: str
    difference: FirstDifference | None


@dataclass
class WeightSource:
    """The weights of a check, and the name that the script has for the reference."""

    check: DifferenceCheck
    inputs: Inputs
    model: str

    def shortest(self) -> Weights:
        """Return the shortest of: a few digits, a rule to draw by, every digit."""
        given = self.check.weights_reference
        if not given and not self.check.weights_candidate:
            return Weights("", self.check.first_difference(self.inputs))
        own = list(self._own_weights())
        small = sum(array.size for array in (*given, *own)) <= EMBEDDED
        if small:
            for digits in (1, 2, 3):
                found = self._tried(tuple(_in_digits(array, digits) for array in given), digits)
                if found is not None:
                    return found
        elif not own:
            drawn = self._drawn()
            if drawn is not None:
                return drawn
        found = self._tried(given, None)
        return found or Weights(self._written(given, self.check.weights_candidate), None)

    def _tried(self, values: Values, digits: int | None) -> Weights | None:
        carried = self._carried(values, digits)
        difference = replace(
            self.check, weights_reference=values, weights_candidate=carried
        ).first_difference(self.inputs)
        return Weights(self._written(values, carried), difference) if difference else None

    def _drawn(self) -> Weights | None:
        """Return a rule to draw by with the first seed whose weights show the difference."""
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

    def _sources(self) -> list[tuple[int, Array] | None]:
        """Return, for each candidate weight, which reference weight it is, reshaped."""
        ours, theirs = self.check.weights_reference, self.check.weights_candidate
        return [_same_as(array, position, ours) for position, array in enumerate(theirs)]

    def _own_weights(self) -> Iterator[Array]:
        for array, source in zip(self.check.weights_candidate, self._sources(), strict=True):
            if source is None:
                yield array

    def _carried(self, values: Values, digits: int | None) -> Values:
        carried = []
        for array, source in zip(self.check.weights_candidate, self._sources(), strict=True):
            if source is None:
                carried.append(array if digits is None else _in_digits(array, digits))
            else:
                carried.append(values[source[0]].reshape(array.shape))
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
        """Return the calls that set both models' weights, in the order Keras has them in."""
        lines = [f"{self.model}.set_weights(weights)"]
        if self.check.witness.inconsistent:
            return lines[0]
        place = {n: k for k, n in enumerate(_model_order(self.check.reference.built))}
        sources = self._sources()
        parts = []
        for n in _model_order(self.check.candidate.built):
            source = sources[n]
            if source is None:
                parts.append(array_source(carried[n]))
                continue
            k, shape = source[0], carried[n].shape
            text = f"weights[{place[k]}]"
            parts.append(text if values[k].shape == shape else f"{text}.reshape({shape})")
        plain = [f"weights[{n}]" for n in range(len(values))]
        given = "weights" if parts == plain else f"[{', '.join(parts)}]"
        return "\n".join([*lines, f"candidate.set_weights({given})"])


_DRAW = '''rng = np.random.default_rng({seed})


def drawn(weight):
    """Draw a weight: any values would do."""
    if not weight.dtype.startswith(("float", "bfloat")):
        return keras.ops.convert_to_numpy(weight)
    value = rng.normal(size=weight.shape) / max(1, np.prod(weight.shape[:-1])) ** 0.5
    return abs(value) if "variance" in weight.path else value


weights = [drawn(weight) for weight in {model}.weights]'''


def _draw(built: Built, values: Values, seed: int) -> Values:
    """Draw weights as the script does; what is not a number stays."""
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
    """Return the places of the weights in the order of Keras' own `model.weights`."""
    places = {id(variable): n for n, variable in enumerate(weight_variables(built))}
    return [places[id(variable)] for variable in built.model.weights]


def _same_as(array: Array, position: int, others: Sequence[Array]) -> tuple[int, Array] | None:
    """Return which of the others has the same values, in whatever layout; the same place first."""
    order = sorted(range(len(others)), key=lambda n: (n != position, n))
    for n in order:
        other = others[n]
        if other.size == array.size and np.array_equal(other.reshape(-1), array.reshape(-1)):
            return n, other
    return None


def _in_digits(array: Array, digits: int) -> Array:
    """Round to so many significant digits; what is not a number stays."""
    if array.dtype.kind != "f":
        return array
    rounded = [float(f"{float(value):.{digits - 1}e}") for value in array.reshape(-1)]
    return np.asarray(rounded, dtype=array.dtype).reshape(array.shape)
