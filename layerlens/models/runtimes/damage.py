"""What is damaged in an exported file, as its runtime says it."""

from __future__ import annotations

import re

from layerlens.models.runtimes.kinds import SAVED_MODEL
from layerlens.models.runtimes.process import About, RuntimeAnswerError
from layerlens.plain.printable import one_line

#: The errors of a runtime that a file is none of its format.
_DAMAGED = ("DecodeError",)
_OTHER_FORMAT = (
    "Model provided has model identifier",
    "not a valid Flatbuffer",
    "allocation is null/empty",
    "No graph was found in the protobuf",
)
#: What TensorFlow says of a folder, and what that means.
_IN_FOLDER = (
    (r"Cannot parse file", "`saved_model.pb` is cut off, or no graph of TensorFlow"),
    (r"there are 0 MetaGraphs", "`saved_model.pb` is empty"),
    (r"Failed to find any matching files", "`variables/variables.index` is missing"),
    (r"not an sstable|bad magic number", "`variables/variables.index` is cut off or changed"),
    (
        r"Read less bytes than requested|Checksum does not match|OutOfRange",
        "the variables in `variables` are cut off or changed",
    ),
    (
        r"Received incompatible tensor with shape|Key \S+ not found in checkpoint",
        "`saved_model.pb` and `variables` are of two different models",
    ),
)


def damage(about: About, error: RuntimeAnswerError) -> str | None:
    """Return what is wrong with a file that its runtime cannot read; None if that is not known.

    The text continues a sentence that begins with the name of the file.
    """
    if about.name == SAVED_MODEL.name:
        found = (what for text, what in _IN_FOLDER if re.search(text, error.message))
        return next((f"is damaged: {what}" for what in found), None)
    if error.type in _DAMAGED or any(text in error.message for text in _OTHER_FORMAT):
        return f"is damaged, or not a file of {about.name}: {one_line(error.message)}"
    return None
