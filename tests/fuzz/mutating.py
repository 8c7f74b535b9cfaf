"""Mutate a scenario file by a seed: the same seed gives the same file."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from composing import composed
from ruamel.yaml import YAML

from layerlens.scenario.keras_catalog import layer_names, signature
from layerlens.vocabulary import VERDICTS

ROOT = Path(__file__).resolve().parents[2]
#: Where the code that nobody allowed would be found; see `canary.py` in the fuzzer's folder.
CANARY = "canary:build"

NUMBERS = (0, -1, 1, 2, 3, 5, 7, 10**6, 2**31 - 1, 2**31, 10**9, 10**12, 2**63, 10**30, -(10**12))
FLOATS = (math.nan, math.inf, -math.inf, 1e308, 1e-320, -0.0, 0.5, 1.5, -1.0)
TEXTS = (
    *("", " ", "\0", "x" * 5000, "${units}", "${", "../../etc/passwd", "/dev/zero", "/etc/passwd"),
    *(
        "é́",
        "\u202e",
        "😀",
        "null",
        "relu",
        "softmax",
        "same",
        "valid",
        "causal",
        "os:system",
        CANARY,
    ),
    *("[:, -1]", "[0]", "[...]", "[:, ::0]", "[", "%s", "{}", "a/b", "float64", "int32", "string"),
    *(
        "mixed_float16",
        "channels_first",
        "sum",
        "glorot_uniform",
        "l2",
        "input",
        "- -",
        "layerlens",
    ),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file to try; a `lie` is a true scenario with one false expectation, and may not pass."""

    content: bytes
    origin: str
    is_lie: bool = False
    #: The command to try it with, `compare` unless the fuzzer is told another, and its options.
    command: tuple[str, ...] = ("compare",)
    #: What the file is called: the ending says of which kind it is.
    name: str = "mutant.yaml"


def mutant(seed: int, *, only_composed: bool = False) -> Mutant:
    """Return the file of a seed, of any kind or of ordinary layers in a new combination."""
    draw = random.Random(seed)
    path = draw.choice(_shipped())
    kinds = [(_composed, 1)] if only_composed else _KINDS
    kind = draw.choices(kinds, [weight for _, weight in kinds])[0][0]
    text = path.read_text(encoding="utf-8")
    content, is_lie = kind(text, draw)
    command = draw.choice(_COMMANDS) if kind is _composed else ("compare",)
    return Mutant(content, f"{path.name}, {kind.__name__.strip('_')}, seed {seed}", is_lie, command)


@cache
def _shipped() -> list[Path]:
    return sorted((ROOT / "scenarios").glob("*.yaml"))


# --- bytes and lines ------------------------------------------------------------------------------


def _bytes(text: str, draw: random.Random) -> tuple[bytes, bool]:
    data = bytearray(text.encode())
    for _ in range(draw.choice((1, 1, 2, 8, 40))):
        place = draw.randrange(len(data) + 1)
        match draw.randrange(5):
            case 0:
                data[place:place] = bytes([draw.randrange(256)])
            case 1:
                del data[place : place + draw.choice((1, 3, 30))]
            case 2:
                data[place : place + 1] = draw.choice(
                    (b"\0", b"\xff", b"\t", b"{", b"]", b":", b"&a ")
                )
            case 3:
                data = data[:place] or bytearray(b" ")
            case 4:
                other = draw.choice(_shipped()).read_bytes()
                start = draw.randrange(len(other))
                data[place:place] = other[start : start + draw.choice((5, 60, 400))]
    return bytes(data), False


def _lines(text: str, draw: random.Random) -> tuple[bytes, bool]:
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2, 5))):
        place = draw.randrange(len(lines))
        match draw.randrange(5):
            case 0:
                lines.insert(place, lines[draw.randrange(len(lines))])
            case 1 if len(lines) > 1:
                del lines[place]
            case 2:
                lines[place] = draw.choice((" ", "  ", "\t", "- ")) + lines[place]
            case 3:
                lines[place] = lines[place].removeprefix("  ")
            case 4:
                lines[place], lines[0] = lines[0], lines[place]
    return "\n".join(lines).encode(), False


def _encoding(text: str, draw: random.Random) -> tuple[bytes, bool]:
    text = text.replace("title: ", "title: é€ ", 1)
    encoding = draw.choice(
        ("utf-16", "utf-16-be", "utf-32", "latin-1", "utf-8-sig", "cp1252", "cp500")
    )
    end = draw.choice(("\n", "\r\n", "\r", "\u2028", "\x85", "\x0c"))
    return text.replace("\n", end).encode(encoding, "replace"), False


def _words(text: str, draw: random.Random) -> tuple[bytes, bool]:
    """Change single words: a number for another, a name for a near or a foreign one."""
    found = list(re.finditer(r"-?\b\d[\d_.]*|[A-Za-z_][A-Za-z_0-9]*", text))
    for match in sorted(
        draw.sample(found, min(len(found), draw.choice((1, 1, 2, 4)))), key=_last_first
    ):
        word = match[0]
        if word[0] in "-0123456789":
            new = str(draw.choice((*NUMBERS, *map(_yaml_float, FLOATS))))
        elif draw.random() < 0.5:
            place = draw.randrange(len(word))
            new = word[:place] + draw.choice(("", "x", word[place] * 2)) + word[place + 1 :]
        else:
            new = draw.choice((*layer_names(), "relu", "true", "false", "null", *VERDICTS))
        text = text[: match.start()] + new + text[match.end() :]
    return text.encode(), False


