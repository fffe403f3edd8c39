"""How a figure is shown to people so that its kind can be seen: exact as it is, measured, a range, or unknown and why.

It takes figures as `core.quantity.as_json` gives them. An estimate is always a range and never looks like a
measurement; what is unknown says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Figure = Mapping[str, Any]
Show = Callable[[float], str]


def figure(found: Figure, show: Show, *, basis: bool = False) -> str:
    """In full: "10.7 GB", "12.3 measured (11.9-12.8 in 5 runs, 2026-11-20)", "≈ 12-18", "unknown: why"; with `basis`
    what an estimate rests on too: "≈ 12-18 (estimated: why)"."""
    match found["kind"]:
        case "exact":
            return show(found["value"])
        case "measured":
            spread = span(found["low"], found["high"], show)
            runs = f"{found['runs']} {'run' if found['runs'] == 1 else 'runs'}"
            return f"{show(found['value'])} measured ({spread} in {runs}, {found['on']})"
        case "estimated":
            why = f" (estimated: {found['basis']})" if basis else ""
            return f"≈ {span(found['low'], found['high'], show)}{why}"
    return f"unknown: {found['reason']}"


def brief(found: Figure, show: Show) -> str:
    """In a table's cell: without the spread of a measurement and the reason of an unknown."""
    match found["kind"]:
        case "measured":
            return f"{show(found['value'])} measured"
        case "unknown":
            return "unknown"
    return figure(found, show)


def span(low: float, high: float, show: Show) -> str:
    """From low to high, the unit said once where both have it: "12.1-18.3 GB"; one figure where they look alike."""
    first, last = show(low), show(high)
    if first == last:
        return last
    number, _, unit = first.partition(" ")
    return f"{number}-{last}" if last.partition(" ")[2] == unit else f"{first} - {last}"


def rate(tokens_per_s: float) -> str:
    """Tokens a second, in two or three digits."""
    return f"{tokens_per_s:,.0f}" if tokens_per_s >= 20 else f"{tokens_per_s:.1f}"


def nats(value: float) -> str:
    """A loss in two digits that count."""
    return f"{value:.2g}"


def tokens(count: float) -> str:
    """A count of tokens, with its thousands set apart."""
    return f"{count:,.0f}"
