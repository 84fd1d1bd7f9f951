"""Text from outside, made safe to show."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Text from outside made safe for one terminal line: no control characters."""
    joined = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in joined)
