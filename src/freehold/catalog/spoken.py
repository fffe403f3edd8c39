"""License clauses in plain words: what each one gives or asks, and the duties of whoever takes the model.

The words are ours and so is the reading. A duty is listed whoever reads it; whether it has begun for one organization
(a cap that is not reached, an end user who never passes anything on) is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from freehold.catalog.licenses.record import (
    AcceptableUse,
    Clause,
    Clauses,
    Commercial,
    Field,
    Grant,
    Hosting,
    Indemnity,
    Law,
    Naming,
    Outputs,
    Patents,
    Redistribution,
    RevenueCap,
    Termination,
    Territory,
    Updates,
    UserCap,
)

NONE = "none"
_ABOVE = {
    "request a license": "a license of its own must be asked for",
    "pass a review": "a review must be passed",
    "display a name": "a name must be displayed",
    "no rights": "there are no rights at all",
    "license ends": "the license ends",
}
_TRAINING = {
    "free": "may train other models",
    "derivative": "a model trained on them falls under this license",
    "forbidden": "must not train or improve other models",
}
_LIMITED = {
    "research only": "for research only",
    "acceptable use": "within the list of forbidden uses",
    "noncommercial": "not for commercial use",
}


class Duty(NamedTuple):
    """One thing that whoever takes the model has to do, the clause it comes from and that clause's section."""

    what: str
    clause: str
    section: str | None


def spoken(name: str, clause: Clause) -> str:
    """The clause called `name` (a field of Clauses) in plain words; "none" where the text has no such clause."""
    if not clause.exists:
        return NONE
    return _WORDS[name](clause)


def duties(clauses: Clauses, *, multimodal: bool = True) -> tuple[Duty, ...]:
    """What the text asks of whoever uses, offers or passes on the model, limits first.

    `multimodal` False: the model is known to take and give text alone, and what binds only others is left out.
    """
    return tuple(duty for duty in _duties(clauses) if multimodal or not _is_for_others(clauses, duty.clause))


def _is_for_others(clauses: Clauses, name: str) -> bool:
    return bool(getattr(getattr(clauses, name), "applies_to", "all") == "multimodal")


def _commercial(clause: Commercial) -> str:
    return {"yes": "allowed", "conditional": "allowed under conditions", "no": "not allowed"}[clause.value]


def _user_cap(clause: UserCap) -> str:
    return (
        f"above {_count(clause.over)} {clause.metric}{_of(clause.scope)}, {_measured(clause)}: {_effect(clause.effect)}"
    )


def _measured(clause: UserCap) -> str:
    if clause.measured == "release date":
        return f"counted once, on {clause.measured_on or 'the release date'}"
    return "counted at any time" if clause.measured == "continuing" else "when they are counted is not said"


def _revenue_cap(clause: RevenueCap) -> str:
    amount = f"{_count(clause.over)} {clause.currency or ''}".rstrip()
    period = (
        ""
        if clause.period == "unstated"
        else f" in {clause.period}"
        if "rolling" in clause.period
        else f" a {clause.period}"
    )
    only = ", where the model is offered as a service" if clause.activity == "model as a service" else ""
    return f"above {amount}{period}{_of(clause.scope)}{only}: {_effect(clause.effect)}"


def _acceptable_use(clause: AcceptableUse) -> str:
    if clause.form == "none":
        return NONE
    if clause.form == "law only":
        return "as far as the law allows; no list of its own"
    words = ["a list in the text" if clause.form == "inline" else "a separate list"]
    if clause.mutable:
        words.append("the licensor may change it")
    if clause.flow_down:
        words.append("it must be passed on")
    about = f" It covers {', '.join(clause.topics)}." if clause.topics else ""
    return "; ".join(words) + "." + about


def _field(clause: Field) -> str:
    limit = f"only for {', '.join(clause.only)}" if clause.only else "any purpose"
    return limit + (", and not by people working for a company" if clause.employer_excluded else "")


