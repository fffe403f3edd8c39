"""Who the organization is that a license binds, and what its own policy says: `[organization]` and `[policy]`.

Facts only, judged in `catalog.policy`. A fact nobody stated is None: unknown, and a license that asks for it cannot be
decided. Figures count the organization together with its affiliates, except where they are of one product.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast

from freehold.core.peers import Peer, read_peer
from freehold.core.toml_reader import TableReader

Purpose = Literal["production", "research", "education", "evaluation", "non-production", "personal"]
OnReview = Literal["allow", "ask", "refuse"]

PURPOSES = ("production", "research", "education", "evaluation", "non-production", "personal")
SECTORS = (
    *("adult content", "credit", "critical infrastructure", "defense", "education", "employment", "energy", "finance"),
    *("healthcare", "housing", "insurance", "justice", "law enforcement", "legal services", "manufacturing", "media"),
    *("migration", "public administration", "public benefits", "research", "retail", "security research", "software"),
    *("telecommunications", "transport", "other"),
)
LABEL_NAMES = ("closed", "restricted", "community license", "open weights", "open-source consistent", "open science")

COUNTRIES = frozenset(
    re.findall(
        "[A-Z]{2}",
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV "
        "BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES "
        "ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE "
        "IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY "
        "MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU "
        "NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM "
        "SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE "
        "VG VI VN VU WF WS YE YT ZA ZM ZW",
    )
)
"""The 249 codes that ISO 3166-1 assigns."""

# The 27 member states, and the territories with an ISO 3166 code of their own in which the EU treaties apply (TFEU,
# articles 349 and 355); the EEA adds three states (EEA Agreement, article 2).
EU = frozenset(
    {
        *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU"),
        *("MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "AX", "GF", "GP", "MF", "MQ", "RE", "YT"),
    }
)
EEA = EU | {"IS", "LI", "NO"}

_MOST = 10**15
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_NO_COUNTRY = {"EU": "is a union: name the country", "UK": "is not in ISO 3166: write GB", "EL": "is GR in ISO 3166"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """One organization; None is unknown.

    Users are those who are active in a calendar month: `monthly_active_users` in the last one, `_at` by month
    ("2024-06"), `_peak` the most there ever were in one. Revenue is in US dollars, of the last full month and of the
    last twelve. Figures that begin with `product` are of the largest product that uses a model. `uses_in` are the
    countries in which models are used (ISO 3166), `domicile` that of the principal place of business.
    `trains_on_outputs`: other models are trained or improved with what a model writes. `distributes`: models, or
    products that hold one, are given to others; `hosts_for_others`: a model itself is offered as a service;
    `offers_services`: products or services for others use a model, without giving the model itself.
    """

    name: str | None = None
    domicile: str | None = None
    uses_in: tuple[str, ...] | None = None
    commercial: bool | None = None
    public_sector: bool | None = None
    purposes: tuple[Purpose, ...] | None = None
    sectors: tuple[str, ...] | None = None
    monthly_active_users: int | None = None
    monthly_active_users_peak: int | None = None
    monthly_active_users_at: Mapping[str, int] = field(default_factory=dict)
    product_monthly_active_users: int | None = None
    revenue_month_usd: int | None = None
    revenue_year_usd: int | None = None
    product_revenue_month_usd: int | None = None
    product_revenue_year_usd: int | None = None
    hosts_for_others: bool | None = None
    offers_services: bool | None = None
    distributes: bool | None = None
    trains_on_outputs: bool | None = None
    strips_guardrails: bool | None = None

    def said(self, name: str) -> str:
        """What was stated of the fact `name`, for whoever asks why: `domicile = DE`, or that nothing was."""
        value = getattr(self, name)
        return f"{name} is not stated" if value is None else f"{name} = {_shown(value)}"

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Facts that cannot all be true: the name of one, and why."""
        peak = self.monthly_active_users_peak
        for figure in (self.monthly_active_users, *self.monthly_active_users_at.values()):
            if peak is not None and figure is not None and figure > peak:
                yield "monthly_active_users_peak", f"is below another figure of users, {figure:,}"
        for small, large in _NEVER_ABOVE:
            less, more = getattr(self, small), getattr(self, large)
            if less is not None and more is not None and less > more:
                yield small, f"is more than {large}, {more:,}"


