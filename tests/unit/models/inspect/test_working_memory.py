"""What a call holds beside its inputs and outputs, against what TensorFlow really takes."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import layerlens
from layerlens.models.backend.free_memory import free_memory
from layerlens.models.build import memory
from layerlens.models.build.memory import comparing_beyond_memory
from layerlens.models.inspect.working_memory import WorkingMemory, working_memory

layers = keras.layers


def calls(layer: Any, *shapes: tuple[int | None, ...]) -> Any:
    inputs = [keras.Input(shape) for shape in shapes]
    if isinstance(layer, (layers.MultiHeadAttention, layers.GroupQueryAttention)):
        return keras.Model(inputs, layers.Identity()(layer(*inputs)))
    given = inputs if len(inputs) > 1 else inputs[0]
    return keras.Model(given, layers.Identity()(layer(given)))


@pytest.mark.parametrize(
    ("layer", "shapes", "inner", "steps"),
    [
        (lambda: layers.Attention(), [(30, 4), (50, 4)], 30 * 50, 0),
        (lambda: layers.AdditiveAttention(), [(30, 4), (50, 4)], 30 * 50 * 4, 0),
        (lambda: layers.MultiHeadAttention(3, 2), [(30, 4), (50, 4)], 3 * 30 * 50, 0),
        (
            lambda: layers.MultiHeadAttention(3, 2, attention_axes=2),
            [(5, 7, 4), (5, 7, 4)],
            3 * 35 * 7,
            0,
        ),
        (lambda: layers.GroupQueryAttention(2, 6, 3), [(30, 4), (50, 4)], 6 * 30 * 50, 0),
        (lambda: layers.SeparableConv1D(5, 3, depth_multiplier=2), [(10, 4)], 8 * 8, 0),
        (lambda: layers.LSTM(7), [(10, 4)], 80, 10),
        (lambda: layers.GRU(7), [(None, 4)], 8, 1),
        (lambda: layers.RNN([layers.GRUCell(2), layers.LSTMCell(2)]), [(10, 4)], 80, 20),
        (lambda: layers.ConvLSTM1D(2, 3), [(6, 5, 4)], 240, 6),
        (lambda: layers.Bidirectional(layers.SimpleRNN(2)), [(10, 4)], 160, 20),
        (lambda: layers.TimeDistributed(layers.LSTM(2)), [(3, 10, 4)], 240, 30),
        (
            lambda: layers.TimeDistributed(layers.SeparableConv1D(5, 3)),
            [(6, 10, 4)],
            6 * 8 * 4,
            0,
        ),
        (lambda: layers.LayerNormalization(), [(10, 4)], 80, 0),
        (lambda: layers.Dense(3), [(10, 4)], 0, 0),
    ],
)
def test_what_is_inside_a_call_follows_from_its_shapes(
    layer: Callable[[], Any], shapes: list[tuple[int | None, ...]], inner: int, steps: int
) -> None:
    found = working_memory(calls(layer(), *shapes))
    assert found is not None
    assert (found.inner, found.steps) == (inner, steps)


def test_the_most_demanding_call_counts_wherever_it_is() -> None:
    inside = keras.Sequential([layers.Input((4,)), layers.RepeatVector(1000), layers.Flatten()])
    for model in (
        keras.Sequential(
            [layers.Input((4,)), layers.RepeatVector(1000), layers.Flatten(), layers.Dense(1)]
        ),
        keras.Sequential([layers.Input((4,)), inside, layers.Dense(2)]),
    ):
        found = working_memory(model)
        assert found is not None
        assert 8000 <= found.scalars <= 8000 + 4000


def peak_of(call: Callable[[], Any]) -> int:
    """Return by how much the process grows during a call, at most, as the system counts it."""
    gc.collect()
    held = _hold_free_memory()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status("VmRSS")
    result = call()
    peak = _status("VmHWM")
    del result, held
    return peak - before


def _hold_free_memory() -> list[Any]:
    """Take the memory that TensorFlow keeps from earlier calls, so that the next one needs more."""
    held = []
    for scalars in (2**power for power in range(23, 11, -1)):
        grown = 0
        while grown < 3:
            before = _status("VmRSS")
            held.append(keras.ops.ones((scalars,)))
            grown = grown + 1 if _status("VmRSS") - before >= 2 * scalars else 0
    return held


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells peaks")
@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (lambda: layers.Attention(), [(700, 2), (700, 2)]),
        (lambda: layers.AdditiveAttention(), [(170, 16), (170, 16)]),
        (lambda: layers.MultiHeadAttention(2, 2), [(500, 2), (500, 2)]),
        (lambda: layers.SeparableConv1D(1, 3, depth_multiplier=16), [(10_000, 4)]),
        (lambda: layers.RepeatVector(10_000), [(50,)]),
    ],
)
def test_it_is_what_tensorflow_takes(
    layer: Callable[[], Any], shapes: list[tuple[int | None, ...]]
) -> None:
    model = calls(layer(), *shapes)
    found = working_memory(model)
    assert found is not None
    batch = 20
    given = [np.ones((batch, *shape), "float32") for shape in shapes]
    feed: Any = given if len(given) > 1 else given[0]
    model([array[:1] for array in given] if len(given) > 1 else feed[:1])
    taken = peak_of(lambda: model(feed))
    told = batch * 4 * found.scalars
    assert told / 2 < taken < 4 * told


def test_scores_and_steps_are_refused_with_what_they_take_and_what_there_is() -> None:
    attention = {"graph": {"x": {"Attention": {}, "from": ["input", "input"]}}, "outputs": ["x"]}
    recurrent = [{"Bidirectional": {"layer": {"LSTM": {"units": 1}}}}]
    for steps, model, said in (
        (10**6, attention, "640.0 TB while `x` is called, which holds 1,000,000,000,000 values"),
        (10**8, recurrent, "4.0 TB for gradients through 200,000,000 recurrent steps"),
    ):
        scenario = {"input": {"shape": [steps, 4]}, "models": {"one": model, "other": model}}
        (report,) = layerlens.compare(scenario).scenarios
        (error,) = report.errors
        assert said in error.message
        assert error.message.endswith("are free")
        (report,) = layerlens.summary(scenario).scenarios
        assert report.status == "unchecked"
        (report,) = layerlens.summary(scenario, deps=True).scenarios
        assert "measuring the steps of `one` needs at least" in report.errors[0].message


def test_only_the_most_demanding_call_counts_and_fewer_samples_of_integers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, large = WorkingMemory("small", 100, 0), WorkingMemory("large", 100, 50, steps=1)
    needed = 40 * (100 * 8 + 50 * 16)
    for free, integers, fits in (
        (needed, False, True),
        (needed - 1, False, False),
        (needed // 2, True, True),
        (needed // 2 - 1, True, False),
    ):
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        error = comparing_beyond_memory(
            ["a"], 0, [], None, working=[small, None, large], integers=integers
        )
        assert (error is None) == fits
    stepped = WorkingMemory("lstm", 1, 0, steps=10)
    error = comparing_beyond_memory(["a"], 0, [], None, working=[stepped])
    assert error is not None
    assert "200.0 KB for gradients through 10 recurrent steps" in error.message


def test_a_limit_on_the_process_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = mapped + 10**8
    monkeypatch.setattr(resource, "getrlimit", lambda which: (most, most))
    free = free_memory()
    assert free is not None
    assert free <= 10**8
    monkeypatch.setattr(resource, "getrlimit", lambda which: (10**6, 10**6))
    assert free_memory() == 0


def test_a_batch_to_train_on_that_does_not_fit_is_refused() -> None:
    models = {"one": [{"Dense": 2}], "other": [{"Dense": 2}]}
    fit = {"loss": "mse", "optimizer": "sgd", "samples": 5, "batch_size": 2**62}
    scenario = {"input": {"shape": [4]}, "models": models, "fit": fit}
    (report,) = layerlens.compare(scenario).scenarios
    assert report.status == "unchecked", "no batch is larger than there are samples"
    wide = WorkingMemory("dense", 10**12, 0)
    with pytest.raises(layerlens.LayerlensError, match=r"takes 5 samples at once through `dense`"):
        memory.refuse_samples_beyond_memory(5, 1, 2**62, wide)
