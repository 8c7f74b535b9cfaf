"""The plan of a picture, before it is drawn."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

Content = TypeVar("Content")


class Plan(NamedTuple, Generic[Content]):
    """The caption, size in inches and content of a picture."""

    caption: str
    width: float
    height: float
    content: Content
