"""Numbers with what they count."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `1 memory`, `1,204 memories`."""
    if number == 1:
        return f"1 {noun}"
    if not plural:
        ends_in_ies = noun.endswith("y") and noun[-2] not in "aeiou"
        plural = f"{noun[:-1]}ies" if ends_in_ies else f"{noun}s"
    return f"{number:,} {plural}"
