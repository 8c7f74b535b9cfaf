"""TensorFlow and Keras, started once and quietly; what they are, for the report."""

from __future__ import annotations

import gc
import importlib
import itertools
import logging
import os
import platform
import random
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from layerlens.errors import LayerlensError, UsageError
from layerlens.models.backend import global_settings
from layerlens.report.run import Environment
from layerlens.versions import version_of

_STARTING = threading.Lock()
_started = False

#: How many scenarios are run between two times that kernels are dropped.
_KERNELS_KEPT_FOR = 32
_scenarios = itertools.count(1)

#: Quieter logs and no oneDNN notice; only where the user has not chosen otherwise.
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR", "GLOG_minloglevel": "3"}


def start_backend() -> None:
    """Import TensorFlow and Keras once, keeping what they print from the user.

    Raises UsageError where Keras already runs on another backend, LayerlensError where one of the
    two cannot be imported (with what it printed).
    """
    global _started
    with _STARTING:
        if _started:
            return
        _choose_tensorflow()
        drawn = random.getstate()  # importing TensorFlow draws from it
        own_imports = frozenset({"tensorflow", "keras"} - set(sys.modules))
        ours = "tensorflow" in own_imports
        with without_collection(keep=ours):
            _import_quietly("tensorflow")
            _import_quietly("keras")
        random.setstate(drawn)
        _check_versions()
        if ours:  # retracing notices and the like; who imported TensorFlow keeps their own level
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
        global_settings.note_start(own_imports)
        _started = True


@contextmanager
def without_collection(keep: bool = False) -> Iterator[None]:
    """Work without garbage collection: walking ever more new objects again and again was a sixth
    of the import's time. With `keep`, they are set aside from later collections as well.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if keep:
            gc.freeze()
    finally:
        if enabled:
            gc.enable()


def drop_kernels() -> None:
    """Let go of the kernels TensorFlow keeps for functions that are gone: long runs stay small.

    To be called after every scenario; done once in a while, since the next scenario has to make
    anew what it uses of them, which took it half as long again. A scenario leaves about 0.5 MiB.
    """
    if next(_scenarios) % _KERNELS_KEPT_FOR:
        return
    from tensorflow.python.eager import context

    context.context().clear_kernel_cache()


def describe_environment() -> Environment:
    """Describe Python, the platform, and Keras with its backend (None where not installed)."""
    return Environment(
        python=platform.python_version(),
        keras=_version("keras"),
        backend="tensorflow" if _version("tensorflow") else None,
        backend_version=_version("tensorflow"),
        platform=platform.platform(),
    )


def _choose_tensorflow() -> None:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    keras = sys.modules.get("keras")
    if keras is None:
        # Keras reads this once, at import; a choice made for other programs does not hold here.
        os.environ["KERAS_BACKEND"] = "tensorflow"
        return
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise UsageError(
            f"Keras is already running on {backend!r} in this process; layerlens compares models "
            "on 'tensorflow'",
            hint="set the environment variable KERAS_BACKEND=tensorflow before keras is first "
            "imported, or run `layerlens` as a command of its own",
        )


def _import_quietly(name: str) -> None:
    if name in sys.modules:
        return
    with tempfile.TemporaryFile() as printed:
        try:
            with _descriptor_2_to(printed.fileno()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(name)
        except Exception as error:  # TensorFlow fails in many ways; each is told, none is hidden
            printed.seek(0)
            raise LayerlensError(
                _import_failure(name, error, printed.read().decode(errors="replace")),
                hint=f"check that `python -c 'import {name}'` works with {sys.executable}; "
                "`pip install --upgrade tensorflow keras` installs both",
            ) from error


def _import_failure(name: str, error: Exception, printed: str) -> str:
    text = f"{name} could not be imported: {type(error).__name__}: {error}"
    lines = printed.strip().splitlines()[-8:]
    return "\n  ".join([text, "it printed:", *lines]) if lines else text


def _check_versions() -> None:
    version = _version("keras") or "0"
    if int(version.split(".")[0]) < 3:
        raise LayerlensError(
            f"layerlens needs Keras 3, but {version} is installed",
            hint="`pip install --upgrade keras`",
        )


def _version(distribution: str) -> str | None:
    module = sys.modules.get(distribution)
    version = getattr(module, "__version__", None)
    if isinstance(version, str):
        return version
    return version_of(distribution)


@contextmanager
def _descriptor_2_to(target: int) -> Iterator[None]:
    """Send what C++ code writes to descriptor 2 elsewhere; Python's sys.stderr goes with it."""
    try:
        kept = os.dup(2)
    except OSError:  # started without a standard error: nothing can reach the user
        yield
        return
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(target, 2)
        yield
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
