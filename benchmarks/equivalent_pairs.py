"""Numbered pairs of equivalent models, as layers and as scenario files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Layers = list[dict[str, dict[str, Any]]]
#: The shape of one sample, the reference and the candidate.
Pair = tuple[list[int], Layers, Layers]


def _dense(width: int, units: int) -> Pair:
    return (
        [width],
        [{"Dense": {"units": units, "activation": "relu"}}],
        [{"Dense": {"units": units}}, {"Activation": {"activation": "relu"}}],
    )


def _distributed(width: int, units: int) -> Pair:
    return (
        [10, width],
        [{"TimeDistributed": {"layer": {"Dense": {"units": units}}}}],
        [{"Dense": {"units": units}}],
    )


def _convolved(width: int, units: int) -> Pair:
    return (
        [12, width],
        [{"Conv1D": {"filters": units, "kernel_size": 1}}],
        [{"Dense": {"units": units}}],
    )


def _recurrent(width: int, units: int) -> Pair:
    gru = {"GRU": {"units": 4, "return_sequences": True}}
    return (
        [8, width],
        [gru, {"Dense": {"units": units, "activation": "softmax"}}],
        [gru, {"Dense": {"units": units}}, {"Activation": {"activation": "softmax"}}],
    )


_KINDS: tuple[Callable[[int, int], Pair], ...] = (_dense, _distributed, _convolved, _recurrent)


def pair(number: int) -> Pair:
    """Return the pair with a number: four kinds in turn, of increasing sizes."""
    size = number // len(_KINDS)
    return _KINDS[number % len(_KINDS)](3 + size % 29, 2 + size // 29)


def write_scenarios(folder: Path, count: int) -> Path:
    """Write a folder of `count` scenarios and return it."""
    folder.mkdir()
    for number in range(count):
        shape, one, other = pair(number)
        scenario = {
            "title": f"Pair {number}",
            "input": {"shape": shape},
            "models": {"one": one, "other": other},
            "expect": {"verdicts": {"other": "equivalent"}},
        }
        # JSON is YAML.
        (folder / f"{number:04}.yaml").write_text(json.dumps(scenario, indent=1))
    return folder
