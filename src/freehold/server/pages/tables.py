"""Tables that the house draws for its pages. Pure. Cells are HTML already: whoever gives them has escaped them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape


def section(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[str] = (), none: str = ""
) -> str:
    """A table under its title, or `none` where it has no rows. Each cell also says its column, which a narrow screen
    shows before it; the column without a head holds buttons. The columns of `numbers` stand to the right."""
    body = _table(title, heads, rows, numbers) if rows else f"<p class='none'>{escape(none)}</p>"
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str]) -> str:
    kinds = [" class='number'" if head in numbers else "" for head in heads]
    titles = "".join(
        f"<th scope='col'{kind}>{escape(head)}</th>" if head else "<td></td>"
        for head, kind in zip(heads, kinds, strict=True)
    )
    lines = "".join(f"<tr>{''.join(map(_cell, heads, kinds, row, range(len(row))))}</tr>" for row in rows)
    return (
        f"<div class='table-room' role='region' aria-label='{escape(title)}' tabindex='0'>"
        f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _cell(head: str, kind: str, cell: str, place: int) -> str:
    tag, scope = ("th", " scope='row'") if place == 0 else ("td", "")
    return f"<{tag}{scope}{kind} data-head='{escape(head)}'>{cell}</{tag}>"
