"""Settings of the whole process: kept around scenarios, and part of the cache's keys."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.common import global_state
from tensorflow.python.eager import context
from tensorflow.python.framework import config as tf_config

import layerlens
from layerlens.models.backend import global_settings
from layerlens.report.run import ScenarioReport
from layerlens.run.cache.results import ResultCache
from layerlens.run.workers.child import answer
from layerlens.run.workers.in_process import InProcessExecutor
from layerlens.run.workers.tasks import work_of
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import read_scenarios

pytestmark = pytest.mark.usefixtures("nothing_registered")

Setting = tuple[Callable[[], Any], Callable[[], Any]]


def _setting_of_numpy() -> Any:
    return np.geterr(), np.get_printoptions()["precision"]


#: Name → how it is changed, and how it is read.
SETTINGS: dict[str, Setting] = {
    "epsilon": (lambda: keras.config.set_epsilon(0.1), keras.config.epsilon),
    "floatx": (lambda: keras.config.set_floatx("float16"), keras.config.floatx),
    "image_data_format": (
        lambda: keras.config.set_image_data_format("channels_first"),
        keras.config.image_data_format,
    ),
    "dtype_policy": (
        lambda: keras.config.set_dtype_policy("mixed_float16"),
        lambda: keras.config.dtype_policy().name,
    ),
    "traceback_filtering": (
        keras.config.disable_traceback_filtering,
        keras.config.is_traceback_filtering_enabled,
    ),
    "interactive_logging": (
        keras.config.disable_interactive_logging,
        keras.config.is_interactive_logging_enabled,
    ),
    "flash_attention": (
        keras.config.disable_flash_attention,
        keras.config.is_flash_attention_enabled,
    ),
    "unsafe_deserialization": (
        keras.config.enable_unsafe_deserialization,
        lambda: global_state.get_global_attribute("safe_mode_saving"),
    ),
    "custom_objects": (
        lambda: keras.saving.get_custom_objects().update(relu=keras.activations.sigmoid),
        lambda: dict(keras.saving.get_custom_objects()),
    ),
    "registered_class": (
        lambda: keras.saving.register_keras_serializable("mine")(type("L", (keras.Layer,), {})),
        lambda: dict(keras.saving.get_custom_objects()),
    ),
    "keras_seed": (
        lambda: keras.utils.set_random_seed(3),
        lambda: (random.getstate(), np.random.get_state()[1].tolist()),
    ),
    "tensorflow_seed": (
        lambda: tf.random.set_seed(3),
        lambda: _tensorflow_seed(),
    ),
    "names": (lambda: [keras.layers.Dense(2) for _ in range(3)], lambda: _next_name()),
    "session": (keras.utils.clear_session, lambda: vars(global_state)["GLOBAL_STATE_TRACKER"]),
    "distribution": (
        lambda: global_state.set_global_attribute("distribution", "mine"),
        lambda: global_state.get_global_attribute("distribution"),
    ),
    "eager_functions": (
        lambda: tf.config.run_functions_eagerly(True),
        tf.config.functions_run_eagerly,
    ),
    "determinism": (
        tf.config.experimental.enable_op_determinism,
        tf_config.is_op_determinism_enabled,
    ),
    "tensor_float_32": (
        lambda: tf.config.experimental.enable_tensor_float_32_execution(False),
        tf.config.experimental.tensor_float_32_execution_enabled,
    ),
    "jit": (lambda: tf.config.optimizer.set_jit("autoclustering"), tf.config.optimizer.get_jit),
    "variables": (
        lambda: os.environ.update(TF_ENABLE_ONEDNN_OPTS="0", HOME="/nowhere"),
        lambda: dict(os.environ),
    ),
    "removed_variable": (lambda: os.environ.pop("PATH"), lambda: dict(os.environ)),
    "folder": (lambda: os.chdir("/"), lambda: Path.cwd()),
    "path": (lambda: sys.path.insert(0, "/nowhere"), lambda: list(sys.path)),
    "path_itself": (lambda: setattr(sys, "path", []), lambda: list(sys.path)),
    "numpy_errors": (lambda: np.seterr(all="raise"), _setting_of_numpy),
    "numpy_printing": (lambda: np.set_printoptions(precision=1), _setting_of_numpy),
}
for _name in ("max_epochs", "max_steps_per_epoch"):
    if hasattr(keras.config, f"set_{_name}"):  # Keras 3.5 has neither
        SETTINGS[_name] = (
            partial(getattr(keras.config, f"set_{_name}"), 1),
            getattr(keras.config, _name),
        )


def _tensorflow_seed() -> Any:
    """Read the seed and how far it was drawn on; `get_seed` would draw on."""
    held = vars(context.context())
    generator = held.get("_rng")
    return held.get("_seed"), generator and generator.getstate()


def _next_name() -> str:
    uids = global_state.get_global_attribute("object_name_uids", default={})
    return str(dict(uids))


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    """Keep a failure of one test from being one of all."""
    thread = global_settings.ThreadSettings.now()
    settings = global_settings.GlobalSettings.now()
    yield
    settings.restore()
    thread.restore()


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_put_back_also_after_an_error(name: str) -> None:
    change, read = SETTINGS[name]
    before = read()

    def fail() -> None:
        with global_settings.preserved_settings():
            change()
            assert read() != before, "nothing was changed"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert read() == before


def test_settings_of_the_user_apply_inside_and_stay() -> None:
    keras.config.set_epsilon(0.25)
    keras.utils.set_random_seed(11)
    drawn = (random.random(), np.random.rand(), float(tf.random.uniform(())))
    keras.utils.set_random_seed(11)
    with global_settings.preserved_settings():
        assert keras.config.epsilon() == 0.25
        keras.config.set_epsilon(0.5)
        keras.utils.set_random_seed(12)
        tf.random.uniform(())
    assert keras.config.epsilon() == 0.25
    assert drawn == (random.random(), np.random.rand(), float(tf.random.uniform(())))


def test_scenarios_side_by_side_leave_what_was_there_before_the_first() -> None:
    begun, ended = threading.Event(), threading.Event()

    def first() -> None:
        with global_settings.preserved_settings():
            keras.config.set_epsilon(0.1)
            begun.set()
            ended.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    begun.wait(10)
    with global_settings.preserved_settings():
        ended.set()
        thread.join()
    assert keras.config.epsilon() == 1e-7


# --- scenarios ------------------------------------------------------------------------------------

CODE = """
import keras, tensorflow as tf, os, sys

