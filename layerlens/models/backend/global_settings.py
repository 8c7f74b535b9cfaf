"""Save the settings of the process before a scenario, and restore them afterwards.

Code that a scenario runs (a `python:` model, a layer of the user's own) can change settings of
Keras, TensorFlow, NumPy and Python for the whole process. Neither the next scenario nor a program
that calls layerlens may see such changes.
"""

from __future__ import annotations

import functools
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Attributes of Keras' thread-local state that Keras changes in place.
_CHANGED_IN_PLACE = ("custom_objects_scope_dict", "object_name_uids")

_COUNTING = threading.Lock()
#: The number of scenarios that run in this process, and the settings before the first of them.
_running = 0
_before: GlobalSettings | None = None
#: How often scenarios were abandoned. Those that began before the last time restore nothing.
_given_up = 0
#: The settings right after layerlens had imported Keras and TensorFlow.
_as_started: GlobalSettings | None = None
#: Which of the two layerlens imported itself; they started with the settings of the machine.
_own_imports: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GlobalSettings:
    """The settings of this process at one moment."""

    _python: _Python
    _numpy: _NumPy
    _keras: _Keras
    _tensorflow: _TensorFlow

    @classmethod
    def now(cls) -> GlobalSettings:
        """Read the settings; Keras and TensorFlow have to be imported."""
        return cls(_Python.now(), _NumPy.now(), _Keras.now(), _TensorFlow.now())

    def restore(self) -> None:
        """Restore every setting that has changed."""
        self._keras.restore()
        self._tensorflow.restore()
        self._numpy.restore()
        self._python.restore()


@dataclass(frozen=True, slots=True)
class ThreadSettings:
    """The state that Keras keeps per thread, such as the dtype policy and the counters of names.

    `attributes` pairs Keras' thread-local objects with their attributes; `contents` pairs the lists
    and mappings that Keras changes in place with a copy of each.
    """

    attributes: tuple[tuple[Any, Mapping[str, Any]], ...]
    contents: tuple[tuple[Any, Any], ...]

    @classmethod
    def now(cls) -> ThreadSettings:
        if "keras" not in sys.modules:
            return cls((), ())
        attributes = tuple((tracker, dict(vars(tracker))) for tracker in _trackers().values())
        contents = tuple(
            (value, value.copy())
            for _, held in attributes
            for key, value in held.items()
            if isinstance(value, list) or (key in _CHANGED_IN_PLACE and value is not None)
        )
        return cls(attributes, contents)

    def restore(self) -> None:
        if "keras" not in sys.modules:
            return
        before = {id(tracker): held for tracker, held in self.attributes}
        for tracker in [*_trackers().values(), *(tracker for tracker, _ in self.attributes)]:
            held = vars(tracker)
            held.clear()
            held.update(before.get(id(tracker), {}))
        for value, content in self.contents:
            _refill(value, content)


@contextmanager
def preserved_settings() -> Iterator[None]:
    """Context manager that restores every global setting afterwards, also after an error.

    Where several scenarios run at once in threads of the user's, shared settings are restored when
    the last one ends: which scenario made a change is unknown.
    """
    thread = ThreadSettings.now()
    since = _enter()
    try:
        yield
    finally:
        _leave(since)
        thread.restore()


