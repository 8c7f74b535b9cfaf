"""Restore the weights and states of models after they were used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from layerlens.models.build.request import Built, Model
from layerlens.models.execute.keras_runner import KerasRunner


@contextmanager
def restoring_weights(*models: Model) -> Iterator[None]:
    """Context manager that restores weights, seeds and recurrent states of models afterwards."""
    runners = [KerasRunner(one) for one in models if isinstance(one, Built) and one.allocated]
    own = [runner.values() for runner in runners]
    try:
        yield
    finally:
        for runner, values in zip(runners, own, strict=True):
            runner.assign(values)
            runner.reset_states()
