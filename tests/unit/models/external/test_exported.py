"""Exported files are loaded in their runtime, or refused with what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerlens.errors import ModelFileError, UnsafeCodeError, UsageError
from layerlens.models.build.request import Foreign, Refused
from layerlens.models.build_model import build_model
from layerlens.models.external import exported_file
from layerlens.models.external.exported_file import refuse_unrunnable
from layerlens.models.runtimes.kinds import LITERT, ONNX, SAVED_MODEL, kind_of
from layerlens.run.record import record_model
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import ModelSpec
from tests.unit.models.runtimes import onnx_files

pytestmark = pytest.mark.usefixtures("backend")


def spec(path: Path) -> ModelSpec:
    return ModelSpec("ours", "file", file=str(path))


def built(path: Path, **options: Any) -> Foreign | Refused:
    found = build_model(spec(path), (), **options)
    assert isinstance(found, (Foreign, Refused))
    return found


def test_the_runtime_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    assert kind_of("a/M.ONNX") is ONNX
    assert kind_of("m.tflite") is LITERT
    assert kind_of(str(tmp_path)) is SAVED_MODEL
    assert kind_of("m.keras") is kind_of(None) is kind_of(str(tmp_path.parent)) is None


def test_a_missing_runtime_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "layerlens.models.runtimes.kinds.version_of",
        lambda name: None if name == "onnxruntime" else "1",
    )
    with pytest.raises(ModelFileError) as caught:
        refuse_unrunnable(spec(tmp_path / "m.onnx"), allow_code=False)
    assert caught.value.message == "m.onnx needs ONNX Runtime, and onnxruntime is not installed"
    assert caught.value.hint == "pip install 'layerlens[onnx]'"


def test_a_saved_model_may_run_code(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(UnsafeCodeError, match="may read and write files"):
        refuse_unrunnable(spec(tmp_path), allow_code=False)
    refuse_unrunnable(spec(tmp_path), allow_code=True)


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    (tmp_path / "m.onnx").write_bytes(bytes(100))
    monkeypatch.setattr(exported_file, "LARGEST_FILE", 99)
    with pytest.raises(ModelFileError, match="reads at most"):
        refuse_unrunnable(spec(tmp_path / "m.onnx"), allow_code=False)


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite"])
def test_a_damaged_file(tmp_path: Path, name: str) -> None:
    pytest.importorskip(
        "onnxruntime" if name.endswith("onnx") else "ai_edge_litert",
        reason="the extra is not installed",
    )
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(300))
    with pytest.raises(ModelFileError, match=f"{name} is damaged, or not a file of"):
        built(tmp_path / name)


class TestExternalData:
    """Tensors that an ONNX file keeps in other files."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
        pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

    def file(self, folder: Path, place: str) -> Path:
        import onnx
        from onnx.external_data_helper import set_external_data

        kernel, bias = np.full((3, 3), 2, "f4"), np.zeros(3, "f4")
        path = onnx_files.dense_file(folder / "m.onnx", kernel, bias)
        model = onnx.load(path)
        tensor = next(one for one in model.graph.initializer if one.name == "k")
        set_external_data(tensor, place, offset=0, length=len(tensor.raw_data))
        tensor.ClearField("raw_data")
        path.write_bytes(model.SerializeToString())
        return path

    def test_in_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "k.bin").write_bytes(np.full((3, 3), 2, "f4").tobytes())
        found = built(self.file(tmp_path, "k.bin"))
        assert isinstance(found, Foreign)
        ready = found.runtime.lined_up((_feed(),), (None,))
        (output,) = ready.run([np.ones((1, 3), "f4")])
        assert output.tolist() == [[6, 6, 6]]

    def test_missing_or_cut_off(self, tmp_path: Path) -> None:
        path = self.file(tmp_path, "k.bin")
        assert problem(built(path)) == (
            "the data of `k` is in k.bin, which is missing",
            "copy the data along with the file, or export the model again",
        )
        (tmp_path / "k.bin").write_bytes(bytes(8))
        message, hint = problem(built(path))
        assert "exceeds available data" in message
        assert hint == "the data is cut off: copy it again, or export the model again"

    @pytest.mark.parametrize("place", ["../k.bin", "{absolute}", "link.bin", "inner/../../k.bin"])
    def test_outside_the_folder(self, tmp_path: Path, place: str) -> None:
        folder = tmp_path / "model"
        (folder / "inner").mkdir(parents=True)
        outside = tmp_path / "k.bin"
        outside.write_bytes(np.full((3, 3), 2, "f4").tobytes())
        (folder / "link.bin").symlink_to(outside)
        found = built(self.file(folder, place.format(absolute=outside)))
        message, hint = problem(found)
        assert "outside the folder of the file" in message
        assert hint is not None
        assert "next to the file" in hint


def problem(found: Foreign | Refused) -> tuple[str, str | None]:
    """Return why a file was refused, without the runtime's name, and what would help."""
    assert isinstance(found, Refused)
    assert found.report.error is not None
    return found.report.error.message.partition(": ")[2], found.report.error.hint


def _feed() -> Any:
    from layerlens.models.runtimes.foreign import Feed

    return Feed(0)


def test_a_custom_operator_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    nodes = [onnx_files.node("Secret", "x", "y", domain="com.example")]
    file = onnx_files.written(tmp_path / "m.onnx", nodes, {}, {"x": ["n", 3]}, ["n", 3])
    found = built(file)
    assert isinstance(found, Refused)
    assert found.report.error is not None
    assert "`Secret`" in found.report.error.message
    assert found.report.runtime is not None


def test_the_limit_of_memory_holds_for_the_runtime_too(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    file = onnx_files.dense_file(tmp_path / "m.onnx", np.eye(3, dtype="f4"), np.zeros(3, "f4"))
    with pytest.raises(ModelFileError, match=r"of memory; the limit is 1\.0 MB"):
        built(file, max_memory=1024**2)


def test_an_exported_file_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match="is an exported file"):
        record_model(spec(tmp_path / "m.onnx"), (), str(tmp_path / "z.npz"), RunOptions())
    assert not (tmp_path / "z.npz").exists()
