"""What is known of a figure that a cap asks for: an interval, because some figures bound others.

One product has at most the users of the whole organization, one month at most the revenue of its year, the peak is the
most there ever was. A figure nobody stated and nothing bounds reaches from zero to anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from freehold.catalog.licenses.record import RevenueCap, UserCap
from freehold.core.organization import Organization


@dataclass(frozen=True, slots=True)
class Measured:
    """From `low` to `high`; `high` None is without end. `fact` says what was stated, `missing` which fact would make
    the figure exact."""

    low: int
    high: int | None
    fact: str
    missing: str

    def above(self, over: int) -> bool | None:
        """Whether it is more than `over`; None where the interval does not tell."""
        if self.low > over:
            return True
        return False if self.high is not None and self.high <= over else None


def users(cap: UserCap, organization: Organization) -> Measured:
    """The users that `cap` counts."""
    if cap.measured == "release date":
        return _users_then(cap, organization)
    if cap.scope == "product" and organization.product_monthly_active_users is not None:
        return _exactly("product_monthly_active_users", organization)
    now, peak = organization.monthly_active_users, organization.monthly_active_users_peak
    if cap.scope in ("licensee and affiliates", "unstated") and now is not None:
        return _exactly("monthly_active_users", organization)
    bounds = {"monthly_active_users": now, "monthly_active_users_peak": peak}
    missing = "product_monthly_active_users" if cap.scope == "product" else "monthly_active_users"
    return _at_most(bounds, missing, organization)


def revenue(cap: RevenueCap, organization: Organization) -> Measured:
    """The revenue that `cap` counts, in US dollars."""
    product, month = cap.scope == "product", cap.period == "month"
    own = f"{'product_' if product else ''}revenue_{'month' if month else 'year'}_usd"
    if getattr(organization, own) is not None and cap.scope != "licensee":
        return _exactly(own, organization)
    wider = [f"revenue_{'month' if month else 'year'}_usd"]
    wider += ["revenue_year_usd"] if month else []
    wider += ["product_revenue_year_usd"] if product and month else []
    found = _at_most({name: getattr(organization, name) for name in wider}, own, organization)
    shorter = f"{'product_' if product else ''}revenue_month_usd"
    low = getattr(organization, shorter)
    if month or low is None or cap.scope == "licensee":
        return found
    return Measured(low, found.high, organization.said(shorter), own)


def month_before(day: date) -> str:
    """The calendar month before that of `day`, as "2024-06"."""
    return f"{day.year - 1}-12" if day.month == 1 else f"{day.year}-{day.month - 1:02}"


def _users_then(cap: UserCap, organization: Organization) -> Measured:
    """Counted once, in the calendar month before the release."""
    month = month_before(cap.measured_on) if cap.measured_on else None
    then = organization.monthly_active_users_at.get(month) if month else None
    peak = organization.monthly_active_users_peak
    missing = f"monthly_active_users_at.{month}" if month else "monthly_active_users_peak"
    if then is not None:
        whole = cap.scope in ("licensee and affiliates", "unstated")
        return Measured(then if whole else 0, then, f"{missing} = {then:,}", missing)
    if peak is not None:
        return Measured(0, peak, organization.said("monthly_active_users_peak"), missing)
    return Measured(0, None, f"{missing} is not stated", missing)


def _exactly(name: str, organization: Organization) -> Measured:
    value = getattr(organization, name)
    return Measured(value, value, organization.said(name), name)


def _at_most(bounds: dict[str, int | None], missing: str, organization: Organization) -> Measured:
    known = {name: value for name, value in bounds.items() if value is not None}
    if not known:
        return Measured(0, None, organization.said(missing), missing)
    lowest = min(known, key=lambda name: known[name])
    return Measured(0, known[lowest], organization.said(lowest), missing)
