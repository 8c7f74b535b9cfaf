"""Messages on standard output and standard error."""

from __future__ import annotations

import io
import os
import sys

from layerlens.cli.messages import write_errors, write_stderr, write_stdout
from tests.unit.tables.stored_reports import report_of


def test_a_message_has_the_name_of_the_program(capsys):
    write_stderr("no scenario")
    write_stdout("wrote a.yaml")
    assert capsys.readouterr() == ("wrote a.yaml\n", "layerlens: no scenario\n")


def test_characters_that_a_terminal_obeys_are_escaped(capsys):
    write_stderr("red\x1b[31m")
    write_stdout("red\x1b[31m")
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert out == "red\\x1b[31m\n"


def test_characters_that_the_encoding_lacks_are_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    write_stderr("✔ held")
    assert stream.buffer.getvalue() == b"layerlens: \\u2714 held\n"


def test_a_message_to_a_closed_pipe_is_dropped(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        write_stderr("nobody reads this")
        stream.write("nor this, which is flushed at exit")


def test_errors_are_written_with_their_place(capsys):
    write_errors(report_of("matrix"))
    first, hint, second = capsys.readouterr().err.splitlines()
    assert first == "scenarios/typo.yaml:4:9: unknown layer `Dens`"
    assert hint == "  hint: did you mean `Dense`?"
    assert second.startswith("scenarios/typo.yaml:9:1: ")
