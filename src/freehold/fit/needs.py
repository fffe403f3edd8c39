"""Reads what somebody needs, as a sentence of parts: `8 users, 16k context, 10 tok/s`.

    need    = part { ("," | ";" | "and") part }
    part    = number users          at the same time: user(s), people, request(s), slot(s), "at once", concurrent
            | number context        for each of them: context, ctx, token(s), "tokens of context"
            | number rate [whose]   generated: tok/s, t/s, tps, tokens/s, tokens per second; whose is "each", which is
                                    also meant where nothing is said, or "in all", shared by everybody
            | number "prompt" rate  read, for each
            | "loss" ["<"] number   at most so many nats a token of expected loss
            | ["for"] task          a skill of the catalog: code, reasoning
              "at least" may stand before a number, of a loss "at most"; both are meant where nothing is said
    number  = digits, "," or "_" between thousands, a fraction; k is 1,024 and m 1,048,576 tokens of context

Every part stands once at most. What is not understood is an error that names the word and what would have been.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from freehold.catalog.model import SKILLS
from freehold.core.errors import CallError
from freehold.core.names import nearest

EXAMPLE = "8 users, 16k context, 10 tok/s"
MOST = {"users": 100_000, "context_tokens": 2**31}
MOST_OTHERWISE = 1_000_000

_RATE = r"(?:tok(?:en)?s? ?(?:/|per) ?s(?:ec(?:ond)?)?|t/s|tps)"
_SAID = {
    "users": r"users?|people|persons?|requests?|slots?|(?:users |requests )?at once|concurrent(?: users| requests)?",
    "context_tokens": r"(?:tokens? )?(?:of )?(?:context|ctx)|tokens?",
    "prompt_tokens_per_s": f"prompt {_RATE}",
    "generation_tokens_per_s": _RATE,
    "shared_tokens_per_s": f"{_RATE} in (?:all|total)",
}
_PLAIN = {
    "users": "users",
    "context_tokens": "tokens of context",
    "prompt_tokens_per_s": "prompt tok/s",
    "generation_tokens_per_s": "tok/s",
    "shared_tokens_per_s": "tok/s in all",
    "loss": "nats of loss",
    "task": "tasks",
}
_PART = re.compile(
    r"(?:at least |>=? ?|≥ ?)?(?P<number>\d[\d_]*(?:\.\d+)?)(?: ?(?P<unit>[km])(?![a-z]))? ?(?P<words>.*)"
)
_LOSS = re.compile(r"loss ?(?:<=?|below|under|at most)? ?(?P<number>\d*\.?\d+)")
_UNITS = {None: 1, "k": 1024, "m": 1024**2}
_UNDERSTOOD = (
    'A number is followed by users, context, tok/s (each or "in all") or prompt tok/s; "loss 0.05" and "for code" may '
    f'stand beside them: "{EXAMPLE}".'
)


@dataclass(frozen=True, slots=True)
class Need:
    """What is asked of a model and a machine. None asks for nothing. Context and rates are for each of `users`.

    `loss` is in nats a token, `task` one of the catalog's skills.
    """

    users: int = 1
    context_tokens: int | None = None
    generation_tokens_per_s: float | None = None
    prompt_tokens_per_s: float | None = None
    loss: float | None = None
    task: str | None = None


def read_need(text: str) -> Need:
    """The need that `text` states. Raises CallError with the word that is not understood."""
    found: dict[str, Any] = {}
    for part in _parts(text):
        name, value = _part(part, text)
        if name in found:
            _refuse(text, part, f"{part!r} is the second to say how many {_PLAIN[name]}")
        found[name] = value
    return _need(found, text)


def _parts(text: str) -> list[str]:
    """The parts in lower case. A comma between thousands is none of the commas between parts."""
    joined = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.lower())
    parts = [" ".join(part.split()) for part in re.split(r"[,;]|\band\b", joined)]
    if not any(parts):
        _refuse(text, text, "it is empty")
    return [part for part in parts if part]


def _part(part: str, text: str) -> tuple[str, Any]:
    if loss := _LOSS.fullmatch(part):
        return "loss", _bounded(float(loss["number"]), "loss", part, text)
    if (task := part.removeprefix("for ")) in SKILLS:
        return "task", task
    match = _PART.fullmatch(part)
    if match is None:
        _unknown(task, part, text, (*SKILLS, "loss"))
    words = match["words"].removesuffix(" each")
    name = next((name for name, said in _SAID.items() if re.fullmatch(said, words)), None)
    if name is None:
        _unknown(words, part, text, _PLAIN.values())
    if match["unit"] and name != "context_tokens":
        _refuse(text, part, f"{match['unit']!r} in {part!r} is for tokens of context only")
    return name, _bounded(float(match["number"].replace("_", "")) * _UNITS[match["unit"]], name, part, text)


def _bounded(value: float, name: str, part: str, text: str) -> float:
    most = MOST.get(name, MOST_OTHERWISE)
    if not 0 < value <= most:
        _refuse(text, part, f"{part!r} is out of bounds: more than 0 and at most {most:,} {_PLAIN[name]}")
    if name not in MOST:
        return value
    if value != int(value):
        _refuse(text, part, f"{part!r} is not a whole number of {_PLAIN[name]}")
    return int(value)


def _need(found: Mapping[str, Any], text: str) -> Need:
    values = dict(found)
    shared = values.pop("shared_tokens_per_s", None)
    if shared is not None:
        if "generation_tokens_per_s" in values:
            _refuse(text, text, "it says tok/s each and tok/s in all")
        values["generation_tokens_per_s"] = shared / values.get("users", 1)
    return Need(**values)


def _unknown(words: str, part: str, text: str, known: Any) -> NoReturn:
    near = nearest(words, known)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    if re.search(r"\d", words):
        guess = " Parts are divided by commas."
    _refuse(
        text, part, f"{words!r} in {part!r} is not understood" if words else f"{part!r} does not say of what", guess
    )


def _refuse(text: str, part: str, what: str, guess: str = "") -> NoReturn:
    raise CallError(f"The need {text!r} cannot be read: {what}.{guess}", hint=_UNDERSTOOD, need=text, part=part)
