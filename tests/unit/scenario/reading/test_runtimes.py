"""A scenario says in which runtime a model is to run."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from layerlens.errors import ScenarioError
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import RuntimeSpec, Scenario

OURS = {"layers": [{"Dense": 3}], "select": "[:, :2]"}


def read(other: Any, **keys: Any) -> Scenario:
    data = {"input": {"shape": [4]}, "models": {"ours": OURS, "other": other}, **keys}
    (scenario,) = scenario_from_mapping(data)
    return scenario


def faults(other: Any, **keys: Any) -> list[tuple[str, str | None]]:
    with pytest.raises(ScenarioError) as caught:
        read(other, **keys)
    return [(fault.message, fault.hint) for fault in caught.value.faults]


def test_a_model_like_another_one() -> None:
    ours, other = read({"like": "ours", "runtime": {"backend": "jax"}}).models
    assert (ours.runtime, other.runtime) == (None, RuntimeSpec(backend="jax"))
    assert (other.name, other.form, other.layers) == ("other", "layers", ours.layers)
    assert other.select == "[:, :2]"


def test_an_interpreter() -> None:
    runtimes = {"old": {"python": sys.executable, "keras": "tf_keras"}}
    _, other = read({"layers": [{"Dense": 3}], "runtime": "old"}, runtimes=runtimes).models
    assert other.runtime == RuntimeSpec(python=sys.executable, keras="tf_keras")


@pytest.mark.parametrize(
    ("other", "message", "hint"),
    [
        ({"like": "our", "runtime": {"backend": "jax"}}, "unknown model `our`", "`ours`"),
        ({"like": "other", "runtime": {"backend": "jax"}}, "unknown model `other`", "ours"),
        ({"like": "ours"}, "`like` needs `runtime`", "{backend: jax}"),
        ({"like": "ours", "runtime": "old"}, "unknown runtime `old`", None),
        ({"like": "ours", "runtime": 3}, "received the number 3", None),
        ({"like": "ours", "runtime": {"backend": "mxnet"}}, "`backend` is jax or torch", None),
        (
            {"like": "ours", "runtime": {"backend": "jax"}, "dtype": "float16"},
            "`dtype` cannot be given next to `like`",
            "the model that this one is like",
        ),
        (
            {"like": "ours", "layers": [{"Dense": 3}], "runtime": {"backend": "jax"}},
            "received `layers` and `like`",
            "remove one of the two",
        ),
    ],
)
def test_faults(other: Any, message: str, hint: str | None) -> None:
    ((told, said),) = faults(other)
    assert message in told
    assert hint is None or hint in str(said)


def test_an_interpreter_that_is_not_there() -> None:
    other = {"like": "ours", "runtime": "old"}
    ((message, hint),) = faults(other, runtimes={"old": {"python": "nowhere/python"}})
    assert message == 'there is no interpreter "nowhere/python"'
    assert "relative to the scenario's folder" in str(hint)
    ((message, _),) = faults(other, runtimes={"old": {"python": sys.executable, "keras": "k"}})
    assert message == '`keras` does not take the text "k"'
