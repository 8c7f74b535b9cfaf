"""The settings that all code of a process shares: kept around each scenario, and put back.

Code that a scenario runs (a `python:` model, a layer of the user's own) can change what Keras,
TensorFlow, NumPy and Python hold for the whole process. The next scenario must not see that, and
neither must a user whose own program calls layerlens.
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

#: Attributes of this thread in Keras that are changed in place, and not by another value.
_CHANGED_IN_PLACE = ("custom_objects_scope_dict", "object_name_uids")

_COUNTING = threading.Lock()
#: How many scenarios are being run in this process, and the settings from before the first.
_running = 0
_before: GlobalSettings | None = None
#: How often scenarios were given up. What began before the last time no longer counts.
_given_up = 0
#: The settings that there were when layerlens had Keras and TensorFlow ready to work.
_as_started: GlobalSettings | None = None
#: Which of the two layerlens imported itself: they came up with what the machine is set to.
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
        """Put every setting back that has another value by now."""
        self._keras.restore()
        self._tensorflow.restore()
        self._numpy.restore()
        self._python.restore()


@dataclass(frozen=True, slots=True)
class ThreadSettings:
    """What Keras keeps for this thread alone, such as its dtype policy and its names' counters.

    Maps the objects that Keras keeps it in to what they hold; `contents` are those of lists and
    mappings that are changed in place.
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
    """Put every global setting back in the end, however the work inside ends.

    Where several scenarios are run at once, in threads of the user's, what they share is put back
    when the last one ends: none can be told apart by whose change it is.
    """
    thread = ThreadSettings.now()
    since = _enter()
    try:
        yield
    finally:
        _leave(since)
        thread.restore()


def preserving_settings(work: Callable[P, T]) -> Callable[P, T]:
    """Return the work with every global setting kept as it was."""

    @functools.wraps(work)
    def kept_work(*args: P.args, **kwargs: P.kwargs) -> T:
        with preserved_settings():
            return work(*args, **kwargs)

    return kept_work


def note_start(own_imports: frozenset[str]) -> None:
    """Note the settings with which Keras and TensorFlow begin to work for layerlens.

    To be called once both are imported and before any code of a scenario has run. `own_imports` are
    those of the two that nobody had imported before.
    """
    global _as_started, _own_imports
    _as_started, _own_imports = GlobalSettings.now(), own_imports


def restore_outermost() -> None:
    """Give up the scenarios under way, and put back what they began with.

    For a scenario that does not end. Should it end after all, it puts nothing back: the user may
    have chosen other settings since.
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
    """Return the settings that results depend on, where code of this process may have chosen them.

    Empty where it has not: configuration files and variables say the rest.
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
    """Tell whether this process has classes or functions registered with Keras."""
    if "keras" not in sys.modules:
        return False
    import keras

    return bool(keras.saving.get_custom_objects())


def inherited_settings() -> Callable[[], None]:
    """Return what sets, in another thread, the settings of this one that models depend on."""
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
        # Where Keras was not there before, no code of a scenario ran before it was.
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
        with suppress(OSError):  # it was removed meanwhile
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
    #: What Keras keeps the settings of threads in; `clear_session` puts others in their place.
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
        # A module that stays imported is not run again, so what it registered stays as well.
        added = {
            name: value
            for name, value in objects.items()
            if name not in self.custom_objects and self._is_of_new_module(value)
        }
        _refill(objects, {**self.custom_objects, **added})
        registered = {value: names[value] for value in added.values() if value in names}
        _refill(names, {**self.custom_names, **registered})

    def computing(self) -> dict[str, Any]:
        """Return what results depend on."""
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
    #: Of TensorFlow's context, by the name of its property.
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
        """Return what results depend on; how ops draw is said by the seeds of layerlens' own."""
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


#: Properties of TensorFlow's context that decide how, or with what, it computes.
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
    """Give a list or mapping the content it had; others keep referring to the same object."""
    held.clear()
    (held.extend if isinstance(held, list) else held.update)(content)
