"""Write measured values into the `expect:` of a scenario file, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from layerlens.errors import LayerlensError, ScenarioError
from layerlens.files import write_text
from layerlens.report.layers import ModelReport
from layerlens.report.run import ScenarioReport
from layerlens.scenario.files import read_text
from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.positions import plain
from layerlens.scenario.yaml.spans import Span, YamlSpans
from layerlens.vocabulary import STRENGTHS, Strength, Verdict

Keys = tuple[str, ...]

#: The verdict that is not written, since another machine or a longer search may decide.
UNDECIDED: Verdict = "inconclusive"

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


class NotUpdated(Exception):  # noqa: N818 - an outcome, not a fault
    """An expectation was left unchanged; the message is the reason."""


def has_empty_expect(path: Path) -> bool:
    """Return whether a file has an empty `expect:`."""
    data = parse_yaml(read_text(path), str(path)).value
    return isinstance(data, dict) and "expect" in data and not data["expect"]


class ExpectationFile:
    """A scenario file whose expectations are updated one at a time.

    Comments, quotes, order and line endings are kept. Writing raises NotUpdated where the file has
    changed since it was read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = self._read()

    def put(self, keys: Keys, value: Any) -> bool:
        """Write a value under `expect:` and return whether the file changed.

        Args:
            keys: the path of the value in `expect:`.
            value: a count, a shape, a verdict or a mapping of mode → verdict.

        Raises:
            NotUpdated: the value cannot be written without changing something else.
        """
        data, spans = self._parse()
        where = ("expect", *keys)
        span = spans.find(where)
        if span is None:
            raise NotUpdated("it is not in `expect:` itself; write it by hand")
        text = self._text[span.start : span.end]
        if span.is_shared or text.startswith(("&", "*", "!")):
            raise NotUpdated("other parts of the file refer to it; write it by hand")
        if "${" in text:
            raise NotUpdated(f"`{text.strip()}` is filled in from the matrix; write it by hand")
        edits = _edits(self._text, span, _value(data, where), value)
        if any("#" in self._text[span.start : span.end] for span, _ in edits):
            raise NotUpdated("it contains a comment; write it by hand")
        return self._write(_apply(self._text, edits), data, where, value)

    def update(self, keys: Keys, value: Any) -> bool:
        """Write a value; of a mapping with the same keys, only the values that differ."""
        before = self.value(keys)
        if isinstance(value, Mapping) and isinstance(before, dict) and set(value) == set(before):
            changed = [self.update((*keys, key), item) for key, item in value.items()]
            return any(changed)
        return self.put(keys, value)

    def value(self, keys: Keys) -> Any:
        """Return the value at `keys` in `expect:`; None if there is none."""
        data, _ = self._parse()
        return _value(data, ("expect", *keys))

    def fill(self, expect: Mapping[str, Any]) -> bool:
        """Write the contents of an empty `expect:` and return whether the file changed."""
        data, spans = self._parse()
        span = spans.find(("expect",))
        if span is None or span.is_shared:
            raise NotUpdated("`expect:` is not written out; write it by hand")
        if spans.is_flow:
            text = _apply(self._text, [(span, _flow(expect))])
            return self._write(text, data, ("expect",), expect)
        text = self._text
        line_end = text.find("\n", span.end)
        line_end = len(text) if line_end < 0 else line_end
        rest = text[span.end : line_end].rstrip("\r")
        newline = "\r\n" if "\r\n" in text else "\n"
        lines = _block(expect, " " * (spans.indent + 2))
        body = newline.join([text[: span.start].rstrip(" ") + rest, *lines])
        after = text[span.end + len(rest) :] or newline
        return self._write(body + after, data, ("expect",), expect)

    def _parse(self) -> tuple[Any, YamlSpans]:
        """Return the data of the file as plain values, and the spans of its values."""
        spans = YamlSpans(self._text)
        document = parse_yaml(self._text, str(self.path), spans.handle)
        return plain(document.value), spans

    def _read(self) -> str:
        # `read_text` removes the byte order mark, which has to stay in the file.
        text = read_text(self.path)
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise NotUpdated(f"{self.path} cannot be read: {error.strerror}") from None
        if data not in (text.encode(), ("\ufeff" + text).encode()):
            raise NotUpdated("the file is not in UTF-8; write it by hand")
        self._byte_order_mark = "\ufeff" if data.startswith(b"\xef\xbb\xbf") else ""
        return text

    def _write(self, text: str, before: Any, where: Keys, value: Any) -> bool:
        if text == self._text:
            return False
        if self._read() != self._text:
            raise NotUpdated("the file was changed while the tests ran; run them again")
        try:
            after = parse_yaml(text, str(self.path))
        except ScenarioError:
            after = None
        if after is None or after.faults or plain(after.value) != _replaced(before, where, value):
            raise NotUpdated("it cannot be written without changing something else; do so by hand")
        try:
            write_text(self._byte_order_mark + text, str(self.path))
        except LayerlensError as error:
            raise NotUpdated(error.message) from None
        self._text = text
        return True


# --- measured values ------------------------------------------------------------------------------


