from __future__ import annotations

import json
import platform
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import layerlens
from layerlens.errors import ScenarioError, UsageError
from layerlens.report.pairs import PairReport
from layerlens.run.report import Report
from layerlens.scenario.spec import InputSpec

pytestmark = pytest.mark.usefixtures("backend")

INPUT = InputSpec("input", (4,))
SCENARIO = {
    "input": {"shape": [4]},
    "models": {"one": [{"Dense": 3}], "other": [{"Dense": {"units": 3, "activation": "relu"}}]},
}


def dense(units: int = 3, activation: str | None = None) -> Any:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation=activation)])


def only_pair(report: Report) -> PairReport:
    (scenario,) = report.scenarios
    assert scenario.errors == ()
    (pair,) = scenario.pairs
    return pair


def said(caught: pytest.ExceptionInfo[UsageError]) -> tuple[str, str]:
    """The message of a UsageError, and a part of its hint."""
    assert caught.value.hint
    return caught.value.message, caught.value.hint


# --- what can be compared -------------------------------------------------------------------------


def test_two_models_are_reference_and_candidate() -> None:
    pair = only_pair(layerlens.compare(dense(), dense()))
    assert (pair.reference, pair.candidate, pair.mode) == ("reference", "candidate", "inference")
    assert pair.verdict == "equivalent"
    assert only_pair(layerlens.compare(dense(), dense(3, "relu"))).verdict == "different"


def test_a_report_has_the_versions_it_was_made_with() -> None:
    import tensorflow as tf

    assert layerlens.compare(dense(), dense()).to_dict()["environment"] == {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": keras.config.backend(),
        "backend_version": tf.__version__,
        "platform": platform.platform(),
    }


def test_a_list_of_models_is_the_same_as_several_arguments(tmp_path: Path) -> None:
    report = layerlens.compare([dense(), dense(), dense(5)], seed=np.int64(3))  # type: ignore
    assert [pair.candidate for pair in report.scenarios[0].pairs] == ["candidate", "candidate_2"]
    for name in ("one.keras", "other.keras"):
        dense().save(tmp_path / name)
    saved = layerlens.compare([tmp_path / "one.keras", str(tmp_path / "other.keras")])
    assert (only_pair(saved).candidate, only_pair(saved).verdict) == ("candidate", "equivalent")
    tables = layerlens.summary([dense(), dense(5)]).scenarios[0]
    assert {model.name: model.params for model in tables.models} == {"model": 15, "model_2": 25}


def test_a_model_may_be_named_models() -> None:
    report = layerlens.compare({"models": dense(), "other": dense()})
    assert [model.name for model in report.scenarios[0].models] == ["models", "other"]


def test_a_mapping_names_the_models_and_reference_chooses_one() -> None:
    models = {"plain": dense(), "relu": dense(3, "relu"), "wide": dense(5)}
    report = layerlens.compare(models, reference="relu")
    assert [(p.reference, p.candidate, p.verdict) for p in report.scenarios[0].pairs] == [
        ("relu", "plain", "different"),
        ("relu", "wide", "shape_mismatch"),
    ]


def test_layers_are_built_with_the_inputs_argument() -> None:
    linear = keras.layers.Dense(3, activation="linear")
    assert only_pair(layerlens.compare(keras.layers.Dense(3), linear, inputs=[4])).verdict == (
        "equivalent"
    )
    two = {"left": [3], "right": {"shape": [3]}}
    pair = only_pair(layerlens.compare(keras.layers.Add(), keras.layers.Subtract(), inputs=two))
    assert pair.verdict == "different"
    assert set(pair.counterexample.input) == {"left", "right"}  # type: ignore[union-attr]


@pytest.mark.parametrize("inputs", [(4,), {"shape": [4]}, [INPUT], {"values": [[1, 2, 3, 4]]}])
def test_inputs_are_a_shape_a_mapping_or_specs(inputs: Any) -> None:
    report = layerlens.summary(keras.layers.Dense(3), inputs=inputs)
    assert report.scenarios[0].models[0].params == 15


def test_callables_are_called_for_their_model() -> None:
    assert only_pair(layerlens.compare(dense, lambda: dense(3, "relu"))).verdict == "different"


def test_saved_models_are_read(tmp_path: Path) -> None:
    model = dense()
    model.save(tmp_path / "saved.keras")
    assert only_pair(layerlens.compare(model, tmp_path / "saved.keras")).verdict == "equivalent"
    assert layerlens.summary(tmp_path / "saved.keras").scenarios[0].models[0].params == 15


