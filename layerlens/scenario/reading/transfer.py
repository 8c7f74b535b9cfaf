"""Read `transfer:`, the name of a method or a mapping of weights."""

from __future__ import annotations

from typing import Any

from layerlens.fault_codes import Code
from layerlens.scenario.faults import Faults, misspelt, suggestion
from layerlens.scenario.spec import TransferMapping, TransferRule, WeightPair
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence, described
from layerlens.vocabulary import REST_METHODS, TRANSFER_METHODS

_OPERATIONS = ("transpose", "reshape", "join", "split", "permute")
_KEYS = ("from", "to", *_OPERATIONS)
_EXAMPLE = "such as `pairs: [{from: dense, to: dense_1}]`"
_KEYS_OF_MAPPING = ("pairs", "rest")


def read_transfer(data: YamlMapping, faults: Faults) -> TransferRule:
    """Return how weights are carried over; faults are added to `faults`."""
    value, at = data.get("transfer"), data.values_at.get("transfer")
    if value is None and "transfer" not in data:
        return "auto"
    if isinstance(value, YamlMapping):
        return _mapping(value, at, faults)
    for method in TRANSFER_METHODS:
        if value == method:
            return method
    hint = suggestion(value, TRANSFER_METHODS) if isinstance(value, str) else None
    allowed = hint or f"allowed: {', '.join(TRANSFER_METHODS)}, or a mapping with `pairs`"
    faults.add(Code.UNKNOWN_VALUE, f"`transfer` does not take {described(value)}", at, allowed)
    return "auto"


def _mapping(value: YamlMapping, at: Position | None, faults: Faults) -> TransferMapping:
    for key in value:
        if key not in _KEYS_OF_MAPPING:
            hint = suggestion(key, _KEYS_OF_MAPPING)
            faults.add(Code.UNKNOWN_KEY, f"unknown key `{key}`", value.keys_at.get(key), hint)
    rest = value.get("rest", "auto")
    if rest not in REST_METHODS:
        hint = suggestion(str(rest), REST_METHODS)
        faults.add(
            Code.UNKNOWN_VALUE,
            f"`rest` does not take {described(rest)}",
            value.values_at.get("rest"),
            hint,
        )
    pairs, pairs_at = value.get("pairs"), value.values_at.get("pairs", at)
    if "pairs" not in value:
        if not misspelt("pairs", value, _KEYS_OF_MAPPING):
            faults.add(Code.BAD_TRANSFER, "`pairs` of `transfer` is missing", at, _EXAMPLE)
    elif not isinstance(pairs, YamlSequence) or not pairs:
        faults.add(
            Code.BAD_TRANSFER,
            f"`pairs` takes a list of pairs; received {described(pairs)}",
            pairs_at,
            _EXAMPLE,
        )
    read = []
    for item, place in pairs.with_positions() if isinstance(pairs, YamlSequence) else ():
        pair = _Pair(faults, item, place).read()
        if pair is not None:
            read.append(pair)
    _refuse_repeated(read, faults)
    where = faults.where(at) if at else None
    return TransferMapping(tuple(read), rest if rest in REST_METHODS else "auto", where)


def _refuse_repeated(pairs: list[WeightPair], faults: Faults) -> None:
    """Add a fault for every path that is written twice on one side."""
    for key, sides in (
        ("from", [(pair, pair.sources) for pair in pairs]),
        ("to", [(pair, pair.targets) for pair in pairs]),
    ):
        seen: set[str] = set()
        for pair, paths in sides:
            for path in paths:
                if path in seen:
                    at = (pair.where.line or 1, pair.where.column or 1) if pair.where else None
                    faults.add(
                        Code.TRANSFER_REPEATS,
                        f"`{path}` is used twice under `{key}`",
                        at,
                        "each weight belongs to one pair: remove it from the others",
                    )
                seen.add(path)


