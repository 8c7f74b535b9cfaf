"""Send the properties of the controller's terminal to pytest-xdist's workers."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from layerlens.files import can_encode


class Terminal(NamedTuple):
    """The terminal that reports are shown on."""

    #: Columns.
    width: int
    colour: bool
    #: Whether it lacks box characters.
    ascii: bool


def terminal_of(config: pytest.Config) -> Terminal:
    """Return the terminal of this process, or in a worker that of the controller."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        return Terminal(*worker["layerlens_page"])
    if not config.pluginmanager.hasplugin("terminalreporter"):
        return Terminal(80, colour=False, ascii=False)
    writer = config.get_terminal_writer()
    return Terminal(writer.fullwidth, writer.hasmarkup, not _can_encode(writer))


def send_terminal(node: Any) -> None:
    """Put the controller's terminal into the input of a worker."""
    node.workerinput["layerlens_page"] = list(terminal_of(node.config))


def _can_encode(writer: Any) -> bool:
    return can_encode("─│└≠✔✘×→", getattr(writer, "_file", None))