def test_paths_are_read_as_the_command_reads_them(tmp_path: Path) -> None:
    text = "input: {shape: [4]}\nmodels: {one: [Dense: 3], other: [Dense: 3]}\n"
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(text.replace("other: [Dense: 3]", "other: [Dense: 2]"))
    for source in (tmp_path, [tmp_path / "a.yaml", str(tmp_path / "b.yaml")]):
        report = layerlens.compare(source)
        assert [Path(one.path).name for one in report.scenarios] == ["a.yaml", "b.yaml"]
        assert [one.pairs[0].verdict for one in report.scenarios] == [
            "equivalent",
            "shape_mismatch",
        ]


def test_a_scenario_may_be_a_mapping() -> None:
    assert only_pair(layerlens.compare(SCENARIO)).verdict == "different"
    with pytest.raises(ScenarioError) as caught:
        layerlens.compare({**SCENARIO, "mode": "training"})
    assert "unknown key `mode`" in caught.value.message


# --- how ------------------------------------------------------------------------------------------


def test_the_expected_verdict_decides_the_status() -> None:
    held = layerlens.compare(dense(), dense(), expect="equivalent")
    assert held.status == "pass"
    failed = layerlens.compare(dense(), dense(), expect="different")
    assert failed.status == "fail"
    (row,) = failed.scenarios[0].expectations
    assert (row.subject, row.expected, row.actual, row.held) == (
        "reference==candidate[inference]",
        "different",
        "equivalent",
        False,
    )


def test_a_tolerance_replaces_the_derived_one() -> None:
    nearly = keras.Sequential([dense(), keras.layers.Rescaling(1.001)])
    assert only_pair(layerlens.compare(dense(), nearly)).verdict == "different"
    wide = layerlens.compare(dense(), nearly, tolerance=(0.01, 0.01))
    assert only_pair(wide).verdict == "equivalent"
    narrow = layerlens.compare(dense(), nearly, tolerance=(1e-4, 0))
    assert only_pair(narrow).verdict == "different"


def test_transfer_none_keeps_the_weights_of_each_model() -> None:
    assert only_pair(layerlens.compare(dense(), dense(), transfer="none")).verdict == "different"


def test_transfer_takes_a_mapping() -> None:
    def named(name: str) -> Any:
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name=name)])

    turned = {"from": "a/kernel", "to": "b/kernel", "transpose": [1, 0]}
    report = layerlens.compare(named("a"), named("b"), transfer={"pairs": [turned]})
    pair = only_pair(report)
    assert pair.verdict == "different"
    assert pair.transfer is not None
    assert (pair.transfer.method, pair.transfer.changes) == ("mapping", ("transpose: [1, 0]", None))
    with pytest.raises(ScenarioError, match="`pairs` of `transfer` is missing"):
        layerlens.compare(named("a"), named("b"), transfer={})


def test_each_mode_has_its_verdict() -> None:
    dropped = keras.Sequential([dense(), keras.layers.Dropout(0.5)])
    report = layerlens.compare(dense(), dropped, mode=["inference", "training"])
    assert [(p.mode, p.verdict) for p in report.scenarios[0].pairs] == [
        ("inference", "equivalent"),
        ("training", "different"),
    ]


def test_the_same_seed_gives_the_same_report() -> None:
    models = dense(), dense(3, "relu")
    one, again, other = (
        only_pair(layerlens.compare(*models, seed=seed)) for seed in (3, 3, 4)
    )  # fmt: skip
    assert one == again
    assert (one.max_abs, one.verdict) != (other.max_abs, other.verdict)
    assert one.verdict == other.verdict


def test_a_report_can_be_written_and_turned_into_frames() -> None:
    report = layerlens.compare(dense(), dense())
    assert report.to_dict()["scenarios"][0]["pairs"][0]["verdict"] == "equivalent"
    assert report.to_dataframe()["verdict"].tolist() == ["equivalent"]
    assert "equivalent" in report._repr_html_()


def test_a_report_has_text_and_html_representations() -> None:
    from rich.console import Console

    report = layerlens.compare({"one": dense(), "relu": dense(3, "relu")}, expect="equivalent")
    assert repr(report) == "<Report: fail, scenarios: 1, verdicts: ['different']>"
    assert "relu against one: DIFFERENT, expected equivalent" in str(report)
    with (
        console := Console(width=60, force_terminal=True, color_system="standard")
    ).capture() as c:
        console.print(report)
    shown = c.get()
    assert "\x1b[1;31mDIFFERENT" in shown
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert max(map(len, plain.splitlines())) == 60
    assert "relu against one: DIFFERENT, expected equivalent" in plain
    assert "<table" in report._repr_html_()


