"""What pytest-xdist's controller knows reaches its workers."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from layerlens.files import can_encode


class Page(NamedTuple):
    """What reports are drawn for: the terminal of this process, or of the controller."""

    width: int
    colour: bool
    ascii: bool


def page_of(config: pytest.Config) -> Page:
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        return Page(*worker["layerlens_page"])
    if not config.pluginmanager.hasplugin("terminalreporter"):
        return Page(80, colour=False, ascii=False)
    writer = config.get_terminal_writer()
    return Page(writer.fullwidth, writer.hasmarkup, not _can_encode(writer))


def tell_worker(node: Any) -> None:
    node.workerinput["layerlens_page"] = list(page_of(node.config))


def _can_encode(writer: Any) -> bool:
    return can_encode("─│└≠✔✘×→", getattr(writer, "_file", None))
