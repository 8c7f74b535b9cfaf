"""Escape text from elsewhere so that a terminal, log or page shows it and does not obey it.

Titles, names, paths and messages may contain any character. Characters that move the cursor, change
the direction of text or are invisible are escaped, and so are commands to a reader of the log.
"""

from __future__ import annotations

import re

#: Control characters and lone surrogates; line and paragraph separators; characters that reorder
#: the text around them or are invisible. Characters that join letters or emoji are not included.
_HIDDEN = (
    "\x00-\x1f\x7f-\x9f\ud800-\udfff"
    "\u2028\u2029"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HIDDEN_CHARACTER = re.compile(f"[{_HIDDEN}]")
_BUT_NEWLINE = re.compile(f"(?!\n)[{_HIDDEN}]")
#: GitHub's runner executes `::name::` at the beginning of a line, after spaces, and `##[name]`
#: anywhere in a line.
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"#(?=#\[)")


def clean(text: object) -> str:
    """Return the text with hidden characters and commands escaped; newlines stay."""
    return without_commands(visible(text))


def one_line(text: object) -> str:
    """Return the clean text with each run of white space replaced by one space."""
    return without_commands(" ".join(visible(text).split()))


def escaped_line(text: object) -> str:
    """Return the clean text as one line, with newlines escaped as well."""
    return without_commands(_HIDDEN_CHARACTER.sub(_escaped, str(text)))


def visible(text: object) -> str:
    """Return the text with hidden characters escaped; newlines stay."""
    return _BUT_NEWLINE.sub(_escaped, str(text))


def without_commands(text: str, *, at_beginnings: bool = True) -> str:
    """Return the text with the commands of GitHub's runner escaped.

    With `at_beginnings` false, for text that does not start a line, only `##[name]` is escaped.
    """
    if at_beginnings and "::" in text:
        text = _COMMAND.sub(r"\1\\x3a", text)
    return _OLD_COMMAND.sub(r"\\x23", text) if "##[" in text else text


def escaped_json(text: str) -> str:
    """Return JSON text with hidden characters and commands in its strings as JSON escapes."""
    text = _BUT_NEWLINE.sub(lambda found: _utf16(found[0]), text)
    return _OLD_COMMAND.sub(r"\\u0023", text) if "##[" in text else text


def escaped_xml(text: str) -> str:
    """Return an XML document with commands in it as references to their characters."""
    return _OLD_COMMAND.sub("&#35;", _COMMAND.sub(r"\1&#58;", text))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return "\\n" if found[0] == "\n" else f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
