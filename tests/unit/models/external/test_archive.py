"""An archive whose members lead elsewhere or grow beyond bounds is refused before unpacking."""

from __future__ import annotations

import copy
import re
import warnings
import zipfile
from pathlib import Path

import pytest

from layerlens.models.external import archive
from layerlens.models.external.saved_file import read_saved
from tests.unit.models.external.saved_files import refusal, repacked

BOMB = b"\0" * (64 * 1024**2)


def test_a_member_may_not_lead_outside(keras_file: Path) -> None:
    for name in ("../evil.txt", "/etc/evil", "assets/../../evil", "..\\evil", "C:\\evil"):
        assert "points outside the archive" in refusal(repacked(keras_file, {name: b"x"}))


def test_a_member_may_not_blow_up(keras_file: Path) -> None:
    path = repacked(keras_file, {"assets/bomb": BOMB}, compress=True)
    assert "would expand from" in refusal(path)


def test_all_members_together_may_not_blow_up(
    keras_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = bytes(1024**2)  # each would do by itself
    path = repacked(keras_file, {f"assets/{i}": zeros for i in range(5)}, compress=True)
    assert read_saved(path).kind == "keras"
    monkeypatch.setattr(archive, "_TOTAL_FLOOR_BYTES", 5_000_000)
    assert re.search(r"would expand from [\d,]{5,7} to 5,[\d,]{7} bytes in total", refusal(path))


def test_what_is_as_large_as_it_is_stored_is_no_bomb(
    keras_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_TOTAL_FLOOR_BYTES", 1000)
    assert read_saved(keras_file).kind == "keras"


def test_members_may_not_overlap_nor_be_there_twice(keras_file: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(keras_file, "a") as file:
        warnings.simplefilter("ignore")
        file.writestr("config.json", b"{}")
    assert "has several members named 'config.json'" in refusal(keras_file)
    overlapping = keras_file.with_name("overlapping.keras")
    with zipfile.ZipFile(overlapping, "w") as file:
        file.writestr("assets/a", bytes(10**6))
        for name in "bcd":
            again = copy.copy(file.getinfo("assets/a"))
            again.filename = f"assets/{name}"
            file.filelist.append(again)
            file.NameToInfo[again.filename] = again
    assert "has members that overlap: 4,000,000 bytes of them" in refusal(overlapping)


def test_an_archive_of_endless_members_is_not_looked_through(
    keras_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = repacked(keras_file, {f"assets/{number}": b"" for number in range(200)})
    assert read_saved(path).kind == "keras"
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 100)
    assert "has 203 members, more than any model has" in refusal(path)
    monkeypatch.setattr(archive, "_MOST_DIRECTORY_BYTES", 8192)
    assert "lists more members than any model has" in refusal(path)


def test_only_what_keras_reads_is_unpacked(keras_file: Path, tmp_path: Path) -> None:
    path = repacked(keras_file, {"assets/layer/words": b"a", "more": b"x", "more/b": b"x"})
    folder = tmp_path / "unpacked"
    with archive.opened_archive(path, None) as opened:
        archive.unpack(opened, folder)
    found = {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}
    assert found == {*archive.MEMBERS, "assets/layer/words"}
