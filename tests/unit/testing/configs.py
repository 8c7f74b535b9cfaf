"""A configuration of pytest with only what the plugin reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from layerlens.testing.settings import SETTINGS, Settings

DEFAULTS = {
    "layerlens_scenarios": [],
    "layerlens_seed": 0,
    "layerlens_allow_code": False,
    "layerlens_tolerance": [],
    "layerlens_backend": "tensorflow",
    "layerlens_cache": False,
    "layerlens_strict": False,
}
NO_SETTINGS = Settings((), (), 0, allow_code=False, tolerance=None, update=False)


@dataclass
class Config:
    folder: Path = Path("/project")
    ini: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    args: list[str] = field(default_factory=list)
    from_command_line: bool = False
    verbosity: int = 0
    settings: Settings = NO_SETTINGS
    ArgsSource = pytest.Config.ArgsSource

    def __post_init__(self) -> None:
        self.inipath = self.folder / "pytest.ini"
        self.rootpath = self.folder
        self.invocation_params = SimpleNamespace(dir=self.folder)
        source = pytest.Config.ArgsSource
        self.args_source = source.ARGS if self.from_command_line else source.TESTPATHS
        self.stash = {SETTINGS: self.settings}
        self.pluginmanager = SimpleNamespace(hasplugin=lambda name: False)

    def getini(self, name: str) -> Any:
        return {**DEFAULTS, **self.ini}[name]

    def getoption(self, name: str, default: Any = False) -> Any:
        return self.options.get(name, default)

    def get_verbosity(self) -> int:
        return self.verbosity
