"""Weights as source: as few digits as show the difference, a seed, or every digit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from layerlens.explain import weight_code
from layerlens.explain.difference_check import FirstDifference
from layerlens.explain.weight_code import EMBEDDED, WeightSource

FOUND = FirstDifference((0, 0), 1.0, 2.0)


@dataclass(frozen=True)
class StubCheck:
    """A check whose models differ where `differs` of the reference's weights holds."""

    weights_reference: tuple[Any, ...]
    weights_candidate: tuple[Any, ...]
    differs: Callable[[tuple[Any, ...]], bool]
    reference: Any
    candidate: Any
    witness: Any
    transfer: Any = None

    def first_difference(self, inputs: Any) -> FirstDifference | None:
        return FOUND if self.differs(self.weights_reference) else None


def built(*shapes: tuple[int, ...], order: tuple[int, ...] | None = None) -> Any:
    """Return a stand-in for a built model; `order` is that of Keras' own `model.weights`."""
    variables = [
        SimpleNamespace(path=f"w{n}", shape=shape, dtype="float32")
        for n, shape in enumerate(shapes)
    ]
    places = order if order is not None else tuple(range(len(variables)))
    return SimpleNamespace(
        variables=variables, model=SimpleNamespace(weights=[variables[n] for n in places])
    )


@pytest.fixture(autouse=True)
def _variables_of_stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_code, "weight_variables", lambda built: built.variables)


def source_of(
    reference: tuple[Any, ...],
    candidate: tuple[Any, ...],
    differs: Callable[[tuple[Any, ...]], bool],
    **sides: Any,
) -> weight_code.Weights:
    check = StubCheck(
        reference,
        candidate,
        differs,
        SimpleNamespace(built=sides.get("one", built(*(w.shape for w in reference)))),
        SimpleNamespace(built=sides.get("other", built(*(w.shape for w in candidate)))),
        SimpleNamespace(inconsistent=sides.get("inconsistent")),
    )
    return WeightSource(check, (), "reference").shortest()  # type: ignore[arg-type]


def executed(source: str) -> dict[str, Any]:
    """Run the source with models that record their weights."""
    given: dict[str, Any] = {}
    models = {
        name: SimpleNamespace(set_weights=lambda w, name=name: given.__setitem__(name, w))
        for name in ("reference", "candidate")
    }
    exec(source, {"np": np, **models})
    return given


W = np.float32([[1.23456, -0.98765], [0.5, 2.0]])


@pytest.mark.parametrize(("needed", "value"), [(1.0, 1.0), (1.2, 1.2), (1.23, 1.23)])
def test_weights_have_the_fewest_digits_that_show_the_difference(
    needed: float, value: float
) -> None:
    found = source_of((W,), (W,), lambda w: w[0][0, 0] >= np.float32(needed))
    assert found.difference == FOUND
    given = executed(found.source)
    assert given["reference"][0][0, 0] == np.float32(value)
    assert given["candidate"] is given["reference"]


def test_every_digit_is_written_where_fewer_do_not_do() -> None:
    found = source_of((W,), (W,), lambda w: np.array_equal(w[0], W))
    assert found.difference == FOUND
    assert np.array_equal(executed(found.source)["reference"][0], W)


def test_weights_that_show_nothing_have_no_difference() -> None:
    found = source_of((W,), (W,), lambda w: False)
    assert found.difference is None
    assert np.array_equal(executed(found.source)["reference"][0], W)


def test_models_without_weights_have_no_source() -> None:
    assert source_of((), (), lambda w: True) == weight_code.Weights("", FOUND)


def test_a_weight_of_another_layout_is_reshaped_and_its_own_is_written() -> None:
    own = np.float32([7, 8])
    found = source_of((W,), (own, W.reshape(1, 2, 2)), lambda w: True)
    assert "weights[0].reshape((1, 2, 2))" in found.source
    given = executed(found.source)
    assert given["candidate"][0].tolist() == [7, 8]
    assert given["candidate"][1].shape == (1, 2, 2)


def test_weights_are_set_in_keras_own_order() -> None:
    kernel, bias = np.float32([[1, 2]]), np.float32([3, 4])
    shapes = (1, 2), (2,)
    found = source_of(
        (kernel, bias),
        (kernel, bias),
        lambda w: True,
        one=built(*shapes, order=(1, 0)),
        other=built(*shapes),
    )
    given = executed(found.source)
    assert [w.shape for w in given["reference"]] == [(2,), (1, 2)]
    assert [w.shape for w in given["candidate"]] == [(1, 2), (2,)]
    assert "# w1" in found.source


def test_many_weights_are_drawn_with_the_first_seed_that_shows_the_difference() -> None:
    large = np.zeros((EMBEDDED + 1, 1), "float32")
    seen: list[float] = []

    def differs(weights: tuple[Any, ...]) -> bool:
        seen.append(float(weights[0][0, 0]))
        return len(seen) == 3

    found = source_of((large,), (large,), differs)
    assert found.difference == FOUND
    assert "np.random.default_rng(2)" in found.source
    assert len(set(seen)) == 3
    assert str(large.shape) not in found.source


def test_a_model_that_differs_from_itself_is_set_once() -> None:
    found = source_of((W,), (W,), lambda w: True, inconsistent="reference")
    assert "candidate" not in found.source
    assert list(executed(found.source)) == ["reference"]