def test_each_kind_of_frame_has_its_documented_columns() -> None:
    from layerlens.report.rows import COLUMNS

    report = layerlens.compare(dense(), dense(3, "relu"))
    for kind, columns in COLUMNS.items():
        frame = report.to_dataframe(kind)
        assert tuple(frame.columns) == columns
        assert len(frame)
    assert report.to_dataframe("layers")["params"].tolist() == [15, 15]
    assert json.loads(report.to_json()) == report.to_dict()
    assert report.to_markdown().startswith("## reference vs candidate")
    assert report.to_html().startswith("<!DOCTYPE html>")


CALLER = """
from pathlib import Path

import layerlens
from layerlens.testing.assertions import Assertions
from layerlens.report.pairs import PairReport

report = layerlens.compare(Path("a.yaml"), seed=3)
pairs: list[PairReport] = [pair for one in report.scenarios for pair in one.pairs]
verdicts: list[str] = [pair.verdict for pair in pairs]
rows: int = len(report.to_dataframe("layers"))
text: str = report.to_json() + report.to_markdown() + report.to_html()
layerlens.summary("model.keras")


def test_it(layerlens: Assertions) -> None:
    layerlens.assert_equivalent("a.keras", "b.keras", tolerance=(1e-5, 1e-8), mode="training")
    layerlens.assert_shapes("a.yaml::td", (None, 64, 15))
"""


def test_the_public_names_are_typed(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    place = tmp_path / "caller.py"
    place.write_text(CALLER)
    options = ["--strict", "--cache-dir", str(tmp_path / "cache"), "--follow-imports=silent"]
    assert api.run([*options, str(place)])[0] == "Success: no issues found in 1 source file\n"
    place.write_text(CALLER + 'layerlens.compare("a.yaml", seed="3")\nlayerlens.compared()\n')
    told = api.run([*options, str(place)])[0]
    assert 'Argument "seed" to "compare" has incompatible type "str"' in told
    assert 'Module has no attribute "compared"' in told


# --- what is left alone ---------------------------------------------------------------------------


def trained() -> Any:
    """A compiled model with weights, statistics, states and an optimizer of its own."""
    model = keras.Sequential(
        [
            keras.Input((4, 2), batch_size=4),
            keras.layers.SimpleRNN(3, return_sequences=True, stateful=True),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2),
        ]
    )
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((4, 4, 2)), np.zeros((4, 4, 2)))
    return model


def state_of(model: Any) -> list[Any]:
    found = [*model.variables, *model.optimizer.variables]
    found += [state for layer in model.layers for state in getattr(layer, "states", None) or ()]
    return [np.array(variable) for variable in found]


@pytest.fixture
def float16_policy() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)


def test_models_keep_their_weights_states_and_optimizer() -> None:
    models = trained(), trained()
    before = [state_of(model) for model in models]
    names = [[layer.name for layer in model.layers] for model in models]
    layerlens.compare(*models, mode="training")
    for model, values, layers in zip(models, before, names, strict=True):
        assert [layer.name for layer in model.layers] == layers
        for now, then in zip(state_of(model), values, strict=True):
            np.testing.assert_array_equal(now, then)
    models[0].train_on_batch(np.ones((4, 4, 2)), np.zeros((4, 4, 2)))
    assert any(  # what was compared here can be seen to change
        not np.array_equal(now, then)
        for now, then in zip(state_of(models[0]), before[0], strict=True)
    )


def test_an_unbuilt_layer_stays_unbuilt() -> None:
    layer = keras.layers.Dense(3)
    layerlens.compare(layer, keras.layers.Dense(3), inputs=[4])
    assert not layer.built
    assert layer.weights == []


@pytest.mark.usefixtures("float16_policy")
def test_the_process_keeps_its_policy_seeds_and_names() -> None:
    import tensorflow as tf
    from keras.src.backend.common.global_state import get_global_attribute

    keras.utils.set_random_seed(7)
    tf_before = tf.random.uniform([3]).numpy()
    keras.utils.set_random_seed(7)
    keras.random.uniform([3])  # makes Keras' generator, if nothing has yet
    generator = get_global_attribute("global_seed_generator")
    keras_before = np.array(generator.state)
    count = _number(keras.layers.Identity().name)
    state, numpy_state = random.getstate(), np.random.get_state()[1].copy()  # type: ignore
    layerlens.compare(SCENARIO)
    assert keras.config.dtype_policy().name == "mixed_float16"
    assert keras.config.floatx() == "float32"
    assert random.getstate() == state
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # type: ignore
    np.testing.assert_array_equal(tf.random.uniform([3]).numpy(), tf_before)
    assert get_global_attribute("global_seed_generator") is generator
    np.testing.assert_array_equal(np.array(generator.state), keras_before)
    assert _number(keras.layers.Identity().name) == count + 1


