"""The entries of the truth table."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent

#: To judge these, or to prove them, takes many seconds; only a nightly run does it.
LONG = {
    "attention_over_800_and_900_steps",
    "images_of_any_height_with_a_far_dilation",
    "recurrent_layer_behind_dilations_of_1500_and_1600",
}


@cache
def truth_table() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return all entries, each with its name: that of the file, and its own."""
    return tuple(
        (f"{file.stem}/{entry['id']}", entry)
        for file in sorted(FOLDER.glob("*.yaml"))
        for entry in YAML(typ="safe").load(file)
    )
