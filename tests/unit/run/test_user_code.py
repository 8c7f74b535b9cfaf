"""The frame of the user's code in a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from layerlens.plain.json import parse_json
from layerlens.run.user_code import user_frame


def raised_by(call: Callable[[], Any]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_innermost_frame_of_the_user_is_found() -> None:
    def refuse(text: str) -> int:
        raise RuntimeError(text)

    frame = user_frame(raised_by(lambda: parse_json("[1]", whole=refuse)))
    assert frame is not None
    assert frame.name == "refuse"
    assert frame.filename == __file__


def test_an_error_of_layerlens_has_no_frame_of_the_user() -> None:
    assert user_frame(raised_by(lambda: parse_json("["))) is None


def test_frames_of_the_standard_library_are_not_the_users() -> None:
    frame = user_frame(raised_by(lambda: json.loads("[")))
    assert frame is not None
    assert frame.name == "<lambda>"
