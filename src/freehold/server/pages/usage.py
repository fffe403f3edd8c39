"""The Usage page's content: charts as SVG and tables as HTML, drawn here so that the page needs no script of anybody's.

Pure. Every text from elsewhere is escaped. Colors are the page's classes, so that both themes show them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from freehold.gateway.access.key import Key
from freehold.server.pages.tables import section

WIDTH, HEIGHT = 900, 180
Row = Mapping[str, Any]
_COUNTS = ("requests", "not_done", "tokens_in", "tokens_cached", "tokens_out", "pieces")
_HEADS = ("Requests", "Not done", "Tokens in", "From cache", "Tokens out", "Not counted")


def fragment(rows: Sequence[Row], days: Sequence[date], key: Key | None) -> str:
    """All of it, for `days`. `key` is the one that was shown, None where none was needed."""
    rows = [{**row, "not_done": row["requests"] - row["done"]} for row in rows]
    if not rows:
        body = f"<p class='none'>Nothing was asked in the last {len(days)} days.</p>"
    else:
        tokens = _by_day(rows, days, ("tokens_in", "tokens_out"))
        requests = _by_day(rows, days, ("done", "not_done"))
        body = "".join(
            (
                _chart("Tokens a day", days, tokens, ("tokens in", "tokens out")),
                _chart("Requests a day", days, requests, ("whole answers", "not done"), second="bad"),
                _table("By key", "Key", rows, _key_of),
                _table("By endpoint", "Endpoint", rows, lambda row: str(row["endpoint"])),
            )
        )
    return f"<p class='who'>{escape(_who(key))}</p>{body}"


def _who(key: Key | None) -> str:
    if key is None:
        return "Everything that was asked of this house. It asks for no key."
    if key.scopes.admin:
        return f"Everything that was asked of this house, shown to {key.owner}, who may see what others did."
    who = key.owner if key.is_person else f"the key of {key.owner}"
    return f"What {who} used. Who has the scope admin sees everybody's use."


def _by_day(rows: Sequence[Row], days: Sequence[date], names: tuple[str, str]) -> list[tuple[int, int]]:
    summed: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for name in names:
            summed[(row["day"], name)] += row[name]
    return [(summed[(day.isoformat(), names[0])], summed[(day.isoformat(), names[1])]) for day in days]


def _chart(
    title: str, days: Sequence[date], values: Sequence[tuple[int, int]], names: tuple[str, str], *, second: str = "two"
) -> str:
    """Bars of two parts each, one on the other; `second` is the class of the upper one. The names of days stand below
    the drawing, which a narrow screen makes smaller, so that they keep their size."""
    most = max(map(sum, values)) or 1
    step = WIDTH / len(days)
    bars = [
        _bar(number * step, step, value, most, second, f"{day}: {value[0]:,} {names[0]}, {value[1]:,} {names[1]}")
        for number, (day, value) in enumerate(zip(days, values, strict=True))
    ]
    labels = "".join(
        f"<span>{f'{day:%b} {day.day}' if number % 5 == 2 else ''}</span>" for number, day in enumerate(days)
    )
    one, two = map(escape, names)
    ground = f"<line class='ground' x1='0' x2='{WIDTH}' y1='{HEIGHT}' y2='{HEIGHT}'/>"
    return (
        f"<figure class='chart'><figcaption>{escape(title)} <span class='sub'>at most {most:,}</span>"
        f"<span class='key'><i class='one'></i>{one} <i class='{second}'></i>{two}</span></figcaption>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT + 1}' role='img' aria-label='{escape(title)}, at most {most:,}'>"
        f"{ground}{''.join(bars)}</svg><div class='days' aria-hidden='true'>{labels}</div></figure>"
    )


def _bar(left: float, step: float, value: tuple[int, int], most: int, second: str, title: str) -> str:
    low, high = (HEIGHT * part / most for part in value)
    inside = f"x='{left + step * 0.14:.1f}' width='{step * 0.72:.1f}'"
    return (
        f"<g><title>{escape(title)}</title>"
        f"<rect class='one' {inside} y='{HEIGHT - low:.1f}' height='{low:.1f}'/>"
        f"<rect class='{second}' {inside} y='{HEIGHT - low - high:.1f}' height='{high:.1f}'/></g>"
    )


def _table(title: str, head: str, rows: Sequence[Row], name_of: Callable[[Row], str]) -> str:
    summed: dict[str, Counter[str]] = {}
    for row in rows:
        counts = summed.setdefault(name_of(row), Counter())
        counts.update({name: row[name] for name in _COUNTS})
    ordered = sorted(summed.items(), key=lambda item: -item[1]["requests"])
    lines = [(escape(name), *(f"{counts[each]:,}" for each in _COUNTS)) for name, counts in ordered]
    return section(title, (head, *_HEADS), lines, numbers=_HEADS)


def _key_of(row: Row) -> str:
    if row["key"] is None:
        return "no key"
    return f"{row['owner']} ({row['key']})" if row["owner"] else str(row["key"])