def _territory(clause: Territory) -> str:
    if not clause.excluded:
        return NONE
    who = "people and companies of" if clause.principal_place else "use in"
    what = ", for models that take or give more than text" if clause.applies_to == "multimodal" else ""
    places = ", ".join("the EU" if place == "EU" else place for place in clause.excluded)
    return f"no grant for {who} {places}{what}"


def _outputs(clause: Outputs) -> str:
    words = [{"user": "they are yours", "licensor": "they are the licensor's"}.get(clause.owner, "")]
    words.append(_name_duty(clause) if clause.train_others == "name duty" else _TRAINING[clause.train_others])
    words += [_LIMITED.get(clause.restricted_use, ""), "the text contradicts itself here" if clause.ambiguous else ""]
    return "; ".join(word for word in words if word)


def _name_duty(clause: Outputs) -> str:
    return f"may train other models, which then carry the name {_quoted(clause.duty)}"


def _redistribution(clause: Redistribution) -> str:
    if clause.allowed == "no":
        return "not allowed"
    asked = ", ".join(_to_pass_on(clause))
    allowed = "allowed" if clause.allowed == "yes" else "allowed under conditions"
    return f"{allowed}, with {asked}" if asked else allowed


def _to_pass_on(clause: Redistribution) -> Iterator[str]:
    if clause.copy:
        yield "a copy of the license"
    if clause.notice:
        yield "its notice"
    if clause.mark_changes:
        yield "changes marked"
    if clause.flow_down:
        yield "the same restrictions binding the recipient"


def _naming(clause: Naming) -> str:
    words = [f"derived models are named {_quoted(clause.prefix)}…" if clause.prefix else ""]
    words.append(f"display {_quoted(clause.display)}{_when(clause)}" if clause.display else "")
    said = "; ".join(word for word in words if word) or "a name is asked for"
    return said + (", for models that take or give more than text" if clause.applies_to == "multimodal" else "")


def _when(clause: Naming) -> str:
    return {
        "distribution": " wherever it, or a product with it, is offered or passed on",
        "improving a model": " where it made or improved another model",
        "above a cap": " above the cap",
        "publicity": " in public statements",
    }[clause.display_when]


def _hosting(clause: Hosting) -> str:
    return {"yes": "allowed", "no": "not allowed", "separate license": "only with a separate license"}[clause.allowed]


def _grant(clause: Grant) -> str:
    words = [{"perpetual": "perpetual", "term": "for a term", "silent": ""}[clause.duration]]
    words.append(
        {"yes": "irrevocable", "no": "can be withdrawn", "silent": "not said to be irrevocable"}[clause.irrevocable]
    )
    words += ["not transferable" if clause.transferable is False else ""]
    words += ["no sublicense" if clause.sublicensable is False else ""]
    return ", ".join(word for word in words if word)


def _termination(clause: Termination) -> str:
    on = f"ends on {', '.join(clause.on)}" if clause.on else "ends when the text says"
    cure = f", unless mended within {clause.cure_days} days" if clause.cure_days else ""
    delete = f"; then delete the {clause.delete}" if clause.delete != "none" else ""
    return on + cure + delete


def _updates(clause: Updates) -> str:
    words = ["the license" if clause.license_mutable else "", "the list of uses" if clause.use_policy_mutable else ""]
    changing = " and ".join(word for word in words if word)
    said = [f"the licensor may change {changing}" if changing else ""]
    said += ["the latest version binds" if clause.must_use_latest else ""]
    said += ["it may restrict use from afar" if clause.remote_restriction else ""]
    return "; ".join(word for word in said if word) or NONE


def _patents(clause: Patents) -> str:
    granted = {True: "granted", False: "not granted", None: "not said"}[clause.grant]
    loss = {"none": "", "patent license": "; a patent suit ends it", "all rights": "; a patent suit ends every right"}
    return granted + loss[clause.retaliation]


