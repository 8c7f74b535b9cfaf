"""What changes the environment's part of the key."""

from __future__ import annotations

import pytest

import layerlens
from layerlens.run.cache import environment_key
from tests.unit.tables.paths import ROOT

pytestmark = pytest.mark.usefixtures("nothing_registered")


def test_surroundings_tell_what_they_should(monkeypatch, tmp_path):
    environment_key.result_environment.cache_clear()
    plain = environment_key.result_environment()
    assert plain["versions"]["keras"]
    assert plain["packages"]["tensorflow"]
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text('{"floatx": "float64", "backend": "jax"}')
    environment_key.result_environment.cache_clear()
    changed = environment_key.result_environment()
    environment_key.result_environment.cache_clear()
    assert changed["variables"]["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert "TF_CPP_MIN_LOG_LEVEL" not in changed["variables"]
    assert plain["keras.json"] == {**environment_key._KERAS_DEFAULTS}
    assert changed["keras.json"] == {**environment_key._KERAS_DEFAULTS, "floatx": "float64"}


ROOMS = sorted(
    {path.parent.relative_to(ROOT / "layerlens") for path in (ROOT / "layerlens").rglob("*.py")}
)


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_a_change_of_layerlens_own_code_counts(room, tmp_path, monkeypatch):
    """Whichever room it is in: what an older version computed is no result of this one."""
    package = tmp_path / "layerlens"
    (package / room).mkdir(parents=True)
    monkeypatch.setattr(layerlens, "__file__", str(package / "__init__.py"))
    digests = set()
    for text in ("a = 1\n", "a = 2\n"):
        (package / room / "module.py").write_text(text)
        environment_key.code_digest.cache_clear()
        digests.add(environment_key.code_digest())
    environment_key.code_digest.cache_clear()
    assert len(digests) == 2