_NEVER_ABOVE = (
    ("product_monthly_active_users", "monthly_active_users"),
    ("product_monthly_active_users", "monthly_active_users_peak"),
    ("product_revenue_month_usd", "revenue_month_usd"),
    ("product_revenue_month_usd", "product_revenue_year_usd"),
    ("product_revenue_month_usd", "revenue_year_usd"),
    ("product_revenue_year_usd", "revenue_year_usd"),
    ("revenue_month_usd", "revenue_year_usd"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The house's own rules for models. The defaults ask nothing.

    `review` says what becomes of a model that could not be decided; None: "ask" once there is an [organization], else
    "allow". Names of models may hold `*`. `minimum_freedom` is 0 to 3, `minimum_openness` an index into LABEL_NAMES;
    both count by the lower bound. `require_verified` refuses builds whose hash nobody had named. `agreements` has, by
    license id, the agreement the organization has with the licensor instead; `reviewed` has, by license id or model
    name, who settled what could not be decided, and when. `egress` are the only addresses that the house connects to:
    None is any, empty is none.
    """

    review: OnReview | None = None
    allowed_licenses: tuple[str, ...] = ()
    denied_licenses: tuple[str, ...] = ()
    denied_models: tuple[str, ...] = ()
    minimum_freedom: int | None = None
    minimum_openness: int | None = None
    require_verified: bool = False
    agreements: Mapping[str, str] = field(default_factory=dict)
    reviewed: Mapping[str, str] = field(default_factory=dict)
    egress: tuple[Peer, ...] | None = None


def read_organization(table: TableReader) -> Organization:
    """`[organization]`; every problem is reported to the reader."""
    figures: dict[str, Any] = {
        each.name: table.optional_integer(each.name, 0, _MOST)
        for each in fields(Organization)
        if each.name.endswith(("_users", "_peak", "_usd"))
    }
    flags: dict[str, Any] = {
        name: table.flag(name) if table.has(name) else None
        for name in (
            *("commercial", "public_sector", "hosts_for_others", "offers_services", "distributes"),
            *("trains_on_outputs", "strips_guardrails"),
        )
    }
    domicile = table.text("domicile", "") or None
    found = Organization(
        name=table.text("name", "") or None,
        domicile=domicile if domicile is None or _is_country(table, "domicile", domicile) else None,
        uses_in=_countries(table, "uses_in"),
        purposes=cast("tuple[Purpose, ...] | None", _some_of(table, "purposes", PURPOSES)),
        sectors=_some_of(table, "sectors", SECTORS),
        monthly_active_users_at=_by_month(table, "monthly_active_users_at"),
        **figures,
        **flags,
    )
    for name, why in found.contradictions():
        table.problem(name, why)
    table.refuse_unknown()
    return found


def read_policy(table: TableReader) -> Policy:
    """`[policy]`; every problem is reported to the reader. Whether its licenses and models exist is not looked at."""
    default = Policy()
    review = table.one_of("review", "ask", ("allow", "ask", "refuse")) if table.has("review") else None
    found = Policy(
        review=cast("OnReview | None", review),
        allowed_licenses=table.texts("allowed_licenses"),
        denied_licenses=table.texts("denied_licenses"),
        denied_models=table.texts("denied_models"),
        minimum_freedom=_level(table, "minimum_freedom", ("F0", "F1", "F2", "F3")),
        minimum_openness=_level(table, "minimum_openness", LABEL_NAMES),
        require_verified=table.flag("require_verified") if table.has("require_verified") else default.require_verified,
        agreements=_words(table, "agreements"),
        reviewed=_words(table, "reviewed"),
        egress=_egress(table),
    )
    table.refuse_unknown()
    return found


def _egress(table: TableReader) -> tuple[Peer, ...] | None:
    """`"open"`, or the list of addresses that are all."""
    if not table.has("egress") or table.value("egress") == "open":
        return None
    if not isinstance(table.value("egress"), list):
        table.problem("egress", 'must be "open", or a list of HOST:PORT: [] lets nothing leave')
        return ()
    found = []
    for text in table.texts("egress"):
        try:
            found.append(read_peer(text))
        except ValueError as error:
            table.problem("egress", f"has {text!r}, which {error}")
    return tuple(dict.fromkeys(found))


def _countries(table: TableReader, key: str) -> tuple[str, ...] | None:
    if not table.has(key):
        return None
    return tuple(code for code in table.texts(key) if _is_country(table, key, code))


def _is_country(table: TableReader, key: str, code: str) -> bool:
    if code not in COUNTRIES:
        why = _NO_COUNTRY.get(code, "is no country code that ISO 3166-1 assigns, two capital letters such as DE")
        table.problem(key, f"has {code!r}, which {why}")
        return False
    return True


def _some_of(table: TableReader, key: str, legal: tuple[str, ...]) -> tuple[str, ...] | None:
    if not table.has(key):
        return None
    given = table.texts(key)
    for value in given:
        if value not in legal:
            table.problem(key, f"must be some of {', '.join(legal)}, not {value!r}")
    return tuple(value for value in given if value in legal)


def _by_month(table: TableReader, key: str) -> dict[str, int]:
    months = table.table(key)
    for month in months.names():
        if not _MONTH.fullmatch(month):
            months.problem(month, 'is not a calendar month such as "2024-06"')
    return {month: months.integer(month, 0, 0, _MOST) for month in months.names()}


def _words(table: TableReader, key: str) -> dict[str, str]:
    rows = table.table(key)
    said = {name: rows.text(name, "") for name in rows.names()}
    for name in (name for name, words in said.items() if not words.strip()):
        rows.problem(name, "must say who settled it, when, and where that is written")
    return said


def _level(table: TableReader, key: str, names: tuple[str, ...]) -> int | None:
    if not table.has(key):
        return None
    return names.index(table.one_of(key, names[0], names))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)