def switch(then=None):
    keras.config.set_epsilon(0.5)
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_float16")
    keras.saving.get_custom_objects()["relu"] = keras.activations.sigmoid
    keras.utils.set_random_seed(5)
    keras.utils.clear_session()
    tf.config.run_functions_eagerly(True)
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
    os.chdir("/")
    sys.path.insert(0, "/nowhere")
    if then == "fail":
        raise ValueError("on purpose")
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])

class InCall(keras.layers.Layer):
    def call(self, x):
        keras.config.set_epsilon(0.5)
        keras.config.disable_traceback_filtering()
        return x

def in_call():
    return keras.Sequential([keras.Input((4,)), InCall()])
"""
FIRST = """
title: changes settings
input: {{shape: [4]}}
models:
  a: {model}
  b: [Dense: 2]
"""
#: With an epsilon of 0.5 the two are one function; and a `relu` that is none would differ.
SECOND = """
title: depends on them
input: {shape: [4]}
models:
  a: [Normalization: {mean: [0.0, 0.0, 0.0, 0.0], variance: [0.01, 0.01, 0.01, 0.01]}]
  b: [Rescaling: 2.0]
expect: {verdicts: {b: different}}
"""
SWITCHES = {
    "builds": "{python: 'switching:switch'}",
    "fails": "{python: 'switching:switch', args: {then: fail}}",
    "calls": "{python: 'switching:in_call'}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "switching.py").write_text(CODE)
    (tmp_path / "2-second.yaml").write_text(SECOND)
    return tmp_path


def _write_first(folder: Path, model: str) -> Path:
    path = folder / "1-first.yaml"
    path.write_text(FIRST.format(model=model))
    return path


def _everything() -> dict[str, Any]:
    return {name: read() for name, (_, read) in SETTINGS.items()}


@pytest.mark.parametrize("how", SWITCHES)
def test_a_scenario_does_not_change_the_next_one_nor_the_caller(
    folder: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_first(folder, SWITCHES[how])
    monkeypatch.chdir(folder.parent)
    folder = Path(folder.name)
    before = _everything()
    report = layerlens.compare(folder, allow_code=True)
    first = report.scenarios[0]
    assert not first.errors
    assert (first.models[0].error is None) == (how != "fails")
    assert [pair.verdict for pair in report.scenarios[1].pairs] == ["different"]
    assert not any(error.internal for one in report.scenarios for error in one.errors)
    assert _everything() == before
    layerlens.summary(folder / "1-first.yaml", allow_code=True)
    assert _everything() == before


def test_a_worker_keeps_its_settings_between_scenarios(folder: Path) -> None:
    scenarios = [
        scenario
        for path in (_write_first(folder, SWITCHES["builds"]), folder / "2-second.yaml")
        for scenario in read_scenarios(path)
    ]
    before, given, sent = _everything(), iter(scenarios), []

    class Pipe:
        def send(self, report: Any) -> None:
            sent.append(report)

        def recv(self) -> Any:
            try:
                return next(given)
            except StopIteration:
                raise EOFError from None

    answer(Pipe(), work_of("compare", RunOptions(allow_code=True)))  # type: ignore[arg-type]
    reports = [one for one in sent if isinstance(one, ScenarioReport)]
    assert reports[1].pairs[0].verdict == "different"
    assert _everything() == before


def test_a_scenario_that_is_stopped_leaves_nothing(folder: Path) -> None:
    before, released = _everything(), threading.Event()

    @global_settings.preserving_settings
    def work(scenario: Any, *, tell: Any) -> Any:
        for name in ("epsilon", "floatx", "custom_objects", "variables", "folder", "path"):
            SETTINGS[name][0]()
        released.wait(30)

    executor = InProcessExecutor(work, timeout=0.5)
    ((_, report),) = executor.run(read_scenarios(folder / "2-second.yaml"), [0], lambda _: None)
    assert executor.stuck
    assert report.status == "error"
    assert _everything() == before
    released.set()
    for thread in threading.enumerate():
        if thread.name.startswith("layerlens-scenario"):
            thread.join(30)
    assert _everything() == before


def test_a_scenario_that_ends_late_does_not_undo_what_was_chosen_since(folder: Path) -> None:
    released = threading.Event()

    @global_settings.preserving_settings
    def work(scenario: Any, *, tell: Any) -> Any:
        released.wait(30)

    executor = InProcessExecutor(work, timeout=0.2)
    list(executor.run(read_scenarios(folder / "2-second.yaml"), [0], lambda _: None))
    keras.config.set_epsilon(0.25)
    layerlens.compare(folder / "2-second.yaml")
    assert keras.config.epsilon() == 0.25
    released.set()
    for thread in threading.enumerate():
        if thread.name.startswith("layerlens-scenario"):
            thread.join(30)
    assert keras.config.epsilon() == 0.25


def test_the_users_own_settings_are_what_models_are_judged_under(folder: Path) -> None:
    keras.config.set_epsilon(0.5)
    report = layerlens.compare(folder / "2-second.yaml")
    assert report.scenarios[0].pairs[0].verdict == "equivalent"
    assert keras.config.epsilon() == 0.5


# --- the cache ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "epsilon",
        "floatx",
        "image_data_format",
        "flash_attention",
        "eager_functions",
        "determinism",
        "tensor_float_32",
        "jit",
    ],
)
def test_settings_are_part_of_the_key(folder: Path, name: str) -> None:
    (scenario,) = read_scenarios(folder / "2-second.yaml")
    change, _ = SETTINGS[name]
    with closing(ResultCache(folder / "cache", RunOptions(), "compare", pytest.fail)) as cache:
        key, page = cache.key_of(scenario), cache.page_of(folder / "2-second.yaml")
        assert key is not None
        assert page is not None
        change()
        assert cache.key_of(scenario) not in (None, key)
        assert cache.page_of(folder / "2-second.yaml") not in (None, page)


def test_nothing_is_kept_where_objects_are_registered(folder: Path) -> None:
    (scenario,) = read_scenarios(folder / "2-second.yaml")
    with closing(ResultCache(folder / "cache", RunOptions(), "compare", pytest.fail)) as cache:
        keras.saving.get_custom_objects()["mine"] = keras.activations.sigmoid
        assert cache.key_of(scenario) is None
        assert cache.page_of(folder / "2-second.yaml") is None
