"""Start the processes of other runtimes: all that a scenario needs at once, or one of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from layerlens.errors import ModelFileError
from layerlens.fault_codes import Code
from layerlens.git.folder import make_folder
from layerlens.models.backend.free_memory import free_memory
from layerlens.models.external.exported_file import is_exported_spec, runtime_of
from layerlens.models.runtimes.process import (
    About,
    RuntimeAnswerError,
    RuntimeLostError,
    RuntimeProcess,
)
from layerlens.plain.printable import one_line
from layerlens.plain.processors import count_processors
from layerlens.scenario.spec import ModelSpec, RuntimeSpec


class StartedProcesses:
    """The processes for the models of a scenario, which start while the others are built."""

    def __init__(self, models: Iterable[ModelSpec], max_memory: int | None) -> None:
        self._started: dict[str, RuntimeProcess] = {}
        for model in models:
            if runs_elsewhere(model) and len(self._started) < count_processors():
                self._started[model.name] = start_process(model, max_memory)

    def take(self, name: str) -> RuntimeProcess | None:
        """Return the process for a model, once."""
        return self._started.pop(name, None)

    def close(self) -> None:
        """End the processes that were not taken."""
        while self._started:
            self._started.popitem()[1].close()


def runs_elsewhere(spec: ModelSpec) -> bool:
    """Return whether a model runs in a process of its own."""
    return spec.runtime is not None or is_exported_spec(spec)


def start_process(spec: ModelSpec, max_memory: int | None) -> RuntimeProcess:
    """Start the process for a model, without waiting for it.

    Raises:
        ModelFileError: it cannot be started.
    """
    most_bytes = max_memory or free_memory()
    try:
        if spec.runtime is None:
            return RuntimeProcess(runtime_of(spec).module, most_bytes=most_bytes)
        if spec.runtime.revision is not None:
            return _at_revision(most_bytes)
        return _keras_process(spec.runtime, most_bytes)
    except (RuntimeLostError, OSError) as error:
        raise _unstarted(spec, str(error), None) from error


def _keras_process(runtime: RuntimeSpec, most_bytes: int | None) -> RuntimeProcess:
    environment = {"KERAS_BACKEND": runtime.backend or "tensorflow"}
    if runtime.backend == "jax":
        environment["JAX_ENABLE_X64"] = "1"
    if runtime.backend == "torch":
        environment["OMP_WAIT_POLICY"] = "PASSIVE"  # else its threads keep the processors busy
    return RuntimeProcess(
        "keras_runtime",
        runtime.keras,
        python=runtime.python,
        environment=environment,
        most_bytes=most_bytes,
    )


def _at_revision(most_bytes: int | None) -> RuntimeProcess:
    folder, remove = make_folder()
    try:
        return RuntimeProcess("at_revision", most_bytes=most_bytes, folder=folder, on_end=remove)
    except BaseException:
        remove()
        raise


def about_process(process: RuntimeProcess, spec: ModelSpec) -> About:
    """Wait until a process is ready, and return what runs in it.

    Raises:
        ModelFileError: it died, or what it needs is not installed.
    """
    try:
        return process.about()
    except RuntimeLostError as error:
        raise _unstarted(spec, str(error), None) from error
    except RuntimeAnswerError as error:
        raise _unstarted(spec, error.message, error.missing) from error


def _unstarted(spec: ModelSpec, reason: str, missing: str | None) -> ModelFileError:
    if spec.runtime is None:
        kind = runtime_of(spec)
        what = f"{kind.name} cannot be started for {Path(str(spec.file)).name}"
        hint = f"pip install --upgrade 'layerlens[{kind.extra}]'" if kind.extra else None
    else:
        started = spec.runtime.python or spec.runtime.backend or "a process"
        what = f"{started} cannot be started for `{spec.name}`"
        hint = None if missing is None else f"install `{missing}` for that interpreter"
    return ModelFileError(
        f"{what}: {one_line(reason)}", spec.where, hint=hint, code=Code.NOT_INSTALLED
    )
