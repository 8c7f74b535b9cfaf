"""The settings of the plugin: values allowed, and the places that are searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layerlens.testing.settings import Settings, read_settings
from tests.unit.testing.configs import Config


def test_the_defaults() -> None:
    settings = read_settings(Config())
    assert settings == Settings((), (), 0, allow_code=False, tolerance=None, update=False)


def test_values_are_converted(tmp_path: Path) -> None:
    ini = {
        "layerlens_seed": "7",
        "layerlens_allow_code": True,
        "layerlens_tolerance": ["1e-5", "1e-8"],
        "layerlens_cache": True,
        "layerlens_strict": True,
    }
    settings = read_settings(Config(tmp_path, ini, {"layerlens_update": True}))
    assert (settings.seed, settings.allow_code, settings.tolerance) == (7, True, (1e-5, 1e-8))
    assert (settings.update, settings.cache, settings.strict) == (True, True, True)
    assert read_settings(Config(options={"layerlens_strict": True})).strict


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", "-1", "layerlens_seed takes an integer of at least 0: received '-1'"),
        ("seed", "many", "received 'many'"),
        ("tolerance", ["1e-5"], "layerlens_tolerance takes rtol and atol, such as `1e-5 1e-8`"),
        ("tolerance", ["1e-5", "inf"], "received '1e-5 inf'"),
        ("tolerance", ["-1", "0"], "received '-1 0'"),
        ("backend", "torch", "layerlens_backend takes 'tensorflow': received 'torch'"),
        ("scenarios", [Path("/nowhere/at/all")], "there is no /nowhere/at/all"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(pytest.UsageError) as refused:
        read_settings(Config(ini={f"layerlens_{name}": value}))
    assert str(refused.value).startswith("/project/pytest.ini: ")
    assert message in str(refused.value)


@pytest.mark.parametrize("options", [{"dist": "load"}, {"tx": ["2*popen"]}])
def test_updating_in_several_processes_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(pytest.UsageError, match="does not work with several processes"):
        read_settings(Config(options={"layerlens_update": True, **options}))
    read_settings(Config(options=options))


def test_paths_on_the_command_line_are_searched_alone(tmp_path: Path) -> None:
    folder = tmp_path / "scenarios"
    folder.mkdir()
    config = Config(
        tmp_path,
        {"layerlens_scenarios": [folder]},
        args=["other/gru.yaml::td.params"],
        from_command_line=True,
    )
    settings = read_settings(config)
    assert settings.places == (folder, tmp_path / "other/gru.yaml")
    assert settings.added == ()


def test_folders_that_pytest_does_not_search_are_added(tmp_path: Path) -> None:
    inside, outside = tmp_path / "tests" / "scenarios", tmp_path / "scenarios"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
    ini = {"layerlens_scenarios": [inside, outside]}
    assert read_settings(Config(tmp_path, ini, args=["tests"])).added == (str(outside),)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/project/scenarios/gru.yaml", True),
        ("/project/scenarios/deep/gru.yml", True),
        ("/project/scenarios/gru.json", False),
        ("/project/other/gru.yaml", False),
        ("/project/one.yaml", True),
    ],
)
def test_yaml_files_in_the_places_are_covered(path: str, expected: bool) -> None:
    places = (Path("/project/scenarios"), Path("/project/one.yaml"))
    settings = Settings(places, (), 0, allow_code=False, tolerance=None, update=False)
    assert settings.covers(Path(path)) is expected
