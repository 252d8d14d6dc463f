"""Moments and spans of time in words, and what a model's quality means at each letter."""

from __future__ import annotations

import math
import re
import time
from datetime import datetime


def moment(written: str) -> float:
    """The seconds since 1970 of an ISO moment; 0 for what is none."""
    try:
        return datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp()
    except (ValueError, OSError, OverflowError):
        return 0.0


def ago(then: float, now: float | None = None) -> str:
    """How long ago a moment was, in at most 10 characters; nothing when it is not known."""
    if then <= 0:
        return ""
    passed = (time.time() if now is None else now) - then
    if passed < 60:
        return "just now"
    if passed < 3600:
        return f"{passed // 60:.0f} min ago"
    if passed < 86_400:
        return f"{passed // 3600:.0f} h ago"
    if passed < 7 * 86_400:
        days = int(passed // 86_400)
        return "yesterday" if days == 1 else f"{days} days ago"
    try:
        day, today = datetime.fromtimestamp(then), datetime.fromtimestamp(then + passed)
    except (ValueError, OSError, OverflowError):
        return ""
    return f"{day.day} {day:%b}" if day.year == today.year else f"{day:%b %Y}"


def lasting(seconds: float) -> str:
    """A training's length: 45 seconds, 2 minutes, 3.5 hours."""
    if not math.isfinite(seconds) or seconds < 0:
        return ""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size * 0.95:
            number = f"{seconds / size:.1f}".removesuffix(".0")
            return f"{number} {unit}" if number == "1" else f"{number} {unit}s"
    return f"{seconds:.0f} seconds"


def choices(bits_per_byte: float, bytes_per_character: float = 1.0) -> str:
    """Among how many letters a model wavers that needs so many bits."""
    number = 2.0 ** min(max(bits_per_byte * bytes_per_character, 0.0), 30.0)
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"


def without_options(message: str) -> str:
    """An engine's message without the sentences that speak of the command line's options."""
    kept = [sentence for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", message) if " --" not in sentence]
    return " ".join(kept) or message


def joined(words: list[str], between: str = " · ") -> str:
    """The words that are not empty."""
    return between.join(word for word in words if word)
