"""Numbers and words as the page writes them: digits, counts with their noun, lists, shares."""

from __future__ import annotations

import math
from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 2) -> str:
    """Return a number with so many digits, one more significant digit where it would round to nothing: 0.34, −0.0042, n/a."""
    if not math.isfinite(value):
        return "n/a"
    text = f"{abs(value):,.{digits}f}"
    if value and float(text.replace(",", "")) == 0:
        text = f"{abs(value):.1g}" if abs(value) >= 1e-4 else f"{abs(value):.0e}"
    return f"{MINUS}{text}" if value < 0 and float(text.replace(",", "")) else text


def signed(value: float, digits: int = 2) -> str:
    """Return the same with its sign: +0.34."""
    text = number(value, digits)
    return f"+{text}" if value > 0 and math.isfinite(value) else text


def span(low: float, high: float, digits: int = 2) -> str:
    """Return an interval: 0.27 to 0.41."""
    return f"{number(low, digits)} to {number(high, digits)}"


def p_value(value: float) -> str:
    """Return "P = 0.012", "P < 0.001" or "no P value"."""
    if not math.isfinite(value):
        return "no P value"
    return "P < 0.001" if value < 0.001 else f"P = {value:.2g}"


def percent(share: float) -> str:
    """Return a share of 1 in percent: 1 %, 0.5 %, 100 %."""
    return f"{share * 100:g} %"


def count(n: float, noun: str, plural: str = "") -> str:
    """Return a count with its noun: 1 film, 1,250 films, 3.5 films; 0 is "no films"."""
    said = f"{n:,.0f}" if float(n).is_integer() else f"{n:,.1f}"
    return f"{'no' if n == 0 else said} {noun if n == 1 else plural or noun + 's'}"


def between(low: float, high: float, noun: str) -> str:
    """Return "4 films", or "3 to 4 films" where two counts differ."""
    return count(low, noun) if low == high else f"{low:,.0f} to {count(high, noun)}"


def none_of(n: int, total: int = 0) -> str:
    """Return a count that a sentence can be read with: "none" for 0, "neither" for 0 of 2."""
    return f"{n:,}" if n else "neither" if total == 2 else "none"


def all_of(n: int, noun: str) -> str:
    """Return "both comparisons" or "all 12 comparisons"; "the one comparison" for 1."""
    return f"the one {noun}" if n == 1 else f"both {noun}s" if n == 2 else f"all {count(n, noun)}"


def part_of(n: int, total: int, noun: str) -> str:
    """Return "3 of 12 comparisons", "none of 12 comparisons", "neither of 2 comparisons", "both comparisons", "no comparison"."""
    if total == 1:
        return f"the one {noun}" if n else f"no {noun}"
    return all_of(total, noun) if n == total > 0 else f"{none_of(n, total)} of {count(total, noun)}"


def chance(expected: float) -> str:
    """Return how many one would expect by chance: "about 7", "less than one"."""
    return f"about {expected:,.0f}" if expected >= 1 else "less than one"


def is_are(n: int) -> str:
    """Return the verb that goes with a count."""
    return "is" if n == 1 else "are"


def listed(items: Sequence[object], word: str = "and") -> str:
    """Return "a", "a and b" or "a, b and c"."""
    texts = [str(item) for item in items]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {word} {texts[-1]}" if texts else ""


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".") if text else ""
