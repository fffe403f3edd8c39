"""How a license check is laid out: the decision first, then why, then the duties, those that do not apply
too, then what may change, then the texts.

Pure: it takes a verdict and gives sections of 80 columns; `output` prints them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from freehold.cli.layout import WIDTH, Line, place, wrapped
from freehold.cli.output import Section
from freehold.cli.page_license import READ_IT

NOBODY = "nobody in particular: freehold.toml has no [organization], so its facts are unknown"


def check_sections(verdict: Mapping[str, Any], override: Mapping[str, Any] | None) -> list[Section]:
    """The whole page. `override` is the one that stands, with `covers_this`."""
    reasons = verdict["reasons"]
    free = verdict["decision"] in ("allow", "allow with duties")
    page = [
        _decision(verdict),
        Section("WHY IT IS DENIED", [_line(each) for each in reasons if each["decision"] == "deny"]),
        Section("WHAT IS OPEN", [_line(each) for each in reasons if each["decision"] == "review"]),
        override_section(override) if override else Section("", []),
        Section("WHAT YOU MUST DO" if free else "WHAT IT ASKS BESIDES", [_duty(each) for each in verdict["duties"]]),
        Section("WHAT DOES NOT APPLY, BY YOUR FACTS", [_duty(each) for each in verdict["ruled_out"]]),
        Section("WHAT MAY END OR CHANGE IT", [_line(each) for each in verdict["risks"]]),
        Section("READ IN" if verdict["readings"] else "", [], _readings(verdict["readings"])),
    ]
    return [section for section in page if section.lines or section.note]


def override_section(override: Mapping[str, Any]) -> Section:
    """Who took the model although the policy refuses it."""
    answers = override.get("covers_this")
    scope = {True: "all that is said above", False: "other grounds than those of today: it does not count"}
    lines: list[Line] = [
        ("overridden by", wrapped(override["by"])),
        ("on", override["date"]),
        ("because", wrapped(override["reason"])),
        ("taken against", wrapped(*(f"- {text}" for text in override["reasons"]))),
    ]
    lines += [] if answers is None else [("covers", wrapped(scope[answers]))]
    return Section("OVERRIDE", lines)


def _decision(verdict: Mapping[str, Any]) -> Section:
    licenses = [f"{each['name']} ({each['license']}), of {', '.join(each['models'])}" for each in verdict["readings"]]
    return Section(
        "LICENSE CHECK",
        [
            ("decision", verdict["decision"]),
            ("model", wrapped(verdict["subject"])),
            ("for", wrapped(verdict["organization"] or NOBODY)),
            ("licenses", wrapped(*licenses) or "none that is known here"),
        ],
    )


def _line(said: Mapping[str, Any]) -> Line:
    fact = f"Your fact: {said['fact']}" if said["fact"] else None
    note = f"Note: {said['note']}" if said["note"] else None
    return said["clause"].replace("_", " "), wrapped(said["text"], note, fact, _where(said))


def _duty(duty: Mapping[str, Any]) -> Line:
    name, text = _line({**duty, "text": duty["text"] + (f", {duty['when']}" if duty["when"] else "")})
    return duty["kind"] if name != "agreement" else name, text


def _where(said: Mapping[str, Any]) -> str | None:
    if said["license"] is None:
        return f"({said['model']})"
    section = f", {place(said['section'])}" if said["section"] else ""
    return f"({said['license']}{section}, for {said['model']})"


def _readings(readings: Sequence[Mapping[str, Any]]) -> str:
    """One paragraph a text; a hash is never broken."""
    parts = []
    for each in readings:
        words, hashed, digest = each["words"].partition(" sha256:")
        lines = [wrapped(f"{each['name']}: {words}", width=WIDTH)]
        lines += [f"  sha256:{digest}"] if hashed else []
        policy = each["use_policy_sha256"]
        lines += [wrapped(f"its use policy: {each['use_policy_source']}", width=WIDTH)] if _has_policy(each) else []
        lines += [f"  sha256:{policy}"] if policy else []
        lines += [wrapped(each["live"], width=WIDTH)] if each["live"] else []
        parts.append("\n".join(lines))
    return "\n".join([*parts, wrapped(READ_IT, width=WIDTH)])


def _has_policy(reading: Mapping[str, Any]) -> bool:
    return reading["use_policy_source"] is not None