class _Pair:
    """Reads one pair."""

    def __init__(self, faults: Faults, item: Any, at: Position | None) -> None:
        self.faults, self.item, self.at = faults, item, at

    def read(self) -> WeightPair | None:
        if not isinstance(self.item, YamlMapping):
            self._add(
                Code.BAD_TRANSFER,
                f"a pair is a mapping with `from` and `to`; received {described(self.item)}",
                None,
                _EXAMPLE,
            )
            return None
        for key in self.item:
            if key not in _KEYS:
                self._add(
                    Code.UNKNOWN_KEY,
                    f"unknown key `{key}`",
                    self.item.keys_at.get(key),
                    suggestion(key, _KEYS),
                )
        given = [key for key in _OPERATIONS if key in self.item]
        for extra in given[1:]:
            self._add(
                Code.BAD_TRANSFER,
                f"a pair has at most one operation; received `{given[0]}` and `{extra}`",
                self.item.keys_at.get(extra),
                "remove one of the two",
            )
        operation = given[0] if given else None
        before = len(self.faults.found)
        pair = WeightPair(
            self._paths("from", "join", operation),
            self._paths("to", "split", operation),
            transpose=self._order("transpose", self.item.get("transpose"), "axes"),
            reshape=self._shape(),
            join=self._axis("join", self.item),
            split=self._axis("split", self.item),
            permute=self._permute(),
            where=self.faults.where(self.at) if self.at else None,
        )
        return pair if len(self.faults.found) == before and len(given) < 2 else None

    def _paths(self, key: str, of_lists: str, operation: str | None) -> tuple[str, ...]:
        """Return one path, or several where the operation `of_lists` takes them."""
        value, at = self.item.get(key), self.item.values_at.get(key, self.at)
        if key not in self.item:
            if misspelt(key, self.item, _KEYS):
                return ()  # the key is given, but misspelt, which is a fault already
            self._add(Code.BAD_TRANSFER, f"`{key}` of a pair is missing", None, _EXAMPLE)
            return ()
        if isinstance(value, str) and value.strip("/ "):
            if operation == of_lists:
                self._add(
                    Code.BAD_TRANSFER,
                    f"with `{of_lists}`, `{key}` takes a list; received {described(value)}",
                    at,
                    f"such as `{key}: [first, second]`",
                )
            return (value.strip("/ "),)
        if isinstance(value, YamlSequence) and all(
            isinstance(one, str) and one.strip("/ ") for one in value
        ):
            if operation != of_lists:
                self._add(
                    Code.BAD_TRANSFER,
                    f"`{key}` takes a list only with `{of_lists}`",
                    at,
                    f"add `{of_lists}: -1`, or write one pair for each",
                )
            elif len(value) < 2:
                self._add(
                    Code.BAD_TRANSFER,
                    f"`{key}` needs two or more paths; received {len(value)}",
                    at,
                    None,
                )
            return tuple(one.strip("/ ") for one in value)
        self._add(
            Code.BAD_TRANSFER,
            f"`{key}` takes the path of a weight or layer; received {described(value)}",
            at,
        )
        return ()

    def _shape(self) -> tuple[int, ...] | None:
        value = self.item.get("reshape")
        if "reshape" not in self.item:
            return None
        if isinstance(value, list) and all(_is_integer(n) and n >= 0 for n in value):
            return tuple(value)
        self._add(
            Code.BAD_TRANSFER,
            f"`reshape` takes a shape; received {described(value)}",
            self.item.values_at.get("reshape"),
            "write every size, such as `reshape: [1, 8, 4]`",
        )
        return None

    def _order(self, key: str, value: Any, what: str) -> tuple[int, ...] | None:
        """Return a list that has each of 0, 1, ... once."""
        if value is None and key not in self.item:
            return None
        if (
            isinstance(value, list)
            and value
            and all(map(_is_integer, value))
            and sorted(value) == list(range(len(value)))
        ):
            return tuple(value)
        told = list(value) if isinstance(value, list) and len(value) < 20 else described(value)
        at = value.at if isinstance(value, YamlSequence) else self.item.values_at.get(key)
        self._add(
            Code.BAD_TRANSFER,
            f"`{key}` takes an order of {what}; received {told}",
            at,
            _order_hint(value),
        )
        return None

    def _axis(self, key: str, where: YamlMapping) -> int | None:
        if key not in where:
            return None
        value = where[key]
        if _is_integer(value):
            return int(value)
        self._add(
            Code.BAD_TRANSFER,
            f"`{key}` takes an axis; received {described(value)}",
            where.values_at.get(key),
            "axes count from 0, and -1 is the last",
        )
        return None

    def _permute(self) -> tuple[int, tuple[int, ...]] | None:
        if "permute" not in self.item:
            return None
        value, at = self.item["permute"], self.item.values_at.get("permute")
        if not isinstance(value, YamlMapping):
            self._add(
                Code.BAD_TRANSFER,
                f"`permute` takes a mapping; received {described(value)}",
                at,
                "such as `permute: {axis: 1, blocks: [1, 0, 2]}`",
            )
            return None
        for key in value:
            if key not in ("axis", "blocks"):
                hint = suggestion(key, ("axis", "blocks"))
                self._add(Code.UNKNOWN_KEY, f"unknown key `{key}`", value.keys_at.get(key), hint)
        for key in ("axis", "blocks"):
            if key not in value and not misspelt(key, value, ("axis", "blocks")):
                self._add(Code.BAD_TRANSFER, f"`{key}` of `permute` is missing", value.at or at)
        axis = self._axis("axis", value)
        blocks = self._order("blocks", value["blocks"], "blocks") if "blocks" in value else None
        return None if axis is None or blocks is None else (axis, blocks)

    def _add(
        self, code: Code, message: str, at: Position | None = None, hint: str | None = None
    ) -> None:
        self.faults.add(code, message, at or self.at, hint)


def _order_hint(value: Any) -> str:
    if isinstance(value, list) and value and all(map(_is_integer, value)):
        return f"each of {', '.join(map(str, range(len(value))))} once"
    return "such as `[1, 0]`"


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