def _indemnity(clause: Clause) -> str:
    del clause
    return "you hold the licensor harmless"


def _law(clause: Law) -> str:
    return clause.of or "not named"


def _duties(clauses: Clauses) -> Iterator[Duty]:
    yield from _limits(clauses)
    use, outputs = _there(clauses, "acceptable_use"), _there(clauses, "outputs")
    passing, naming = _there(clauses, "redistribution"), _there(clauses, "naming")
    if isinstance(use, AcceptableUse) and use.form in ("inline", "by reference"):
        flow = ", and bind whoever receives it to that" if use.flow_down else ""
        yield Duty(f"keep out of the forbidden uses{flow}", "acceptable_use", use.section)
    elif isinstance(use, AcceptableUse) and use.form == "law only":
        yield Duty("use it within the law", "acceptable_use", use.section)
    if isinstance(outputs, Outputs) and (outputs.train_others, outputs.restricted_use) != ("free", "none"):
        yield Duty(f"what it writes: {_outputs(outputs)}", "outputs", outputs.section)
    if isinstance(passing, Redistribution) and any(_to_pass_on(passing)):
        yield Duty(f"when passing it on: {', '.join(_to_pass_on(passing))}", "redistribution", passing.section)
    if isinstance(naming, Naming):
        yield Duty(_naming(naming), "naming", naming.section)
    updates, indemnity = _there(clauses, "updates"), _there(clauses, "indemnity")
    if isinstance(updates, Updates) and updates.must_use_latest:
        yield Duty("keep to the latest version, of the model or of its terms", "updates", updates.section)
    if isinstance(indemnity, Indemnity):
        yield Duty("hold the licensor harmless", "indemnity", indemnity.section)


def _limits(clauses: Clauses) -> Iterator[Duty]:
    commercial, field, territory = (_there(clauses, name) for name in ("commercial", "field", "territory"))
    users, revenue = _there(clauses, "user_cap"), _there(clauses, "revenue_cap")
    if isinstance(commercial, Commercial) and commercial.value == "no":
        yield Duty("do not use it commercially", "commercial", commercial.section)
    if isinstance(field, Field) and (field.only or field.employer_excluded):
        yield Duty(f"use it {_field(field)}", "field", field.section)
    if isinstance(territory, Territory) and territory.excluded:
        yield Duty(_territory(territory), "territory", territory.section)
    if isinstance(users, UserCap):
        yield Duty(_user_cap(users), "user_cap", users.section)
    if isinstance(revenue, RevenueCap):
        yield Duty(_revenue_cap(revenue), "revenue_cap", revenue.section)


def _there(clauses: Clauses, name: str) -> Clause | None:
    clause = getattr(clauses, name)
    return cast("Clause", clause) if clause is not None and clause.exists else None


def _effect(effect: str | None) -> str:
    return _ABOVE[effect] if effect else "what then happens is not said"


def _of(scope: str) -> str:
    return {"product": " of one product", "licensee": " of the licensee"}.get(
        scope, " of the licensee and its affiliates" if scope == "licensee and affiliates" else ""
    )


def _count(number: int | None) -> str:
    return "a number not known" if number is None else f"{number:,}"


def _quoted(words: str | None) -> str:
    return f'"{words}"' if words else "the license asks for"


_WORDS: dict[str, Callable[[Any], str]] = {
    "commercial": _commercial,
    "user_cap": _user_cap,
    "revenue_cap": _revenue_cap,
    "acceptable_use": _acceptable_use,
    "field": _field,
    "territory": _territory,
    "outputs": _outputs,
    "redistribution": _redistribution,
    "naming": _naming,
    "hosting": _hosting,
    "grant": _grant,
    "termination": _termination,
    "updates": _updates,
    "patents": _patents,
    "indemnity": _indemnity,
    "law": _law,
}