def _last_first(match: re.Match[str]) -> int:
    return -match.start()


# --- trees ----------------------------------------------------------------------------------------


def _tree(text: str, draw: random.Random) -> tuple[bytes, bool]:
    """Change values, keys and whole branches of the parsed file."""
    data = _small(_parsed(text))
    if draw.random() < 0.7:
        data.pop("expect", None)  # or nearly all would only fail on what is expected of the old
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(data))
        holder, key = draw.choice(places)
        match draw.randrange(7):
            case 0 | 1:
                holder[key] = _hostile(draw)
            case 2:
                del holder[key]
            case 3:
                holder[key] = _branch(draw)
            case 4 if isinstance(holder, dict):
                holder[
                    draw.choice(
                        ("units", "activation", "shape", "layers", "from", "name", f"{key}s")
                    )
                ] = holder.pop(key)
            case 5 if isinstance(holder[key], int) and not isinstance(holder[key], bool):
                holder[key] += draw.choice((-2, -1, 1, 2))
            case 5 if isinstance(holder[key], bool):
                holder[key] = not holder[key]
            case _ if isinstance(holder, list):
                holder.insert(key, draw.choice(holder))
                if draw.random() < 0.5:
                    draw.shuffle(holder)
    return _written(data).encode("utf-8", "surrogatepass"), False


def _layers(text: str, draw: random.Random) -> tuple[bytes, bool]:
    """Put any layer of Keras, with any of its arguments, into a small scenario."""
    data = _small(_parsed(text))
    data.pop("expect", None)
    chains = [value for value in _values(data.get("models")) if isinstance(value, list) and value]
    chain = draw.choice(chains) if chains else []
    name = draw.choice(layer_names())
    known = signature(name)
    arguments = {item.name: draw.choice((1, 2, 3, 4)) for item in known.arguments if item.required}
    for item in draw.sample(known.arguments, min(len(known.arguments), draw.randrange(3))):
        arguments[item.name] = _hostile(draw) if draw.random() < 0.6 else _branch(draw)
    place = draw.randrange(len(chain) + 1)
    chain[place : place + draw.randrange(2)] = [{name: arguments}]
    return _written(data).encode("utf-8", "surrogatepass"), False


def _lie(text: str, draw: random.Random) -> tuple[bytes, bool]:
    """Expect one thing falsely of an otherwise true scenario."""
    data = _parsed(text)
    wanted = data.get("expect") or {}
    if "matrix" in data or not isinstance(wanted.get("verdicts"), dict):
        return _tree(text, draw)
    candidate, verdict = draw.choice(list(wanted["verdicts"].items()))
    if isinstance(verdict, str):
        # A tolerance may decide between these two; what is inconclusive may be told as anything.
        alike = {verdict, "inconclusive"}
        data["expect"] = {
            "verdicts": {candidate: draw.choice([name for name in VERDICTS if name not in alike])}
        }
    else:
        data["expect"] = {"models": {candidate: {"params": 123_456_789}}}
    return _written(data).encode(), True


def _composed(text: str, draw: random.Random) -> tuple[bytes, bool]:
    """Leave the shipped scenario aside, and compose one of ordinary layers."""
    return _written(composed(draw)).encode(), False


#: What people ask of a file beside the verdict.
_COMMANDS = (
    *[("compare",)] * 4,
    ("compare", "--deps"),
    ("compare", "--deps", "--features"),
    ("compare", "--graph"),
    ("compare", "--repro", "told.py"),
    ("explain",),
)

_KINDS: list[tuple[Callable[[str, random.Random], tuple[bytes, bool]], int]] = [
    (_bytes, 20),
    (_lines, 10),
    (_encoding, 4),
    (_words, 20),
    (_tree, 28),
    (_layers, 16),
    (_lie, 2),
    (_composed, 12),
]


@cache
def _loaded(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _parsed(text: str) -> Any:
    return deepcopy(_loaded(text))


def _small(value: Any) -> Any:
    """Return the value with sizes of a few, so that building and running it takes a moment."""
    if isinstance(value, dict):
        return {
            key: item if key in ("values", "weights") else _small(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_small(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and value > 8:
        return 4 + value % 2
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield item
            yield from _values(item)


def _hostile(draw: random.Random) -> Any:
    match draw.randrange(7):
        case 0 | 1:
            return draw.choice(NUMBERS)
        case 2:
            return draw.choice(FLOATS)
        case 3 | 4:
            return draw.choice(TEXTS)
        case 5:
            return draw.choice((None, True, False, [], {}))
        case _:
            return [
                draw.choice((*NUMBERS, None, "x", 1.5)) for _ in range(draw.choice((1, 2, 3, 5)))
            ]


def _branch(draw: random.Random) -> Any:
    """Return a value from somewhere in another scenario."""
    data = _small(_parsed(draw.choice(_shipped()).read_text(encoding="utf-8")))
    return draw.choice(list(_values(data)))


def _yaml_float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    return repr(value) if math.isfinite(value) else ("-.inf" if value < 0 else ".inf")


def _written(value: Any) -> str:
    """Write a value as YAML's flow style, which JSON nearly is."""
    if isinstance(value, dict):
        inner = ", ".join(
            f"{json.dumps(str(key))}: {_written(item)}" for key, item in value.items()
        )
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, float):
        return _yaml_float(value)
    return json.dumps(value)
