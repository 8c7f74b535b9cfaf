"""Serialised objects that Keras would follow to somewhere else."""

from __future__ import annotations

import json
from typing import Any


def reference(module: str | None, name: str, config: Any = None, registered: Any = None) -> Any:
    return {
        "module": module,
        "class_name": name,
        "config": {} if config is None else config,
        "registered_name": registered,
    }


#: Calls a SavedModel as it is loaded: the graph's one node runs `TFSMLayer("exported")`.
RUNS_A_SAVED_MODEL: dict[str, Any] = {
    "module": "keras.src.models.functional",
    "class_name": "Functional",
    "registered_name": "Functional",
    "config": {
        "name": "f",
        "layers": [
            {
                "name": "switch",
                "module": "keras.src.ops.core",
                "class_name": "Switch",
                "registered_name": "Switch",
                "config": {"name": "switch"},
                "inbound_nodes": [
                    {
                        "args": [
                            0,
                            [reference("keras.layers", "function", "TFSMLayer", "TFSMLayer")],
                            "exported",
                            "serve",
                        ],
                        "kwargs": {},
                    }
                ],
            }
        ],
        "input_layers": [],
        "output_layers": [],
    },
}


def allocates(dtype: str = "float32") -> dict[str, Any]:
    """Describe a graph whose one node takes a constant, so that Keras runs it as it is made."""
    config = json.loads(json.dumps(RUNS_A_SAVED_MODEL))
    constant = {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": dtype}}
    (layer,) = config["config"]["layers"]
    layer |= {"module": "keras.src.ops.numpy", "class_name": "Repeat", "registered_name": "Repeat"}
    layer["config"] = {"name": "switch", "repeats": 10**9}
    layer["inbound_nodes"] = [{"args": [constant], "kwargs": {}}]
    return config
