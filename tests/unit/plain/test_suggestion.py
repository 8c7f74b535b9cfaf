import pytest

from layerlens.plain.suggestion import nearest_name, nearest_names


def test_the_nearest_name_is_found_whatever_its_case() -> None:
    assert nearest_name("densE", ["Dense", "Dropout"]) == "Dense"
    assert nearest_name("bidirectionl", ["Bidirectional", "Dense"]) == "Bidirectional"
    assert nearest_name("zzz", ["Dense", "Dropout"]) is None
    assert nearest_name("Dense", []) is None


def test_case_counts_where_it_is_asked_for() -> None:
    assert nearest_name("BUILD", ["build"]) == "build"
    assert nearest_name("BUILD", ["build"], match_case=True) is None


@pytest.mark.parametrize(("cutoff", "found"), [(0.5, "kernel"), (0.75, None)])
def test_the_cutoff_says_how_alike_names_are(cutoff: float, found: str | None) -> None:
    assert nearest_name("kern_x", ["kernel"], cutoff=cutoff) == found


def test_several_names_come_best_first_and_no_more_than_asked_for() -> None:
    names = ["Conv1D", "Conv2D", "Conv3D", "Dense"]
    assert nearest_names("conv2d", names, most=3) == ["Conv2D", "Conv3D", "Conv1D"]
    assert nearest_names("conv2d", names) == ["Conv2D"]