def common_value(values: Sequence[Any]) -> Any:
    """Return the value that is the same in every cell of a matrix.

    Raises:
        NotUpdated: the cells have different values.
    """
    distinct = list(dict.fromkeys(_flow(value) for value in values))
    if len(distinct) > 1:
        raise NotUpdated(f"the cells of the matrix measured {' and '.join(distinct[:4])}")
    return values[0]


def weakest(strengths: Sequence[Strength]) -> Strength | None:
    """Return the weakest of some strengths; None if there are none."""
    return min(strengths, key=STRENGTHS.index, default=None)


def as_written(before: Any, verdict: Verdict, strength: Strength | None) -> Any:
    """Return a measured verdict in the form of the one before: with a strength, or alone."""
    if isinstance(before, Mapping) and "strength" in before and strength is not None:
        return {"verdict": verdict, "strength": strength}
    if isinstance(before, Mapping) and set(before) == {"verdict"}:
        return {"verdict": verdict}
    return verdict


def joint_verdict(by_mode: Mapping[str, Any]) -> Any:
    """Return the verdict that all modes share, or the verdict of each mode.

    Of verdicts that differ in their strength alone, that is the verdict with the weakest one.
    """
    first, *others = by_mode.values()
    if all(other == first for other in others):
        return first
    found = list(by_mode.values())
    if all(isinstance(one, Mapping) and "strength" in one for one in found):
        return {**first, "strength": weakest([one["strength"] for one in found])}
    return dict(by_mode)


def measured_expectations(reports: Sequence[ScenarioReport]) -> dict[str, Any]:
    """Return the verdicts, params and shapes that are the same in every cell of the matrix."""
    verdicts: dict[str, Any] = {}
    for candidate in dict.fromkeys(pair.candidate for pair in reports[0].pairs):
        by_mode = {
            pair.mode: [
                other.verdict
                for report in reports
                for other in report.pairs
                if (other.candidate, other.mode) == (candidate, pair.mode)
            ]
            for pair in reports[0].pairs
            if pair.candidate == candidate
        }
        if all(len(set(found)) == 1 and found[0] != UNDECIDED for found in by_mode.values()):
            modes = {mode: found[0] for mode, found in by_mode.items()}
            alike = len(set(modes.values())) == 1
            verdicts[candidate] = next(iter(modes.values())) if alike else modes
    models = {
        model.name: figures
        for position, model in enumerate(reports[0].models)
        if (figures := _figures([report.models[position] for report in reports]))
    }
    return {
        **({"verdicts": verdicts} if verdicts else {}),
        **({"models": models} if models else {}),
    }


def _figures(cells: Sequence[ModelReport]) -> dict[str, Any]:
    figures = {}
    for name in ("params", "output_shape"):
        values = [_lists(getattr(cell, name)) for cell in cells]
        if values[0] is not None and all(value == values[0] for value in values):
            figures[name] = values[0]
    return figures


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def _edits(text: str, span: Span, old: Any, new: Any) -> list[tuple[Span, str]]:
    """Return the replacements that turn `old` into `new`; equal items keep their spelling."""
    if new == old:
        return []
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old) == len(span.items):
        return [
            edit
            for parts in zip(span.items, old, new, strict=True)
            for edit in _edits(text, *parts)
        ]
    if isinstance(new, list) and span.items and not span.is_flow:
        line_start = text.rfind("\n", 0, span.start) + 1
        newline = "\r\n" if text[:line_start].endswith("\r\n") else "\n"
        separator = newline + " " * (span.start - line_start)
        return [(span, separator.join(f"- {_flow(item)}" for item in new))]
    quote = text[span.start]
    if isinstance(new, str) and quote in "'\"":
        return [(span, quote + new + quote)]
    return [(span, _flow(new))]


def _apply(text: str, edits: Sequence[tuple[Span, str]]) -> str:
    for span, new in sorted(edits, key=lambda edit: edit[0].start, reverse=True):
        text = text[: span.start] + new + text[span.end :]
    return text


def _flow(value: Any) -> str:
    """Return a value in YAML's flow style."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return "null" if value is None else str(value)


def _block(expect: Mapping[str, Any], indent: str) -> list[str]:
    """Return the lines of an `expect:` in YAML's block style."""
    lines = []
    for section, entries in expect.items():
        if section == "verdicts":
            lines.append(f"{indent}{section}: {_flow(entries)}")
        else:
            lines.append(f"{indent}{section}:")
            lines += [f"{indent}  {_key(key)}: {_flow(item)}" for key, item in entries.items()]
    return lines


def _key(name: str) -> str:
    if _PLAIN_KEY.fullmatch(name) and name.lower() not in _NOT_TEXT:
        return name
    return json.dumps(name, ensure_ascii=False)


def _value(data: Any, keys: Keys) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _replaced(data: Any, keys: Sequence[str], value: Any) -> Any:
    """Return a copy of nested mappings with the value at `keys` replaced."""
    if not keys:
        return plain(value)
    return {**data, keys[0]: _replaced(data[keys[0]], keys[1:], value)}
