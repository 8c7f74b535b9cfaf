"""What has changed in modules is named: classes, methods, functions and variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerlens.git.changed_code import CodeChange, changed_code

BEFORE = '''\
"""A module."""
SCALE = 2.0

class Gate(Layer):
    """A gate."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1],))

    def call(self, x):
        return x * sigmoid(self.kernel)

def helper(x):
    return x
'''


def changes(tmp_path: Path, now: str, name: str = "blocks.py") -> list[CodeChange]:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    (before / "blocks.py").write_text(BEFORE)
    (after / name).write_text(now)
    return list(changed_code(before, after, {"blocks.py": name}))


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("sigmoid", "tanh", ["Gate.call"]),
        ("Gate(Layer)", "Gate(Dense)", ["Gate"]),
        ("return x\n", "return x + 1\n", ["helper"]),
        ("2.0", "2.5", ["SCALE"]),
        ("def build", "def built", ["Gate"]),
        ('"""A gate."""', '"""Another text."""', []),
        ("return x\n", "# A comment.\n    return (x)\n", []),
        ("SCALE = 2.0\n", "", []),
    ],
)
def test_what_has_changed_is_named(tmp_path: Path, old: str, new: str, names: list[str]) -> None:
    found = changes(tmp_path, BEFORE.replace(old, new))
    assert [one.name for one in found] == names
    assert {one.file for one in found} <= {"blocks.py"}


def test_classes_come_first(tmp_path: Path) -> None:
    found = changes(tmp_path, BEFORE.replace("2.0", "3.0").replace("sigmoid", "tanh"))
    assert [(one.name, one.is_class) for one in found] == [("Gate.call", True), ("SCALE", False)]


def test_a_module_that_was_renamed(tmp_path: Path) -> None:
    (found,) = changes(tmp_path, BEFORE.replace("sigmoid", "tanh"), "gates.py")
    assert found.file == "gates.py"


@pytest.mark.parametrize("now", ["class Gate(", "x = '\0'", "(" * 3000])
def test_what_is_no_module_is_left_out(tmp_path: Path, now: str) -> None:
    assert changes(tmp_path, now) == []


def test_a_module_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "blocks.py").write_text(BEFORE)
    assert changed_code(tmp_path, tmp_path / "absent", {"blocks.py": "blocks.py"}) == ()
