import pytest

from layerlens.plain.suggestion import nearest_name, nearest_names, sure_name, typing_errors


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
    assert nearest_names("conv2d", names, most=3) == ["Conv2D", "Conv1D", "Conv3D"]
    assert nearest_names("conv2d", names) == ["Conv2D"]


@pytest.mark.parametrize(
    ("one", "other", "errors"),
    [("", "", 0), ("modles", "models", 1), ("ab", "ba", 1), ("Dense", "Dens", 1), ("a", "xyz", 3)],
)
def test_exchanged_letters_are_one_error(one: str, other: str, errors: int) -> None:
    assert typing_errors(one, other) == errors
    assert typing_errors(other, one) == errors


KEYS = ["modes", "models", "matrix", "return_sequences", "return_state", "kernel_size", "units"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("modles", "models"),
        ("modse", "modes"),
        ("Units", "units"),
        ("returnSequences", "return_sequences"),
        ("ret_seq", "return_sequences"),
        ("kern", "kernel_size"),
        ("return", None),
        ("zzz", None),
        ("u", None),
        ("", None),
    ],
)
def test_a_sure_name_is_the_only_one_that_is_meant(name: str, meant: str | None) -> None:
    assert sure_name(name, KEYS) == meant


def test_names_that_are_as_near_as_each_other_are_not_sure() -> None:
    assert sure_name("Conv4D", ["Conv1D", "Conv2D"]) is None
    assert nearest_name("Conv4D", ["Conv1D", "Conv2D"]) == "Conv1D"
