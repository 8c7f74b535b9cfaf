"""Built models go out to be run with other weights, and come back with their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from layerlens.measuring import Runner
from layerlens.orders import Built, Refused


@contextmanager
def lent(*models: Built | Refused) -> Iterator[None]:
    """Put the weights, random seeds and recurrent states of models back when the work is done.

    Whoever works with a model next finds the weights it was built with.
    """
    runners = [Runner(one) for one in models if isinstance(one, Built) and one.allocated]
    own = [runner.values() for runner in runners]
    try:
        yield
    finally:
        for runner, values in zip(runners, own, strict=True):
            runner.assign(values)
            runner.reset_states()
