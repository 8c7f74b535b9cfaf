"""A recording is read as it was written; whatever else is in its place is refused with a reason."""

from __future__ import annotations

import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerlens.errors import ModelFileError, UsageError, Where
from layerlens.models.external.recording_file import (
    has_content,
    is_recording,
    is_recording_spec,
    read_recording,
    recording_bytes,
    refuse_to_replace,
)
from layerlens.scenario.spec import ModelSpec
from tests.unit.models.external.recordings import (
    doubling,
    members,
    redescribed,
    repacked,
    saved,
    written,
)


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        read_recording(path, Where("golden.yaml", 4, 5))
    assert caught.value.where == Where("golden.yaml", 4, 5)
    assert caught.value.hint
    assert not is_recording(path) or "recording.npy" in members(path)
    return caught.value.message


def test_what_is_written_is_read(tmp_path: Path) -> None:
    recording = doubling()
    found = read_recording(written(tmp_path, recording))
    assert found.report == recording.report
    assert (found.inputs, found.slots) == (recording.inputs, recording.slots)
    assert found.versions == recording.versions
    assert (found.float32, found.unseen, found.seed) == (recording.float32, ("dropout",), 3)
    np.testing.assert_equal(found.weights, recording.weights)
    np.testing.assert_equal(found.batches[0].inputs, recording.batches[0].inputs)
    assert found.batches[0].slices == recording.batches[0].slices
    run, before = found.runs[0], recording.runs[0]
    assert list(run.outputs) == ["traced_dynamic", "eager"]
    np.testing.assert_equal(run.outputs, before.outputs)
    np.testing.assert_equal(run.float64, before.float64)
    assert run.float64[0].dtype == np.float64
    np.testing.assert_equal(run.sensitivity, before.sensitivity)


def test_numpy_reads_it_without_pickle(tmp_path: Path) -> None:
    with np.load(written(tmp_path), allow_pickle=False) as data:
        assert data["weights/initial/0"] == 2
        assert {data[name].dtype.kind for name in data.files} <= set("fiub")


def test_equal_recordings_give_equal_bytes() -> None:
    assert recording_bytes(doubling()) == recording_bytes(doubling())


def test_words_are_stored_without_pickle(tmp_path: Path) -> None:
    recording = doubling()
    words = np.asarray([["a", "", "ü"], ["b", "c", "d"]], dtype=object)
    batch = replace(recording.batches[0], inputs=(words,))
    inputs = (replace(recording.inputs[0], dtype="string"),)
    path = written(tmp_path, replace(recording, batches=(batch,), inputs=inputs))
    assert read_recording(path).batches[0].inputs[0].tolist() == words.tolist()


# --- not a recording ------------------------------------------------------------------------------


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "golden.npz")
    (tmp_path / "golden.npz").mkdir()
    assert "is a folder" in refusal(tmp_path / "golden.npz")


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04 and no more"])
def test_no_zip_archive(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "golden.npz"
    path.write_bytes(data)
    assert "is damaged or not a recording" in refusal(path)
    assert not is_recording(path)


def test_the_npz_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    np.savez(path, x=np.zeros(3))
    assert "is not a recording of layerlens" in refusal(path)
    assert not is_recording(path)


def test_a_file_that_lacks_bytes_in_the_middle(tmp_path: Path) -> None:
    """The list of members at the end then names places before the start."""
    path = written(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:100] + data[150:])
    assert "is damaged" in refusal(path)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert "is damaged" in refusal(path)


def test_any_flipped_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = path.read_bytes()
    for at in range(0, len(data), 97):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            found = read_recording(path)
        except ModelFileError:
            continue
        np.testing.assert_equal(found.runs[0].outputs, doubling().runs[0].outputs)


# --- harmful --------------------------------------------------------------------------------------


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


def test_pickled_objects_are_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    evil = np.empty(1, dtype=object)
    evil[0] = Payload()
    for name in ("weights/initial/0.npy", "recording.npy"):
        path = repacked(written(tmp_path), {name: saved(evil, allow_pickle=True)})
        assert "pickled Python objects" in refusal(path)
    assert not (tmp_path / "pwned").exists()
    pickle.loads(pickle.dumps(evil))  # the payload would have worked
    assert (tmp_path / "pwned").exists()


def test_a_zip_bomb(tmp_path: Path) -> None:
    zeros = saved(np.zeros(64 * 2**20, np.uint8))
    path = repacked(written(tmp_path), {"weights/initial/0.npy": zeros}, compress=True)
    assert path.stat().st_size < 2**20
    assert "would expand from" in refusal(path)


def test_an_array_that_claims_to_be_larger_than_it_is(tmp_path: Path) -> None:
    honest = members(written(tmp_path))["float64/0/0.npy"]
    claims = honest.replace(b"'shape': (2, 3), }      ", b"'shape': (2, 3000000), }")
    assert len(claims) == len(honest)
    assert claims != honest
    path = repacked(written(tmp_path), {"float64/0/0.npy": claims})
    assert "has an array `float64/0/0` of [2, 3000000] float64 values in 48 bytes" in refusal(path)


@pytest.mark.parametrize("name", ["../evil.npy", "/etc/evil.npy", "a/../../evil.npy", "C:\\x.npy"])
def test_a_member_that_leads_outside(tmp_path: Path, name: str) -> None:
    path = repacked(written(tmp_path), {name: saved(np.zeros(1))})
    assert "points outside the archive" in refusal(path)


def test_a_member_that_no_recording_has(tmp_path: Path) -> None:
    path = repacked(written(tmp_path), {"extra.npy": saved(np.zeros(1))})
    assert "has a member that no recording has: 'extra.npy'" in refusal(path)


