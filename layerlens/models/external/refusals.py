"""Refuse code without permission and unreadable files before Keras is imported."""

from __future__ import annotations

from layerlens.errors import UnsafeCodeError
from layerlens.models.external.saved_file import read_saved
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import ModelSpec, Scenario


def refuse_before_start(scenario: Scenario, options: RunOptions) -> None:
    """Refuse the first model that is code without permission, or an unreadable file.

    Raises:
        UnsafeCodeError: a model is a callable, and `allow_code` is false.
        ModelFileError: a file is missing, damaged, or no saved model.
    """
    for model in scenario.models:
        refuse_callable(model, allow_code=options.allow_code)
        if model.form == "file":
            assert model.file is not None  # that is what the form says
            read_saved(model.file, model.where)


def refuse_callable(model: ModelSpec, *, allow_code: bool) -> None:
    """Refuse a model that is a callable unless code may run.

    Raises:
        UnsafeCodeError: the model is a callable, and `allow_code` is false.
    """
    if model.form == "python" and not allow_code:
        raise UnsafeCodeError(
            f"model `{model.name}` runs the Python code `{model.python}`",
            model.where,
            hint="if you trust it, allow it with `--allow-code`",
        )
