import pytest

from layerlens.plain.shapes import shape_text


@pytest.mark.parametrize("shape", [(), (8,), (None, 8), (None, 64, 15)])
def test_a_shape_reads_as_python_writes_a_tuple(shape: tuple[int | None, ...]) -> None:
    assert shape_text(shape) == str(shape)
    assert shape_text(list(shape)) == str(shape)
