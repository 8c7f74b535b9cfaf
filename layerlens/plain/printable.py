"""Text that somebody else wrote, made fit for a terminal, a log or a page: shown, never obeyed.

Titles, names, paths and messages may hold anything. What would move the cursor, turn the direction
of text, hide, or be taken for a command by what reads the log is spelt out.
"""

from __future__ import annotations

import re

#: Control characters and lone surrogates; line and paragraph separators; characters that reorder
#: the text around them or are not seen at all. Those that join letters and emoji are none of them.
_HIDDEN = (
    "\x00-\x1f\x7f-\x9f\ud800-\udfff"
    "\u2028\u2029"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HIDDEN_CHARACTER = re.compile(f"[{_HIDDEN}]")
_BUT_NEWLINE = re.compile(f"(?!\n)[{_HIDDEN}]")
#: GitHub's runner takes `::name::` at the beginning of a line, spaces apart, and `##[name]`
#: anywhere for a command to itself.
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"#(?=#\[)")


def clean(text: object) -> str:
    """Return the text with hidden characters spelt out and no line a command; newlines stay."""
    return without_commands(visible(text))


def one_line(text: object) -> str:
    """Return clean text with each run of white space as one space."""
    return without_commands(" ".join(visible(text).split()))


def spelt(text: object) -> str:
    """Return clean text as one line in which newlines are spelt out as well."""
    return without_commands(_HIDDEN_CHARACTER.sub(_spelt, str(text)))


def visible(text: object) -> str:
    """Return the text with hidden characters spelt out; newlines stay."""
    return _BUT_NEWLINE.sub(_spelt, str(text))


def without_commands(text: str, *, at_beginnings: bool = True) -> str:
    """Return the text with no line that a log's reader takes for a command.

    Only `##[name]` is replaced unless `at_beginnings`: in text that begins no line of its own.
    """
    if at_beginnings and "::" in text:
        text = _COMMAND.sub(r"\1\\x3a", text)
    return _OLD_COMMAND.sub(r"\\x23", text) if "##[" in text else text


def escaped_json(text: str) -> str:
    """Return JSON with hidden characters and commands inside its strings as JSON's own escapes."""
    text = _BUT_NEWLINE.sub(lambda found: _utf16(found[0]), text)
    return _OLD_COMMAND.sub(r"\\u0023", text) if "##[" in text else text


def _spelt(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return "\\n" if found[0] == "\n" else f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
