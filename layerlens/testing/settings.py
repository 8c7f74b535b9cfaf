"""Read and check the plugin's settings in pytest's configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from layerlens.plain.numbers import whole_number

#: The settings in pytest's ini file.
FOLDERS, SEED, CODE, TOLERANCE, BACKEND, CACHE, STRICT = (
    "layerlens_scenarios",
    "layerlens_seed",
    "layerlens_allow_code",
    "layerlens_tolerance",
    "layerlens_backend",
    "layerlens_cache",
    "layerlens_strict",
)
BACKENDS = ("tensorflow",)
SUFFIXES = (".yaml", ".yml")

#: The beginning of messages from pytest's own conversions.
_CONVERSION_ERROR = re.compile(r"invalid literal for int\(\) with base 10:|invalid truth value")

T = TypeVar("T")


class Settings(NamedTuple):
    #: Absolute files and folders whose scenarios are collected.
    places: tuple[Path, ...]
    #: Folders to add to the arguments of pytest, which would not search them.
    added: tuple[str, ...]
    seed: int
    allow_code: bool
    #: (rtol, atol) for scenarios without their own.
    tolerance: tuple[float, float] | None
    update: bool
    #: Whether the results of earlier runs are used instead of running a scenario.
    cache: bool = False
    #: Whether a scenario that expects nothing, an `inconclusive` and a `weak` pass are failures.
    strict: bool = False

    def covers(self, path: Path) -> bool:
        """Return whether a file may be a scenario to collect."""
        return path.suffix in SUFFIXES and any(
            path == place or place in path.parents for place in self.places
        )


SETTINGS = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("layerlens", "compare Keras layers (layerlens)")
    group.addoption(
        "--layerlens-update",
        action="store_true",
        default=False,
        help="Write the measured values into `expect:` of the scenarios that run, keep "
        "comments, and update the recordings that `assert_matches_recording` uses.",
    )
    group.addoption(
        "--layerlens-strict",
        action="store_true",
        default=False,
        help="Fail also where a scenario expects nothing, the verdict is inconclusive, or the "
        "strength of a pass is weak.",
    )
    parser.addini(FOLDERS, "Folders with layerlens scenarios to run as tests.", "paths", default=[])
    # pytest 9 reads numbers from TOML as numbers, and refuses them for a text setting.
    number: Any = "int" if pytest.version_tuple >= (9,) else "string"
    parser.addini(
        SEED, "The seed for all random weights and inputs of layerlens.", number, default=0
    )
    parser.addini(
        CODE, "Allow scenarios to run code: `python:` models, Lambda layers.", "bool", default=False
    )
    parser.addini(
        TOLERANCE, "rtol and atol for scenarios without their own `tolerance:`.", "args", default=[]
    )
    parser.addini(
        BACKEND, f"The Keras backend: {', '.join(BACKENDS)}.", "string", default=BACKENDS[0]
    )
    parser.addini(CACHE, "Reuse stored results for unchanged scenarios.", "bool", default=False)
    parser.addini(
        STRICT,
        "Fail also where a scenario expects nothing, the verdict is inconclusive, or the strength "
        "of a pass is weak.",
        "bool",
        default=False,
    )


def read_settings(config: pytest.Config) -> Settings:
    """Return the settings.

    Raises:
        pytest.UsageError: a value is not allowed.
    """
    folders = _read(config, FOLDERS, "existing folders", _existing)
    seed = _read(config, SEED, "an integer of at least 0", _seed)
    allow_code = _read(config, CODE, "true or false", bool)
    tolerance = _read(config, TOLERANCE, "rtol and atol, such as `1e-5 1e-8`", _tolerance)
    _read(config, BACKEND, " or ".join(map(repr, BACKENDS)), _backend)
    cache = _read(config, CACHE, "true or false", bool)
    strict = _read(config, STRICT, "true or false", bool)
    strict = strict or bool(config.getoption("layerlens_strict"))
    update = bool(config.getoption("layerlens_update"))
    if update and _is_distributed(config):
        raise pytest.UsageError(
            "--layerlens-update does not work with several processes, which could write the same "
            "file: remove -n (or use -n 0)"
        )
    given, added = _given_paths(config, folders)
    return Settings((*folders, *given), added, seed, allow_code, tolerance, update, cache, strict)


def _read(config: pytest.Config, name: str, allowed: str, check: Callable[[Any], T]) -> T:
    try:
        return check(config.getini(name))
    except (TypeError, ValueError, pytest.UsageError) as error:
        place = f"{config.inipath}: " if config.inipath else ""
        reason = _CONVERSION_ERROR.sub("received", str(error))
        raise pytest.UsageError(f"{place}{name} takes {allowed}: {reason}") from None


def _existing(folders: list[Path]) -> tuple[Path, ...]:
    for folder in folders:
        if not folder.exists():
            raise ValueError(f"there is no {folder}")
    return tuple(_absolute(folder) for folder in folders)


def _seed(value: Any) -> int:
    try:
        seed = whole_number(str(value))
    except ValueError:
        seed = -1
    if seed < 0:
        raise ValueError(f"received {value!r}")
    return seed


def _tolerance(values: list[str]) -> tuple[float, float] | None:
    if not values:
        return None
    try:
        rtol, atol = map(float, values)
    except ValueError:
        rtol = atol = -1.0
    if not (0 <= rtol < float("inf") and 0 <= atol < float("inf")):
        raise ValueError(f"received {' '.join(map(str, values))!r}")
    return rtol, atol


def _backend(value: str) -> str:
    if value not in BACKENDS:
        raise ValueError(f"received {value!r}")
    return value


def _is_distributed(config: pytest.Config) -> bool:
    # Also true in workers, but the controller has raised before it starts any.
    return config.getoption("dist", "no") != "no" or bool(config.getoption("tx", None))


def _given_paths(
    config: pytest.Config, folders: tuple[Path, ...]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the paths on the command line, and the ini file's folders that they do not contain."""
    start = config.invocation_params.dir
    paths = tuple(_absolute(start / str(arg).partition("::")[0]) for arg in config.args)
    if config.args_source is config.ArgsSource.ARGS:
        return paths, ()
    # Without paths on the command line, pytest searches the ini file's folders as well.
    from_root = _absolute(start) == config.rootpath
    missing = [
        str(folder)
        for folder in folders
        if not any(folder == path or path in folder.parents for path in paths)
    ]
    return (), tuple(missing) if from_root else ()


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - keeps links, as pytest does