def preserving_settings(work: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function so that it leaves every global setting unchanged."""

    @functools.wraps(work)
    def kept_work(*args: P.args, **kwargs: P.kwargs) -> T:
        with preserved_settings():
            return work(*args, **kwargs)

    return kept_work


def note_start(own_imports: frozenset[str]) -> None:
    """Save the settings with which Keras and TensorFlow start.

    Call it once, when both are imported and before any code of a scenario runs. `own_imports` names
    those of the two that layerlens imported first.
    """
    global _as_started, _own_imports
    _as_started, _own_imports = GlobalSettings.now(), own_imports


def restore_outermost() -> None:
    """Abandon the running scenarios, and restore the settings from before them.

    Call it for a scenario that does not end. If it ends later, it restores nothing: the user may
    have chosen other settings in the meantime.
    """
    global _running, _before, _given_up
    with _COUNTING:
        if not _running:
            return
        before, _before = _before or _as_started, None
        _running = 0
        _given_up += 1
        if before is not None:
            before.restore()


def chosen_settings() -> dict[str, Any]:
    """Return the settings that results depend on and that code of this process has chosen.

    Settings that come from configuration files and environment variables are left out.
    """
    chosen: dict[str, Any] = {}
    if "keras" in sys.modules:
        started = _as_started._keras.computing() if "keras" in _own_imports and _as_started else {}
        chosen |= _other_than(started, _Keras.now().computing() | _of_thread())
    if "tensorflow" in sys.modules:
        own = "tensorflow" in _own_imports
        started = _as_started._tensorflow.computing() if own and _as_started else {}
        chosen |= _other_than(started, _TensorFlow.now().computing())
    return chosen


def has_custom_objects() -> bool:
    """Return whether classes or functions are registered with Keras in this process."""
    if "keras" not in sys.modules:
        return False
    import keras

    return bool(keras.saving.get_custom_objects())


def inherited_settings() -> Callable[[], None]:
    """Return a function that copies this thread's settings into the thread that calls it.

    Only those that models depend on.
    """
    flash = _flash_attention() if "keras" in sys.modules else None

    def inherit() -> None:
        if flash is not None:
            from keras.src.backend.common import global_state

            global_state.set_global_attribute("flash_attention", flash)

    return inherit


def _are_imported() -> bool:
    return "keras" in sys.modules and "tensorflow" in sys.modules


def _enter() -> int:
    global _running, _before
    with _COUNTING:
        if _running == 0:
            _before = GlobalSettings.now() if _are_imported() else None
        _running += 1
        return _given_up


def _leave(since: int) -> None:
    global _running, _before
    with _COUNTING:
        if since != _given_up:
            return
        _running -= 1
        if _running:
            return
        # If Keras was imported meanwhile, no code of a scenario ran before that.
        before, _before = _before or _as_started, None
        if before is not None:
            before.restore()


@dataclass(frozen=True, slots=True)
class _Python:
    drawn: Any
    variables: Mapping[str, str]
    folder: str | None
    path_list: list[str]
    path: tuple[str, ...]

    @classmethod
    def now(cls) -> _Python:
        folder = None
        with suppress(OSError):  # the folder was removed
            folder = os.getcwd()  # noqa: PTH109
        return cls(random.getstate(), dict(os.environ), folder, sys.path, tuple(sys.path))

    def restore(self) -> None:
        random.setstate(self.drawn)
        if dict(os.environ) != self.variables:
            for name in [name for name in os.environ if name not in self.variables]:
                del os.environ[name]
            os.environ.update(self.variables)
        if self.folder is not None:
            with suppress(OSError):
                os.chdir(self.folder)
        sys.path = self.path_list
        sys.path[:] = self.path


@dataclass(frozen=True, slots=True)
class _NumPy:
    drawn: Any
    errors: Mapping[str, Any]
    printing: Mapping[str, Any]

    @classmethod
    def now(cls) -> _NumPy:
        import numpy as np

        return cls(np.random.get_state(), np.geterr(), np.get_printoptions())

    def restore(self) -> None:
        import numpy as np

        np.random.set_state(self.drawn)
        np.seterr(**self.errors)
        if np.get_printoptions() != self.printing:
            np.set_printoptions(**self.printing)


@dataclass(frozen=True, slots=True)
class _Keras:
    #: The variables of the module that `keras.config` sets: epsilon, floatx and the like.
    variables: Mapping[str, Any]
    custom_objects: Mapping[str, Any]
    custom_names: Mapping[Any, str]
    #: Keras' thread-local objects; `clear_session` replaces them.
    trackers: Mapping[str, Any]
    modules: frozenset[str]

    @classmethod
    def now(cls) -> _Keras:
        from keras.src.saving import object_registration

        return cls(
            _keras_globals(),
            dict(object_registration.GLOBAL_CUSTOM_OBJECTS),
            dict(object_registration.GLOBAL_CUSTOM_NAMES),
            _trackers(),
            frozenset(sys.modules),
        )

    def restore(self) -> None:
        from keras.src.backend import config
        from keras.src.backend.common import global_state
        from keras.src.saving import object_registration

        for name, tracker in self.trackers.items():
            setattr(global_state, name, tracker)
        for name, value in self.variables.items():
            setattr(config, name, value)
        objects, names = (
            object_registration.GLOBAL_CUSTOM_OBJECTS,
            object_registration.GLOBAL_CUSTOM_NAMES,
        )
        if objects == self.custom_objects and names == self.custom_names:
            return
        # A module that stays imported is not run again, so its registrations stay as well.
        added = {
            name: value
            for name, value in objects.items()
            if name not in self.custom_objects and self._is_of_new_module(value)
        }
        _refill(objects, {**self.custom_objects, **added})
        registered = {
            value: name
            for value, name in names.items()
            if value not in self.custom_names and self._is_of_new_module(value)
        }
        _refill(names, {**self.custom_names, **registered})

    def computing(self) -> dict[str, Any]:
        """Return the settings that results depend on."""
        return {name: self.variables[name] for name in self.variables if name != "_KERAS_DIR"}

    def _is_of_new_module(self, value: Any) -> bool:
        module = getattr(value, "__module__", None)
        if not isinstance(module, str) or module in self.modules or module not in sys.modules:
            return False
        return getattr(sys.modules[module], getattr(value, "__name__", ""), None) is value


@dataclass(frozen=True, slots=True)
class _TensorFlow:
    eager_functions: bool
    tensor_float_32: bool
    determinism: bool
    #: Options of TensorFlow's context, by the name of the property.
    options: Mapping[str, Any]
    seed: Any
    generator: Any
    drawn: Any

    @classmethod
    def now(cls) -> _TensorFlow:
        import tensorflow as tf
        from tensorflow.python.eager import context
        from tensorflow.python.framework import config

        held = vars(context.context())
        generator = held.get("_rng")
        return cls(
            tf.config.functions_run_eagerly(),
            config.tensor_float_32_execution_enabled(),
            config.is_op_determinism_enabled(),
            {name: getattr(context.context(), name) for name in _OPTIONS},
            held.get("_seed"),
            generator,
            generator.getstate() if generator is not None else None,
        )

    def computing(self) -> dict[str, Any]:
        """Return the settings that results depend on; random draws depend on layerlens' seeds."""
        return {
            "eager_functions": self.eager_functions,
            "tensor_float_32": self.tensor_float_32,
            "determinism": self.determinism,
            **self.options,
        }

    def restore(self) -> None:
        import tensorflow as tf
        from tensorflow.python.eager import context
        from tensorflow.python.framework import config

        if tf.config.functions_run_eagerly() != self.eager_functions:
            tf.config.run_functions_eagerly(self.eager_functions)
        if config.tensor_float_32_execution_enabled() != self.tensor_float_32:
            config.enable_tensor_float_32_execution(self.tensor_float_32)
        if config.is_op_determinism_enabled() != self.determinism:
            change = (config.disable_op_determinism, config.enable_op_determinism)
            change[self.determinism]()
        running = context.context()
        for name, value in self.options.items():
            if getattr(running, name) != value:
                setattr(running, name, value)
        running._seed = self.seed
        if self.generator is not None:
            self.generator.setstate(self.drawn)
            running._rng = self.generator
        elif hasattr(running, "_rng"):
            del running._rng


#: Properties of TensorFlow's context that affect how it computes.
_OPTIONS = ("optimizer_jit", "soft_device_placement", "log_device_placement")


def _trackers() -> dict[str, Any]:
    """Return the thread-local objects of Keras' global state, by the name of their variable."""
    from keras.src.backend.common import global_state

    return {
        name: value
        for name, value in vars(global_state).items()
        if isinstance(value, threading.local)
    }


def _keras_globals() -> dict[str, Any]:
    """Return the variables of Keras' configuration by name: `_EPSILON`, `_FLOATX`, ..."""
    from keras.src.backend import config

    return {
        name: value
        for name, value in vars(config).items()
        if name.startswith("_") and name.isupper() and not name.startswith("__")
    }


def _of_thread() -> dict[str, Any]:
    flash = _flash_attention()
    return {} if flash is None else {"flash_attention": flash}


def _other_than(known: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _plain(value)
        for name, value in settings.items()
        if name not in known or known[name] != value
    }


def _flash_attention() -> Any:
    from keras.src.backend.common import global_state

    return global_state.get_global_attribute("flash_attention", default=None)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def _refill(held: Any, content: Any) -> None:
    """Restore the content of a list or mapping in place, since others refer to the object."""
    held.clear()
    (held.extend if isinstance(held, list) else held.update)(content)
