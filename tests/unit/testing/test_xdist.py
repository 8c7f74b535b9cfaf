"""The terminal that the workers of pytest-xdist draw reports for."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

from layerlens.testing.xdist import Terminal, send_terminal, terminal_of
from tests.unit.testing.configs import Config


def config_on_terminal(encoding: str) -> Any:
    config: Any = Config()
    config.pluginmanager = SimpleNamespace(hasplugin=lambda name: name == "terminalreporter")
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    writer = SimpleNamespace(fullwidth=120, hasmarkup=True, _file=stream)
    config.get_terminal_writer = lambda: writer
    return config


def test_without_a_terminal_reports_are_plain() -> None:
    config: Any = Config()
    assert terminal_of(config) == Terminal(80, colour=False, ascii=False)


def test_width_colour_and_characters_are_those_of_the_terminal() -> None:
    assert terminal_of(config_on_terminal("utf-8")) == Terminal(120, colour=True, ascii=False)
    assert terminal_of(config_on_terminal("ascii")) == Terminal(120, colour=True, ascii=True)


def test_a_worker_has_the_terminal_of_its_controller() -> None:
    node = SimpleNamespace(workerinput={}, config=config_on_terminal("ascii"))
    send_terminal(node)
    worker: Any = Config()
    worker.workerinput = node.workerinput
    assert terminal_of(worker) == Terminal(120, colour=True, ascii=True)
