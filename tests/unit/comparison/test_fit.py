"""Training from equal weights on equal data: which models train alike, and which do not."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from layerlens.report.training import FitRow

pytestmark = pytest.mark.usefixtures("backend")

FIT: dict[str, Any] = {"loss": "mse", "optimizer": "adam", "samples": 12, "batch_size": 4}
SEQUENCE = {"SimpleRNN": {"units": 3, "return_sequences": True}}


class Fitted:
    """The rows of one `fit:`, and the models as they were left."""

    def __init__(self, models: Mapping[str, Any], twins: bool = True, **given: Any) -> None:
        from layerlens.comparison.fit import fit_models
        from layerlens.models.build_model import build_model
        from layerlens.models.variants import ModelVariants
        from layerlens.scenario.options import RunOptions
        from layerlens.scenario.reading.scenarios import scenario_from_mapping

        key = {"input": given.pop("input", {"shape": [3, 2]})}
        mapping = {**key, "models": dict(models), "fit": {**FIT, **given}}
        (scenario,) = scenario_from_mapping(mapping)
        assert scenario.fit is not None
        self.built = {m.name: build_model(m, scenario.inputs_of(m)) for m in scenario.models}
        self.before = {name: self.weights(name) for name in self.built}
        rows = fit_models(
            self.built,
            scenario.reference,
            scenario.fit,
            seed=3,
            variants=ModelVariants(scenario, RunOptions()) if twins else None,
        )
        self.rows = {row.model: row for row in rows}

    def weights(self, name: str) -> list[np.ndarray]:
        return [np.array(weight) for weight in self.built[name].model.get_weights()]

    def __getitem__(self, name: str) -> FitRow:
        return self.rows[name]


def test_same_function_trains_alike_and_another_does_not() -> None:
    fitted = Fitted(
        {
            "td": [SEQUENCE, {"TimeDistributed": {"layer": {"Dense": 4}}}],
            "dense": [SEQUENCE, {"Dense": 4}],
            "relu": [SEQUENCE, {"Dense": {"units": 4, "activation": "relu"}}],
        },
        epochs=2,
    )
    assert fitted["td"].alike is None
    assert len(fitted["td"].losses) == 2
    assert fitted["dense"].alike is True
    assert fitted["dense"].weights_max_abs is not None
    assert fitted["relu"].alike is False
    assert fitted["relu"].loss_max_abs > 1e-4  # type: ignore[operator]


def test_small_real_difference_is_not_taken_for_rounding() -> None:
    fitted = Fitted(
        {
            "one": [{"LayerNormalization": {"epsilon": 1e-6}}, {"Dense": 2}],
            "same": [{"LayerNormalization": {"epsilon": 1e-6}}, {"Dense": 2}],
            "other": [{"LayerNormalization": {"epsilon": 1.1e-6}}, {"Dense": 2}],
        }
    )
    assert fitted["same"].alike is True
    assert fitted["other"].alike is False
    assert fitted["other"].weights_max_abs < 1e-2  # type: ignore[operator]


@pytest.mark.nightly
def test_dropout_has_the_same_seed_in_every_model() -> None:
    def chain(rate: float) -> list[Any]:
        return [{"Dense": 8}, {"Dropout": rate}, {"Dense": 2}]

    fitted = Fitted({"one": chain(0.5), "same": chain(0.5), "more": chain(0.6)})
    assert fitted["same"].loss_max_abs == 0
    assert fitted["more"].alike is False


def test_training_leaves_weights_random_state_and_default_dtype_alone() -> None:
    import keras

    state, floatx = random.getstate(), keras.config.floatx()
    fitted = Fitted(
        {"one": [{"Dense": 2}], "other": [{"Conv1D": {"filters": 2, "kernel_size": 1}}]}
    )
    assert fitted["other"].alike is True
    assert (random.getstate(), keras.config.floatx()) == (state, floatx)
    for name, before in fitted.before.items():
        for one, other in zip(before, fitted.weights(name), strict=True):
            assert np.array_equal(one, other), f"training changed a weight of {name}"
        assert not fitted.built[name].model.compiled


def test_weights_that_cannot_be_carried_leave_losses_alone() -> None:
    fitted = Fitted({"one": [{"Dense": 2}], "other": [{"Dense": 3}, {"Dense": 2}]})
    row = fitted["other"]
    assert len(row.losses) == 1
    assert (row.loss_max_abs, row.weights_max_abs, row.alike) == (None, None, None)


def test_without_float64_only_equal_to_the_bit_is_alike() -> None:
    models = {
        "one": [{"Dense": 2}],
        "same": [{"Dense": 2}],
        "other": [{"Dense": {"units": 2, "activation": "tanh"}}],
    }
    fitted = Fitted(models, twins=False)
    assert fitted["same"].alike is True
    assert fitted["other"].alike is None


def test_target_of_another_rank_is_refused_before_keras_runs() -> None:
    pooled = [{"Dense": 4}, {"GlobalAveragePooling1D": None}]
    fitted = Fitted({"seq": [{"Dense": 4}], "last": pooled}, target={"shape": [3, 4]})
    assert fitted["seq"].error is None
    error = fitted["last"].error
    assert error is not None
    assert error.message == (
        "the target's rank differs from the output's: target (None, 3, 4), output (None, 4)"
    )
    assert "`return_sequences: true`" in (error.hint or "")
    assert fitted["last"].losses == ()


def test_own_target_of_one_model() -> None:
    pooled = [{"Dense": 4}, {"GlobalAveragePooling1D": None}]
    fitted = Fitted(
        {"seq": [{"Dense": 4}], "last": pooled},
        target={"shape": [3, 4]},
        targets={"last": {"shape": [4]}},
    )
    assert fitted["last"].alike is False
    assert fitted["last"].error is None
    assert len(fitted["last"].losses) == 1


def test_variable_length_is_what_the_target_says() -> None:
    fitted = Fitted(
        {"seq": [{"Dense": 3}], "same": [{"Dense": 3}]},
        input={"shape": [None, 2]},
        target={"shape": [6, 3]},
    )
    assert fitted["same"].alike is True


def test_selected_output_is_what_is_trained() -> None:
    fitted = Fitted(
        {
            "last": [{"SimpleRNN": 3}],
            "selected": {"layers": [SEQUENCE], "select": "[:, -1]"},
            "samples": {"layers": [SEQUENCE], "select": "[0]"},
        }
    )
    assert fitted["selected"].alike is True
    assert "removes samples" in fitted["samples"].error.message  # type: ignore[union-attr]


def test_a_refusal_of_keras_to_train_is_reported() -> None:
    models = {
        "one": [{"Embedding": {"input_dim": 4, "output_dim": 2}}],
        "other": [{"Embedding": {"input_dim": 4, "output_dim": 2}}],
    }
    tokens = {"shape": [5], "dtype": "int32", "low": 0, "high": 40}
    error = Fitted(models, input=tokens)["one"].error
    assert error is not None
    assert error.layer == "embedding"
    assert "is not in [0, 4)" in error.message


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (
            {"loss": "mean_square_error"},
            "there is no loss `mean_square_error`",
            "mean_squared_error",
        ),
        ({"optimizer": "adaam"}, "there is no optimizer `adaam`", "`adam`"),
    ],
)
def test_unknown_names(given: dict[str, str], message: str, hint: str) -> None:
    from layerlens.comparison.fit import fit_models
    from layerlens.scenario.spec import FitSpec

    built = Fitted({"one": [{"Dense": 2}], "other": [{"Dense": 2}]}).built
    (row, _) = fit_models(built, "one", FitSpec(**{"loss": "mse", **given}), seed=0)
    assert row.error is not None
    assert row.error.message == message
    assert hint in (row.error.hint or "")


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_classes_train(loss: str) -> None:
    chain = [{"Flatten": None}, {"Dense": {"units": 3, "activation": "softmax"}}]
    fitted = Fitted({"one": chain, "same": chain}, loss=loss)
    assert fitted["same"].alike is True
    assert 0 < fitted["one"].losses[0] < 20
