from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerlens.comparison.examination import Examination
from layerlens.comparison.probe_plan import examine
from layerlens.explain.difference_check import DifferenceCheck
from layerlens.explain.script import Reproduction, early_script, repro_script, script_of
from layerlens.explain.shrink import shrink
from layerlens.models.build_model import build_model
from layerlens.numerics.judge import judge
from layerlens.numerics.observation import CallRefusal
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.report.layers import ModelError
from layerlens.report.pairs import PairReport
from layerlens.scenario.spec import InputSpec, ModelSpec, NodeSpec, Scenario
from tests.unit.tables.pairs import Seen, chain, input_of, layer, seen, sides

pytestmark = pytest.mark.usefixtures("backend")


def _reproduction(found: Seen) -> Reproduction:
    given = (found.reference, found.candidate, found.weights_reference, found.weights_candidate)
    shown = shrink(*given, found.witness, residue=False)
    names = found.reference.name, found.candidate.name
    specs = (found.reference.built.spec, found.candidate.built.spec)
    scenario = Scenario("pair.yaml", 'A title with """ in it', specs, names[0])
    report = PairReport(
        *names, "inference", "different", None, "They differ.", counterexample=shown
    )
    return Reproduction(scenario, report, DifferenceCheck(*given, found.witness, residue=False))


def _script(reference: ModelSpec, candidate: ModelSpec, *inputs: InputSpec, **more: Any) -> str:
    return repro_script(_reproduction(seen(reference, candidate, *inputs, **more)))


