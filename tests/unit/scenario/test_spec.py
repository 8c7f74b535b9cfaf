"""Look-ups in a scenario that was read."""

from __future__ import annotations

from layerlens.scenario.spec import Expectations, InputSpec, ModelSpec, Scenario


def test_candidates_are_all_but_the_reference_in_order() -> None:
    models = tuple(ModelSpec(name, "layers") for name in "abc")
    scenario = Scenario("a.yaml", "A", models, reference="b")
    assert [model.name for model in scenario.candidates] == ["a", "c"]
    assert scenario.model("b") is models[1]


def test_a_models_own_inputs_replace_those_of_the_scenario() -> None:
    shared, own = (InputSpec("input", (4,)),), (InputSpec("x", (2,)),)
    first, second = ModelSpec("a", "layers"), ModelSpec("b", "layers", inputs=own)
    scenario = Scenario("a.yaml", "A", (first, second), reference="a", inputs=shared)
    assert scenario.inputs_of(first) == shared
    assert scenario.inputs_of(second) == own


def test_an_expectation_is_at_its_own_place_or_that_of_the_mapping_around_it() -> None:
    expectations = Expectations(places={("models",): (3, 1), ("models", "a", "params"): (5, 9)})
    assert expectations.place(("models", "a", "params")) == (5, 9)
    assert expectations.place(("models", "a", "output_shape")) == (3, 1)
    assert expectations.place(("verdicts", "b")) == (None, None)


def test_integers_are_told_by_their_dtype() -> None:
    assert InputSpec("x", (), dtype="uint8").is_integer
    assert not InputSpec("x", (), dtype="float32").is_integer
