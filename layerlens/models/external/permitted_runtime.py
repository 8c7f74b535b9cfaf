"""Another Keras, before anything is built in it: whether it may run, and is installed."""

from __future__ import annotations

from layerlens.errors import ModelFileError, UnsafeCodeError
from layerlens.fault_codes import Code
from layerlens.scenario.spec import ModelSpec
from layerlens.versions import version_of


def refuse_unrunnable_elsewhere(spec: ModelSpec, *, allow_code: bool) -> None:
    """Refuse a runtime that may not run, or that is missing, before anything is built.

    Raises:
        UnsafeCodeError: it is an interpreter or torch, and `allow_code` is false.
        ModelFileError: its backend is not installed.
    """
    runtime = spec.runtime
    assert runtime is not None
    if (runtime.python is not None or runtime.backend == "torch") and not allow_code:
        what = f"starts {runtime.python}" if runtime.python else "runs on torch"
        raise UnsafeCodeError(
            f"model `{spec.name}` {what}",
            spec.where,
            hint="if you trust it, allow it with `--allow-code`",
        )
    backend = runtime.backend
    if runtime.python is None and backend is not None and version_of(backend) is None:
        raise ModelFileError(
            f"model `{spec.name}` needs {backend}, which is not installed",
            spec.where,
            hint=f"pip install 'layerlens[{backend}]'",
            code=Code.NOT_INSTALLED,
        )
