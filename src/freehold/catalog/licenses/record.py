"""What a model license says, clause by clause: one record per text and version, in our words and with its sections.

A clause that is None was not looked for: unknown. A clause with `exists` False was looked for in the whole text and
is not there. Records hold values and section numbers, never sentences of the license, and they are one careful
reading, not legal advice: whoever prints them says "by our reading of text sha256:...".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from typing import Literal

Confidence = Literal["seen", "memory"]
"""`seen`: read in the text whose hash the record holds. `memory`: known from elsewhere, the text was not seen."""

Kind = Literal["open source", "open content", "community", "noncommercial", "other"]
"""`open source` is approved by the OSI; `open content` any purpose, but not a license the OSI judges (CC-BY, CC0);
`community` commercial use within conditions; `noncommercial` none; `other` fits none of these."""

Place = Literal["license", "use policy"]
Effect = Literal["request a license", "pass a review", "display a name", "no rights", "license ends"]
Ending = Literal["breach", "patent suit", "copyright suit", "any IP suit", "guardrail bypass", "cap", "insolvency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """What every clause carries. `section` is None where there is nothing to point at; `note` is in our words."""

    exists: bool = True
    section: str | None = None
    place: Place = "license"
    confidence: Confidence = "seen"
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commercial(Clause):
    """`conditional`: only within other clauses (a cap, a registration, a use policy that ends the grant)."""

    value: Literal["yes", "conditional", "no"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCap(Clause):
    """More than `over` monthly active users has the `effect`.

    `measured` "release date": counted once, in the calendar month before `measured_on`, and never again; "continuing":
    whenever it is exceeded. `scope` says whose users are counted.
    """

    metric: Literal["monthly active users"] = "monthly active users"
    over: int | None = None
    scope: Literal["product", "licensee", "licensee and affiliates", "unstated"] = "unstated"
    measured: Literal["release date", "continuing", "unstated"] = "unstated"
    measured_on: date | None = None
    effect: Effect | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueCap(Clause):
    """Revenue of more than `over` units of `currency` per `period` has the `effect`.

    `activity` "model as a service": it binds only whoever offers the model itself as a service to others.
    """

    over: int | None = None
    currency: str | None = None
    period: Literal["month", "year", "rolling 12 months", "unstated"] = "unstated"
    scope: Literal["product", "licensee", "licensee and affiliates", "unstated"] = "unstated"
    activity: Literal["any", "model as a service"] = "any"
    effect: Effect | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptableUse(Clause):
    """A list of forbidden uses. `mutable`: the licensor may change it after the fact (None: the text does not say).

    `flow_down`: it must be passed on to whoever receives the model. `topics` are short names in our
    words, None where the list was not read.
    """

    form: Literal["none", "law only", "inline", "by reference"] = "none"
    mutable: bool | None = None
    flow_down: bool | None = None
    topics: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Clause):
    """Purposes the grant is limited to; empty `only` means no such limit.

    `employer_excluded`: use by people employed or engaged by companies is outside the grant, whatever they do.
    """

    only: tuple[Literal["research", "personal", "non-production", "education", "evaluation"], ...] = ()
    employer_excluded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory(Clause):
    """Places whose people get no grant: ISO 3166 country codes and "EU".

    `applies_to` "multimodal": only models with more than text. `principal_place`: a company counts by its principal
    place of business, a person by domicile; otherwise use inside the place is what counts.
    """

    excluded: tuple[str, ...] = ()
    applies_to: Literal["all", "multimodal"] = "all"
    principal_place: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs(Clause):
    """What may be done with what the model writes.

    `train_others`: "free"; "name duty", a model improved with outputs carries a name (`duty`); "derivative", such a
    model falls under this license; "forbidden". `duty` is the name or words, exactly. `ambiguous`: the text
    contradicts itself.
    """

    owner: Literal["user", "unclaimed", "licensor", "unstated"] = "unstated"
    train_others: Literal["free", "name duty", "derivative", "forbidden"] = "free"
    duty: str | None = None
    restricted_use: Literal["none", "research only", "acceptable use", "noncommercial"] = "none"
    ambiguous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Redistribution(Clause):
    """What whoever passes the model on must do.

    `copy`: give the license's text; `notice`: a notice file or line the license words; `mark_changes`: say what was
    changed; `flow_down`: bind the recipient to the same restrictions. `notice_with_copies_only`: where a hosted service
    counts as passing on, no notice is asked of it.
    """

    allowed: Literal["yes", "conditional", "no"] = "yes"
    copy: bool = False
    notice: bool = False
    mark_changes: bool = False
    flow_down: bool = False
    notice_with_copies_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming(Clause):
    """Names one must use. `prefix` starts the name of a derived model that is passed on; `display` is shown, `where`.

    `display_when`: "distribution", whenever the model or a product with it is passed on or offered; "improving a
    model", only when it or its outputs made another model; "above a cap", only above the user or revenue cap;
    "publicity", in public statements. `applies_to` "multimodal": only models with more than text.
    """

    prefix: str | None = None
    display: str | None = None
    where: str | None = None
    display_when: Literal["distribution", "improving a model", "above a cap", "publicity"] = "distribution"
    applies_to: Literal["all", "multimodal"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting(Clause):
    """Offering the model to others over a network, as a service of its own."""

    allowed: Literal["yes", "no", "separate license"] = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Clause):
    """How firm the grant is. `irrevocable` "silent" means that the text has no such word. None: not said."""

    duration: Literal["perpetual", "term", "silent"] = "silent"
    irrevocable: Literal["yes", "no", "silent"] = "silent"
    transferable: bool | None = None
    sublicensable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination(Clause):
    """What ends the whole license, and what must be deleted then.

    `cure_days`: a breach mended within them reinstates the license by itself.
    """

    on: tuple[Ending, ...] = ()
    cure_days: int | None = None
    delete: Literal["none", "model", "model and derivatives"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates(Clause):
    """What the licensor may change later. `remote_restriction`: it may restrict usage from afar."""

    license_mutable: bool = False
    use_policy_mutable: bool = False
    must_use_latest: bool = False
    remote_restriction: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patents(Clause):
    """`grant`: a patent license is given (None: not said). `retaliation`: what a patent suit costs whoever files it."""

    grant: bool | None = None
    retaliation: Literal["none", "patent license", "all rights"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indemnity(Clause):
    """The licensee must hold the licensor harmless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law(Clause):
    """Whose law governs: an ISO 3166 code, with a subdivision where the text names one ("US-CA")."""

    of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clauses:
    """Every clause of one text. None: nobody looked for it."""

    commercial: Commercial | None = None
    user_cap: UserCap | None = None
    revenue_cap: RevenueCap | None = None
    acceptable_use: AcceptableUse | None = None
    field: Field | None = None
    territory: Territory | None = None
    outputs: Outputs | None = None
    redistribution: Redistribution | None = None
    naming: Naming | None = None
    hosting: Hosting | None = None
    grant: Grant | None = None
    termination: Termination | None = None
    updates: Updates | None = None
    patents: Patents | None = None
    indemnity: Indemnity | None = None
    law: Law | None = None

    def items(self) -> Iterator[tuple[str, Clause | None]]:
        """Each clause's name and value, in the order a reader expects them."""
        for field in fields(self):
            yield field.name, getattr(self, field.name)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The clauses nobody looked for."""
        return tuple(name for name, clause in self.items() if clause is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRef:
    """One text: where it was read, when, and its hashes.

    `sha256` is of the text as `source` holds it, UTF-8; `normalized_sha256` of what `normalize` makes of it, so that
    the same words are recognized in another layout; `normalized_words` counts them. None: nobody computed it.
    `live`: its publisher offers it as a page of the web alone, whose words of today may be others.
    """

    source: str
    retrieved: date | None
    seen: bool
    sha256: str | None = None
    normalized_sha256: str | None = None
    normalized_words: int | None = None
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """How copies of a shipped text may differ and still be that text.

    `file` stands in texts/. `titles` may stand above it; `holders` are the passages in which a copy names its own
    holder; copies may end before one of `endings`.
    """

    file: str
    titles: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """One version of one license. `use_policy` is the separate policy some of its clauses stand in.

    `version_date` is the one the text gives, the first of the month where it gives no day.
    `hf_tags` are the hub's `license:` tags that mean this family, `license_names` its `license_name` values; several
    records share one where the tag does not say which version. `summary` is one or two sentences of ours. `template` is
    there for the few permissive texts that are shipped, so that they are found inside longer files.
    """

    id: str
    name: str
    kind: Kind
    summary: str
    text: TextRef
    clauses: Clauses
    use_policy: TextRef | None = None
    template: Template | None = None
    spdx: str | None = None
    hf_tags: tuple[str, ...] = ()
    license_names: tuple[str, ...] = ()
    version_date: date | None = None
    osi_approved: bool | None = None
    """False: not on the OSI's list of approved licenses. None: nobody looked."""

    @property
    def live(self) -> str | None:
        """What is to be said beside a reading of words that may be others today: as of when it is. None: they stand."""
        use, updates = self.clauses.acceptable_use, self.clauses.updates
        terms = self.text.live or (updates is not None and updates.license_mutable)
        by_reference = use is not None and use.form == "by reference" and use.mutable is True
        uses = by_reference or (updates is not None and updates.use_policy_mutable)
        if not terms and not uses:
            return None
        what = "The terms and the list of forbidden uses stand" if terms and uses else "The terms stand"
        what = what if terms else "The list of forbidden uses stands"
        day = (self.use_policy or self.text).retrieved
        return f"{what} where the publisher may change them: this is what was read on {day}, not what is there today."