def _run(script: str) -> float:
    """Run a script in this process and return the greatest difference it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "repro.py", "exec"), {"__name__": "__main__"})
    found = re.search(r"^greatest difference: (\S+)$", printed.getvalue(), re.MULTILINE)
    assert found, printed.getvalue()
    return float(found[1])


DENSE = layer("Dense", units=4)


def test_the_script_runs_by_itself_and_shows_the_difference(tmp_path: Path) -> None:
    script = _script(
        chain("relu", DENSE, layer("ReLU")),
        chain("relu6", DENSE, layer("ReLU", max_value=6.0)),
        input_of(8),
    )
    assert "layerlens" not in "\n".join(re.findall(r"^(?:import|from) .*$", script, re.MULTILINE))
    compile(script, "repro.py", "exec")
    path = tmp_path / "repro.py"
    path.write_text(script, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    (difference,) = re.findall(r"^greatest difference: (\S+)$", ran.stdout, re.MULTILINE)
    assert float(difference) > 1e-3
    assert re.search(r"^at \[0, \d\]: \S+ against 6\.0$", ran.stdout, re.MULTILINE)


def test_weights_have_no_more_digits_than_they_need() -> None:
    script = _script(
        chain("one", DENSE, layer("Activation", activation="gelu")),
        chain("other", DENSE, layer("Activation", activation="silu")),
        input_of(3),
    )
    written = script.split("weights = [")[1].split("]\n]")[0]
    assert not re.search(r"\d\.\d*[1-9]\d*[1-9]", written)
    assert _run(script) > 1e-3


def test_many_weights_are_drawn_with_a_seed() -> None:
    wide = layer("Dense", units=64)
    script = _script(
        chain("one", wide, layer("BatchNormalization")),
        chain("other", wide, layer("BatchNormalization", epsilon=0.1)),
        input_of(32),
    )
    assert "np.random.default_rng(0)" in script
    assert len(script) < 3000
    assert _run(script) > 1e-3


def test_weights_in_another_layout_are_reshaped() -> None:
    script = _script(
        chain("one", DENSE, layer("Softmax")),
        chain("other", layer("Conv1D", filters=4, kernel_size=1), layer("Softmax", axis=1)),
        input_of(3, 2),
    )
    assert "weights[0].reshape((1, 2, 4))" in script
    assert _run(script) > 1e-3


def _graph(name: str, merge: str) -> ModelSpec:
    nodes = (
        NodeSpec("a", layer("GRU", units=3, return_state=True), ("left",)),
        NodeSpec("b", layer("GRU", units=3), ("right", "a:1")),
        NodeSpec("class", layer("Dense", units=3), ("b",)),
        NodeSpec("again", None, ("a:0",), share="class"),
        NodeSpec("joined", layer(merge), ("class", "again")),
    )
    return ModelSpec(name, "graph", nodes=nodes, outputs=("joined",))


@pytest.mark.nightly
def test_a_graph_with_shared_layers_states_and_several_inputs() -> None:
    script = _script(
        _graph("one", "Add"),
        _graph("other", "Subtract"),
        input_of(4, 2, name="left"),
        input_of(4, 2, name="right"),
    )
    assert "initial_state=[a[1]]" in script
    assert _run(script) > 1e-3


@pytest.mark.nightly
def test_select_wrappers_cells_and_integer_inputs() -> None:
    embedding = layer("Embedding", input_dim=9, output_dim=3)
    stacked = layer(
        "RNN", cell=[layer("GRUCell", units=2), layer("GRUCell", units=2)], return_sequences=True
    )
    script = _script(
        chain("one", embedding, stacked, select="[:, -1]"),
        chain("other", embedding, stacked, select="[:, 0]"),
        InputSpec("tokens", (5,), "int32", low=0, high=9),
    )
    assert 'keras.Input((5,), dtype="int32", name="tokens")' in script
    assert _run(script) > 1e-3
    both = layer("Bidirectional", layer=layer("RNN", cell=layer("GRUCell", units=2)))
    script = _script(
        chain("one", replace(both, arguments={**both.arguments, "merge_mode": "sum"})),
        chain("other", replace(both, arguments={**both.arguments, "merge_mode": "ave"})),
        input_of(4, 2),
    )
    assert _run(script) > 1e-3


def test_training_with_its_random_numbers_and_a_policy() -> None:
    script = _script(
        chain("one", layer("Dropout", rate=0.5)),
        chain("other", layer("Dropout", rate=0.2)),
        input_of(6),
        training=True,
    )
    assert "training=True" in script
    assert _run(script) > 1e-3
    script = _script(
        chain("one", DENSE, dtype="mixed_bfloat16"),
        chain("other", layer("Dense", units=4, activation="relu"), dtype="mixed_bfloat16"),
        input_of(3),
    )
    assert script.count('keras.config.set_dtype_policy("mixed_bfloat16")') == 2
    try:
        assert _run(script) > 1e-3
    finally:
        import keras

        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("kind", ["BatchNormalization", "Dropout"])
def test_a_layer_keeps_the_mode_that_it_was_called_with(kind: str) -> None:
    told = layer(kind, **({"rate": 0.5} if kind == "Dropout" else {}))
    script = _script(
        chain("plain", told, DENSE),
        chain("told", replace(told, call={"training": True}), DENSE),
        input_of(4),
    )
    assert "model(x)" in script
    assert _run(script) > 1e-3


def test_a_large_input_with_few_entries_is_written_by_them() -> None:
    script = _script(
        chain("one", layer("MaxPooling2D")),
        chain("other", layer("AveragePooling2D", pool_size=2)),
        input_of(32, 32, 3),
    )
    assert "np.zeros((1, 32, 32, 3)" in script
    assert len(script) < 2500
    assert _run(script) > 1e-3


def test_a_model_against_itself_is_called_in_both_ways() -> None:
    import keras
    import tensorflow as tf

    @keras.saving.register_keras_serializable("layerlens-tests")
    class Straying(keras.layers.Layer):
        def call(self, given: Any) -> Any:
            return given + 1.0 if tf.executing_eagerly() else given

    plain = layer("ReLU")
    one, other = sides(chain("one", plain), chain("two", plain), input_of(3))
    for runner in (one.working, one.float64, other.working, other.float64):
        dtype = runner.built.model.inputs[0].dtype
        given = keras.Input((3,), dtype=dtype)
        spec = replace(runner.built.spec, form="object")
        model = keras.Model(given, Straying(dtype=dtype)(given))
        runner.built = replace(runner.built, model=model, spec=spec)
    work = Examination(one, other, pair_weights((), ()), 0)
    witness = judge(examine(work).observations).witness
    assert witness is not None
    script = repro_script(_reproduction(Seen(one, other, (), (), witness)))
    assert "eager(model)" in script
    assert "traced_dynamic(model)" in script
    assert _run(script) == 1.0


def test_a_script_that_builds_one_model_twice_shows_nothing() -> None:
    """What the other tests rely on: without a difference, none is printed."""
    script = _script(
        chain("one", layer("ReLU")), chain("other", layer("ReLU", max_value=6.0)), input_of(3)
    )
    assert _run(script) > 0
    twice = script.replace("candidate = build_candidate()", "candidate = build_reference()")
    assert _run(twice) == 0


def _early(reference: ModelSpec, candidate: ModelSpec, *inputs: InputSpec, **more: Any) -> str:
    """Write and run the script of a pair whose outputs were never compared."""
    built = [build_model(spec, inputs) for spec in (reference, candidate)]
    scenario = Scenario("pair.yaml", "pair", (reference, candidate), reference.name, inputs=inputs)
    names = reference.name, candidate.name
    report = PairReport(*names, "inference", "shape_mismatch", None, "Told apart early.")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(early_script(scenario, report, *built, **more), "repro.py", "exec"), {})
    return printed.getvalue()


def test_each_verdict_has_its_script() -> None:
    found = seen(chain("a", layer("ReLU")), chain("b", layer("Identity")), input_of(3))
    given = _reproduction(found)
    sides = found.reference.built, found.candidate.built
    args = (given.scenario, given.report, *sides)
    assert script_of(*args, check=given.check) == repro_script(given)
    early = replace(given.report, verdict="param_mismatch", counterexample=None)
    assert script_of(args[0], early, *sides) == early_script(args[0], early, *sides)
    for verdict in ("equivalent", "inconclusive"):
        assert script_of(args[0], replace(early, verdict=verdict), *sides) is None


def test_shapes_params_and_refusals_are_shown_without_running_anything() -> None:
    lstm = layer("LSTM", units=3)
    first, second = _early(
        chain("one", lstm), chain("two", lstm, lstm), input_of(4, 2)
    ).splitlines()
    assert first == "reference: output (None, 3), 72 params"
    assert re.match(r"candidate: ValueError: .* expected ndim=3, found ndim=2", second)


def test_a_call_that_is_refused_is_repeated() -> None:
    flat = layer("Flatten")
    refusal = CallRefusal("two", "eager", ModelError(None, "no"), ((1, 5, 2),))
    printed = _early(
        chain("one", flat),
        chain("two", layer("Reshape", target_shape=(3, 2)), flat),
        input_of(None, 2),
        called=refusal,
    )
    assert printed.startswith("reference: output (1, 10), 0 params\ncandidate: ValueError: ")
