"""What is being done is told to the listener of the thread."""

from __future__ import annotations

import threading

from layerlens.plain import stage


def test_a_listener_hears_the_stages_of_its_thread_until_it_is_left() -> None:
    heard: list[str] = []
    stage.enter("before")
    with stage.telling(heard.append):
        stage.enter("one")
        elsewhere = threading.Thread(target=stage.enter, args=("in another thread",))
        elsewhere.start()
        elsewhere.join()
        with stage.silent():
            stage.enter("part of one")
        stage.enter("two")
    stage.enter("after")
    assert heard == ["one", "two"]