# --- damaged in one place -------------------------------------------------------------------------

DAMAGES: list[tuple[str, bytes | None, str]] = [
    ("weights/initial/0.npy", None, "lacks the array `weights/initial/0`"),
    ("weights/initial/0.npy", saved(np.zeros(2, "f4")), "of shape [2], where [] is described"),
    ("weights/initial/0.npy", saved(np.asarray(1)), "has int64 values in `weights/initial/0`"),
    ("inputs/0/0.npy", saved(np.zeros((2, 4), "f4")), "of shape [2, 4], where [2, 3] is described"),
    ("inputs/0/0.npy", saved(np.zeros((3, 3), "f4")), "of shape [3, 3], where [2, 3] is described"),
    ("inputs/0/0.npy", saved(np.zeros((2, 3), "c8")), "has values of type complex64"),
    ("outputs/0/eager/0.npy", saved(np.zeros((2, 2), "f4")), "of [2, 2] float32 values, unlike"),
    ("outputs/0/eager/0.npy", saved(np.zeros((2, 3), "i4")), "of [2, 3] int32 values, unlike the"),
    ("float64/0/0.npy", saved(np.asarray([["a"] * 3] * 2)), "has <U1 values in `float64/0/0`"),
    ("sensitivity/0/0.npy", saved(np.full((2, 3), np.nan, "f4")), "not a number ≥ 0"),
    ("sensitivity/0/0.npy", saved(np.full((2, 3), -1, "f4")), "not a number ≥ 0"),
    ("inner/0/0.npy", saved(np.full((2, 3), np.inf, "f4")), "not a number ≥ 0 in `inner/0/0`"),
    ("float64/0/0.npy", b"no array", "has a damaged array `float64/0/0`"),
    ("recording.npy", saved(np.frombuffer(b"{", np.uint8)), "does not hold valid JSON"),
    ("recording.npy", saved(np.frombuffer(b"[]", np.uint8)), "that is not a mapping"),
    ("recording.npy", saved(np.frombuffer(b"\xff", np.uint8)), "is damaged"),
    ("recording.npy", saved(np.frombuffer(b"[" * 4000, np.uint8)), "has a description that"),
]


@pytest.mark.parametrize(("name", "data", "told"), DAMAGES)
def test_one_fault_is_told(tmp_path: Path, name: str, data: bytes | None, told: str) -> None:
    assert told in refusal(repacked(written(tmp_path), {name: data}))


DESCRIPTIONS: list[tuple[Any, str]] = [
    (lambda d: d.update(layerlens_recording=2), "has version 2 of the format, written by"),
    (lambda d: d.update(layerlens_recording="1"), "names no version of the format (it has '1')"),
    (lambda d: d.pop("model"), "recording.model is missing"),
    (lambda d: d["model"].update(params="many"), "recording.model.params is 'many', expected int"),
    (lambda d: d["runs"][0].update(batch=7), "a run on weights or a batch that it does not hold"),
    (lambda d: d["runs"][0].update(weights="x"), "a run on weights or a batch that it does not"),
    (lambda d: d["runs"][0].update(executions=["faster"]), "is 'faster', expected one of"),
    (lambda d: d["batches"][0].update(samples=[0]), "a batch without samples"),
    (lambda d: d["batches"][0].update(samples=[9]), "where [9, 3] is described"),
    (lambda d: d["inputs"][0].update(dtype="complex64"), "where complex64 is described"),
    (lambda d: d["weights"][0].update(shape=[-1]), "a negative length"),
    (lambda d: d.update(kinds=["../../etc"]), "a run on weights"),
    (lambda d: d.update(inputs=[]), "no inputs or no outputs"),
    (lambda d: d.update(runs=[]), "no runs or no weights"),
]


@pytest.mark.parametrize(("change", "told"), DESCRIPTIONS)
def test_one_fault_of_the_description_is_told(tmp_path: Path, change: Any, told: str) -> None:
    assert told in refusal(redescribed(written(tmp_path), change))


def test_a_recording_of_a_later_version_is_not_overwritten_as_foreign(tmp_path: Path) -> None:
    path = redescribed(written(tmp_path), lambda d: d.update(layerlens_recording=2))
    assert is_recording(path)


# --- places ---------------------------------------------------------------------------------------


def test_only_a_recording_is_replaced(tmp_path: Path) -> None:
    refuse_to_replace(str(tmp_path / "new.npz"))
    refuse_to_replace(str(written(tmp_path)))
    other = tmp_path / "data.npz"
    np.savez(other, x=np.zeros(3))
    with pytest.raises(UsageError, match="it is not a recording, and would be overwritten"):
        refuse_to_replace(str(other))
    with pytest.raises(UsageError, match=r"ends in \.npz; received"):
        refuse_to_replace(str(tmp_path / "golden.keras"))


def test_whether_a_file_has_a_content(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert has_content(str(path), recording_bytes(doubling()))
    assert not has_content(str(path), b"other")
    assert not has_content(str(tmp_path / "none"), b"")


def test_a_spec_is_a_recording_by_its_suffix() -> None:
    assert is_recording_spec(ModelSpec("m", "file", file="a/golden.NPZ"))
    assert not is_recording_spec(ModelSpec("m", "file", file="golden.keras"))
    assert not is_recording_spec(ModelSpec("m", "layers"))


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    data[start + 8] |= 1  # the flag of the first member in the list
    path.write_bytes(data)
    assert "is encrypted" in refusal(path)
