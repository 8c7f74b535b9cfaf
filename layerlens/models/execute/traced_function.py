"""A traced function that remembers how long its last call took."""

from __future__ import annotations

import time
from typing import Any

from layerlens.models.execute.graph_rewriting import runnable
from layerlens.models.execute.inner_rounding import RandomRounding

#: A call shorter than this is not worth a thread.
_QUICK_SECONDS = 0.002


class TracedFunction:
    """A traced function that remembers how long its last call took."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.is_quick = False
        #: Makes its operations round at random; None where they compute as usual.
        self.rounding: RandomRounding | None = None
        self._call = runnable(function)

    def __call__(self, *tensors: Any) -> Any:
        started = time.perf_counter()
        result = self._call(*tensors)
        self.is_quick = time.perf_counter() - started < _QUICK_SECONDS
        return result
