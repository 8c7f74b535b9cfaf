"""Models of one kind in many sizes, to measure how the cost of `compare` grows with their size."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import LAYERLENS, Cost, Stopped, run_within

#: The least growth above the start of a process that is told from noise: CPU seconds, and MiB.
MIN_SECONDS, MIN_MIB = 1.0, 16.0
#: Runs of a model of one layer, of which the least counts: other load makes all of them longer.
START_RUNS = 3
#: The exponent that is aimed at, and the number of upper sizes to which it is fitted.
AIM, FITTED = 1.2, 4

Nodes = dict[str, Any]
#: Returns the nodes of a model of a size, the last one its output. `changed` makes one small change
#: in the middle.
Make = Callable[[int, bool], Nodes]


@dataclass(frozen=True)
class Family:
    """Models of one kind: how one of a size is made, its input, and the sizes to measure."""

    make: Make
    sizes: Sequence[int]
    #: What a size counts.
    unit: str
    shape: Callable[[int], list[int]]


def residual(blocks: int, changed: bool) -> Nodes:
    nodes: Nodes = {}
    last = "input"
    for n in range(blocks):
        nodes |= {
            f"wide{n}": dense(16, [last], activation(n, blocks, changed)),
            f"narrow{n}": dense(8, [f"wide{n}"]),
            f"block{n}": {"Add": {}, "from": [last, f"narrow{n}"]},
        }
        last = f"block{n}"
    return nodes


def dense_blocks(blocks: int, changed: bool) -> Nodes:
    """Return blocks that are each concatenated to what came before, as in DenseNet.

    As there, a narrow layer follows every few blocks: the work in a block is bounded.
    """
    nodes: Nodes = {}
    last = "input"
    for n in range(blocks):
        nodes |= {
            f"grown{n}": dense(4, [last], activation(n, blocks, changed)),
            f"block{n}": {"Concatenate": {}, "from": [last, f"grown{n}"]},
        }
        last = f"block{n}"
        if n % 8 == 7:
            nodes[f"transition{n}"] = dense(8, [last])
            last = f"transition{n}"
    return nodes


def inception(blocks: int, changed: bool) -> Nodes:
    nodes: Nodes = {}
    last = "input"
    for n in range(blocks):
        nodes |= {
            f"first{n}": dense(2, [last], activation(n, blocks, changed)),
            f"second{n}": dense(4, [last], "relu"),
            f"second_again{n}": dense(2, [f"second{n}"], "relu"),
            f"third{n}": dense(2, [last], "tanh"),
            f"fourth{n}": dense(2, [last]),
            f"block{n}": {
                "Concatenate": {},
                "from": [f"first{n}", f"second_again{n}", f"third{n}", f"fourth{n}"],
            },
        }
        last = f"block{n}"
    return nodes


def chain(layers: int, changed: bool) -> Nodes:
    nodes: Nodes = {}
    last = "input"
    for n in range(layers):
        kind = "elu" if changed and n == layers // 2 else "tanh"
        nodes[f"layer{n}"] = dense(8, [last], kind)
        last = f"layer{n}"
    return nodes


def recurrent(steps: int, changed: bool) -> Nodes:
    """Return a GRU; its steps are those of the input."""
    gate = "hard_sigmoid" if changed else "sigmoid"
    return {
        "gru": {
            "GRU": {"units": 8, "return_sequences": True, "recurrent_activation": gate},
            "from": ["input"],
        }
    }


def encoder(blocks: int, changed: bool) -> Nodes:
    nodes: Nodes = {}
    last = "input"
    for n in range(blocks):
        nodes |= {
            f"norm{n}": {"LayerNormalization": {}, "from": [last]},
            f"attention{n}": {
                "MultiHeadAttention": {"num_heads": 2, "key_dim": 4},
                "from": [f"norm{n}", f"norm{n}"],
            },
            f"added{n}": {"Add": {}, "from": [last, f"attention{n}"]},
            f"wide{n}": dense(16, [f"added{n}"], activation(n, blocks, changed)),
            f"narrow{n}": dense(8, [f"wide{n}"]),
            f"block{n}": {"Add": {}, "from": [f"added{n}", f"narrow{n}"]},
        }
        last = f"block{n}"
    return nodes


def dense(units: int, inputs: Sequence[str], function: str | None = None) -> dict[str, Any]:
    arguments = {"units": units} | ({"activation": function} if function else {})
    return {"Dense": arguments, "from": list(inputs)}


def activation(number: int, blocks: int, changed: bool) -> str:
    """Return the activation of a block: another one in the middle of a changed model."""
    return "elu" if changed and number == blocks // 2 else "relu"


BLOCKS = (8, 16, 32, 64, 128, 256)
FAMILIES = {
    "residual": Family(residual, BLOCKS, "blocks", lambda size: [8]),
    "dense": Family(dense_blocks, BLOCKS, "blocks", lambda size: [8]),
    "inception": Family(inception, BLOCKS, "blocks", lambda size: [8]),
    "chain": Family(chain, (10, 32, 100, 316, 1000), "layers", lambda size: [8]),
    "gru": Family(recurrent, (64, 128, 256, 512, 1024, 2048), "steps", lambda size: [size, 4]),
    "encoder": Family(encoder, (2, 4, 8, 16, 24), "blocks", lambda size: [6, 8]),
}
SCRIPT = [sys.executable, str(Path(__file__).with_name("growth_by_hand.py"))]


def scenario(family: Family, size: int, changed: bool) -> dict[str, Any]:
    """Return a scenario that compares a model with itself, or with a changed one."""
    models = {}
    for name, is_changed in (("one", False), ("other", changed)):
        nodes = family.make(size, is_changed)
        models[name] = {"graph": nodes, "outputs": [list(nodes)[-1]]}
    return {
        "title": f"{size} {family.unit}",
        "input": {"shape": family.shape(size)},
        "models": models,
        "expect": {"verdicts": {"other": "different" if changed else "equivalent"}},
    }


def measure_growth(folder: Path, limit: float, chosen: Sequence[str]) -> dict[str, Any]:
    """Measure every family in processes of at most `limit` CPU seconds, and fit the exponents."""
    contestants = [
        Contestant(compared, changed=False, label="itself"),
        Contestant(compared, changed=True, label="changed"),
        # What Keras and TensorFlow take for the same models.
        Contestant(by_hand, changed=True, label="script"),
    ]
    starts = {one.label: started(one, folder, limit) for one in contestants}
    figures: dict[str, Any] = {
        "start": {
            label: {"cpu": round(cost.cpu, 2), "peak_mib": round(cost.peak_kib / 1024)}
            for label, cost in starts.items()
        },
        "aim": AIM,
    }
    for name in chosen or FAMILIES:
        figures[name] = {
            one.label: one_growth(name, one, starts[one.label], folder, limit)
            for one in contestants
        }
    return figures


@dataclass(frozen=True)
class Contestant:
    """A command that compares the two models of a family, and whether one of them is changed."""

    run: Callable[[Path, float], Cost | Stopped]
    changed: bool
    label: str

    def cost(self, family: Family, size: int, folder: Path, limit: float) -> Cost | Stopped:
        path = folder / f"{family.make.__name__}-{size}-{self.changed}.yaml"
        path.write_text(json.dumps(scenario(family, size, self.changed)))
        return self.run(path, limit)


def started(contestant: Contestant, folder: Path, limit: float) -> Cost:
    """Return the least cost of a model of one layer: what every process takes."""
    family = Family(chain, (1,), "layers", lambda size: [8])
    costs: list[Cost] = []
    for _ in range(START_RUNS):
        found = contestant.cost(family, 1, folder, limit)
        if isinstance(found, Stopped):
            raise SystemExit(f"a model of one layer: {found.reason}")
        costs.append(found)
    return min(costs, key=lambda cost: cost.cpu)


def one_growth(
    name: str, contestant: Contestant, start: Cost, folder: Path, limit: float
) -> dict[str, Any]:
    """Measure a family size by size, until a process is stopped, and fit the exponents."""
    family = FAMILIES[name]
    costs: dict[int, Cost] = {}
    stopped: dict[str, str] = {}
    for size in family.sizes:
        found = contestant.cost(family, size, folder, limit)
        sys.stderr.write(f"{name}, {size} {family.unit}, {contestant.label}: {found}\n")
        if isinstance(found, Stopped):
            stopped[str(size)] = found.reason
            break
        costs[size] = found
    seconds = {size: cost.cpu - start.cpu for size, cost in costs.items()}
    mib = {size: (cost.peak_kib - start.peak_kib) / 1024 for size, cost in costs.items()}
    return {
        "cpu_exponent": exponent(seconds, MIN_SECONDS),
        "memory_exponent": exponent(mib, MIN_MIB),
        "cpu_above_start": {str(size): round(value, 2) for size, value in seconds.items()},
        "mib_above_start": {str(size): round(value, 1) for size, value in mib.items()},
        "stopped": stopped,
    }


def compared(path: Path, limit: float) -> Cost | Stopped:
    """Compare one pair in a process of its own; a wrong verdict ends it with another status."""
    # The limit of the benchmark counts CPU time; that of the command counts the clock.
    never = ["--timeout", str(100 * limit)]
    command = [*LAYERLENS, "compare", str(path), "--no-cache", "--format", "json", *never]
    return run_within(command, limit)


def by_hand(path: Path, limit: float) -> Cost | Stopped:
    return run_within([*SCRIPT, str(path)], limit)


def exponent(values: dict[int, float], least: float) -> float | None:
    """Return the slope of log value on log size over the upper sizes; None without enough of them.

    Values below `least` are noise.
    """
    points = [(math.log(n), math.log(v)) for n, v in sorted(values.items()) if v >= least]
    points = points[-FITTED:]
    if len(points) < 2:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return round(sum((x - mean_x) * (y - mean_y) for x, y in points) / spread, 2)