def _number(name: str) -> int:
    return int(name.rpartition("_")[2]) if "_" in name else 0


# --- summary --------------------------------------------------------------------------------------


def test_a_summary_has_the_tables_and_no_pairs() -> None:
    report = layerlens.summary({"a": dense(), "b": keras.layers.Dense(2)}, inputs=[4])
    (scenario,) = report.scenarios
    assert [(model.name, model.params) for model in scenario.models] == [("a", 15), ("b", 10)]
    assert scenario.pairs == ()
    assert layerlens.summary(SCENARIO).scenarios[0].models[1].output_shape == (None, 3)
    one = {"input": {"shape": [4]}, "models": {"only": ["ReLU"]}}
    assert layerlens.summary(one).scenarios[0].models[0].params == 0


def test_a_summary_allocates_nothing() -> None:
    huge = [{"Dense": 2_000_000}, {"Dense": 2_000_000}]  # 16 TB
    report = layerlens.summary({"input": {"shape": [4]}, "models": {"huge": huge}})
    assert report.scenarios[0].models[0].params == 4_000_012_000_000


# --- what makes no sense --------------------------------------------------------------------------

MODELS_HINT = (
    "a model is a Keras model, a layer, a callable that returns one, the path of a saved "
    ".keras, .h5, .hdf5, .json, .onnx, .tflite, .npz, or the text "
    "`path/to/file.py:callable` or `module:callable`"
)


@pytest.mark.parametrize(
    ("sources", "arguments", "message", "hint"),
    [
        (
            [dense],
            {},
            "there is nothing to compare: 1 model was given",
            "give two or more models, one after the other or by name in a mapping",
        ),
        (
            [{}],
            {},
            "there is nothing to compare: no model was given",
            "give two or more models, one after the other or by name in a mapping",
        ),
        ([dense, 3], {}, "'candidate' is of type int, which is not a model", MODELS_HINT),
        ([[dense, 3]], {}, "'candidate' is of type int, which is not a model", MODELS_HINT),
        ([dense, [dense]], {}, "'candidate' is of type list, which is not a model", MODELS_HINT),
        (
            ["a.keras"],
            {},
            "there is nothing to compare: 1 model was given",
            "give two or more models, one after the other or by name in a mapping",
        ),
        (
            [dense, dense],
            {"inputs": [[4], [4]]},
            "inputs=[[4], [4]] is not the shape of one input",
            "name several, as in inputs={'x': [4], 'y': [4]}",
        ),
        ([dense, "a.yaml"], {}, "'candidate' is 'a.yaml', which is not a model", MODELS_HINT),
        (
            [{"a": dense}, dense],
            {},
            "a mapping of models and more models were given",
            "put every model into the mapping",
        ),
        (
            [dense, dense],
            {"reference": "candidat"},
            "reference='candidat' is not one of the models 'reference', 'candidate'",
            "did you mean `candidate`?",
        ),
        (
            [dense, dense],
            {"mode": "train"},
            "mode='train' is not allowed",
            "did you mean `training`?",
        ),
        (
            [dense, dense],
            {"mode": []},
            "mode= is not a mode",
            "give one or both of inference, training",
        ),
        (
            [dense, dense],
            {"transfer": "by_nam"},
            "transfer='by_nam' is not allowed",
            "did you mean `by_name`?",
        ),
        (
            ["a.yaml"],
            {"expect": "equal"},
            "expect='equal' is not allowed",
            "did you mean `equivalent`?",
        ),
        (
            [dense, dense],
            {"tolerance": 1e-3},
            "tolerance=0.001 is not a tolerance",
            "give (rtol, atol), two numbers of at least 0, or omit it",
        ),
        (
            [dense, dense],
            {"tolerance": (0.1, -1)},
            "tolerance=(0.1, -1) is not a tolerance",
            "give (rtol, atol), two numbers of at least 0, or omit it",
        ),
        (
            [dense, dense],
            {"seed": -1},
            "seed=-1 is not a seed",
            "give an integer from 0 to 18446744073709551615",
        ),
        (
            [dense, dense],
            {"inputs": 4},
            "inputs=4 is not an input",
            "give the shape of one sample, as in inputs=[64, 15], or a mapping of several",
        ),
        (
            [dense, dense],
            {"inputs": {"shape": [4], "dtype": "flot32"}},
            'inputs=: `dtype` does not take the text "flot32"',
            "did you mean `float32`?",
        ),
        (
            [dense, dense],
            {"inputs": {"shape": [4], "dtype": "int32", "low": 5, "high": 2}},
            "inputs=: `low` has to be less than `high`; received 5 and 2",
            "`high` is excluded, as in NumPy",
        ),
        (
            [SCENARIO],
            {"mode": "training"},
            "mode= applies to models, not to a scenario file",
            "write `modes:` in the scenario, or pass the models",
        ),
        (
            ["a.yaml"],
            {"inputs": [4]},
            "inputs= applies to models, not to a scenario file",
            "write `input:` in the scenario, or pass the models",
        ),
    ],
)
def test_invalid_arguments_are_refused_with_a_hint(
    sources: list[Any], arguments: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        layerlens.compare(*sources, **arguments)
    assert said(caught) == (message, hint)


def test_a_layer_without_inputs_is_refused_before_it_is_built() -> None:
    with pytest.raises(UsageError) as caught:
        layerlens.compare(keras.layers.Dense(2), keras.layers.Dense(2))
    assert said(caught) == (
        "'reference' is a Dense layer, which has no input",
        "give inputs=, the shape of one sample, as in inputs=[64, 15]",
    )


def test_a_summary_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        layerlens.summary({})
    assert said(caught) == ("there is nothing to summarize: no model was given", MODELS_HINT)


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file or folder .*nowhere"):
        layerlens.compare(tmp_path / "nowhere")


def test_no_package_hides_a_public_name() -> None:
    """A package that is imported becomes an attribute, and would hide a function of its name."""
    folder = Path(layerlens.__file__).parent
    assert not [name for name in layerlens.__all__ if (folder / name).exists()]


def test_a_subclassed_model_without_inputs_asks_for_pythons_argument() -> None:
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    fresh, used = Net(), Net()
    used(np.ones((3, 8), "float32"))
    (scenario,) = layerlens.compare(fresh, used).scenarios
    errors = [model.error for model in scenario.models]
    assert [error and error.message for error in errors] == [
        "`Net` does not say what input it takes",
        "`Net` does not say what input it takes; it was built for one of shape (3, 8)",
    ]
    assert [error and error.hint for error in errors] == [
        "pass the shape of one sample as `inputs=`, such as `inputs=(2,)`",
        "pass the shape of one sample as `inputs=`, such as `inputs=(8,)`",
    ]
    (pair,) = scenario.pairs
    assert pair.explanation.startswith("`reference` cannot be built: `Net` does not say")
    (scenario,) = layerlens.compare(fresh, used, inputs=(8,)).scenarios
    assert [pair.verdict for pair in scenario.pairs] == ["equivalent"]


def test_a_layer_told_its_mode_is_not_proved() -> None:
    """`model(x)` keeps the mode that a layer was told, and `predict` does not."""

    def model(**told: bool) -> Any:
        given = keras.Input((3,))
        return keras.Model(given, keras.layers.Dropout(0.5)(given, **told))

    ((told,), (plain,)) = (
        layerlens.compare(model(), one).scenarios[0].pairs
        for one in (model(training=True), model())
    )
    assert told.verdict == "different"  # `model(x)` and `predict` disagree
    assert "called with `training=True`" in told.explanation
    assert plain.strength == "certified"


def test_augmentation_is_judged_as_predict_runs_it() -> None:
    """Keras' augmentation layers train by default, so that `model(x)` augments."""
    given = keras.Input((4, 4, 3))
    plain, augmented = (
        keras.Model(given, layer(given))
        for layer in (keras.layers.Identity(), keras.layers.RandomFlip("horizontal"))
    )
    (pair,) = layerlens.compare(plain, augmented).scenarios[0].pairs
    assert (pair.verdict, pair.strength) == ("equivalent", "certified")
    assert "runs in training mode by default" in pair.explanation


def test_a_layer_may_hold_a_kernel_size_that_is_one_number() -> None:
    class Block(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.kernel_size = 3
            self.conv = keras.layers.Conv1D(2, 3, dilation_rate=16, padding="causal")

        def call(self, inputs: Any) -> Any:
            return self.conv(inputs)

    def model() -> Any:
        given = keras.Input((None, 2))
        return keras.Model(given, Block()(given))

    (scenario,) = layerlens.compare(model(), model()).scenarios
    assert scenario.errors == ()
    assert scenario.pairs[0].verdict == "equivalent"
