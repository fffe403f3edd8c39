"""What licenses ask of this organization, which license a text is, and overrides. No network is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freehold.catalog import Catalog
from freehold.core.errors import CallError, DeedSignatureError, NoEngineError, NotFoundError, PolicyError
from freehold.core.names import nearest
from freehold.core.refs import FakeRef, HubRef, ModelRef, Reference, RemoteRef, parse
from freehold.core.settings import Settings
from freehold.engines.opens import require_engine
from freehold.gateway.endpoints import is_local, together
from freehold.permits import Permits, refused_decisions
from freehold.permits import let_through as let_through
from freehold.store.opened import open_regular
from freehold.store.overrides import Override as Override
from freehold.store.overrides import Overrides, now
from freehold.store.store import Store

if TYPE_CHECKING:
    from freehold.app import House
    from freehold.catalog.licenses.recognize import Recognition
    from freehold.catalog.policy import Verdict

_LONGEST_FILE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """A verdict, whether it stops a pull or an endpoint here, and the override that stands for its subject if one does.
    `covered`: it answers every ground of this verdict."""

    verdict: Verdict
    refused: bool
    override: Override | None
    covered: bool


def check(text: str, settings: Settings) -> Checked:
    """What the licenses of the model or held build `text` ask of the organization in `settings`.

    Raises NotFoundError with the nearest names, CallError for what has no weights here.
    """
    catalog, store = Catalog.load(), Store.of(settings)
    permits = Permits(catalog, store)
    verdict = _verdict(parse(text), permits, catalog, store, settings)
    override = permits.overrides.standing(verdict.subject)
    covered = override is not None and override.covers(verdict.grounds)
    return Checked(verdict, verdict.decision in refused_decisions(settings), override, covered)


def _verdict(ref: Reference, permits: Permits, catalog: Catalog, store: Store, settings: Settings) -> Verdict:
    if isinstance(ref, RemoteRef | FakeRef):
        raise CallError(f"{ref} is a service of somebody: Freehold has no terms of services to read.")
    name = ref.model if isinstance(ref, ModelRef) else ref.repository if isinstance(ref, HubRef) else None
    model = catalog.get(name) if name is not None else None
    if model is not None and not (isinstance(ref, ModelRef) and ref.tag is not None and _is_held(ref, store)):
        return permits.of_model(model, settings)
    try:
        return permits.of_build(store.peek(ref), settings)
    except NotFoundError as error:
        if not isinstance(ref, ModelRef):
            raise
        names = {*(each.name for each in catalog.models), *(build.model for build in store.builds())}
        hint = "`freehold find TEXT` searches the catalog, `freehold list` lists what is held."
        raise NotFoundError("model", str(ref), nearest=nearest(ref.model, names), hint=hint) from error


def _is_held(ref: Reference, store: Store) -> bool:
    try:
        store.peek(ref)
    except NotFoundError:
        return False
    return True


def served(house: House) -> tuple[str, ...]:
    """Looks at what `house` is about to serve. Gives one line for every held build that it will leave out.

    Raises PolicyError naming every configured endpoint that may not be served, or where no build at all may be, and
    NoEngineError for a configured one that nothing here runs.
    """
    settings, refused = house.settings, []
    left_out: list[str] = []
    rows = None if settings.endpoints is None else [row.ref for row in settings.endpoints.values() if is_local(row)]
    builds = house.store.builds() if rows is None else [house.store.find(ref) for ref in rows]
    for build in builds:
        try:
            house.store.keys.require(house.store.deed(build))
            house.permits.require_build(build, settings)
            require_engine(build)
        except PolicyError as error:
            refused.append(error)
        except DeedSignatureError as error:
            left_out.append(error.message)
        except NoEngineError as error:
            if rows is not None:
                raise
            left_out.append(error.message)
    if refused and (rows is not None or len(refused) == len(builds)):
        raise together(refused)
    return tuple(f"Not served: {message}" for message in (*left_out, *(error.message for error in refused)))


def override(text: str, settings: Settings, *, by: str | None, reason: str) -> Override:
    """Record that `by` (None: the user of this process) takes `text` although it is refused. Raises CallError where
    nothing is."""
    found = check(text, settings)
    if not found.refused:
        raise CallError(
            f"{found.verdict.subject} is not refused here: {found.verdict.decision}. There is nothing to override.",
            hint=f"See: freehold license check {text}",
        )
    refused = {**found.verdict.as_json(), "grounds": list(found.verdict.grounds)}
    return record([refused], settings, by=by, reason=reason)[0]


def record(
    refused: Sequence[Mapping[str, Any]], settings: Settings, *, by: str | None, reason: str
) -> tuple[Override, ...]:
    """Record an override of every verdict in `refused` (`data["refused"]` of a PolicyError)."""
    kept = Overrides(settings.home)
    written = tuple(
        Override(
            subject=verdict["subject"],
            by=_person(by),
            reason=_reason(reason),
            grounds=tuple(verdict["grounds"]),
            reasons=tuple(each["text"] for each in verdict["reasons"]),
            date=now(),
            freehold=_version(),
        )
        for verdict in refused
    )
    for each in written:
        kept.add(each)
    return written


def withdraw(text: str, settings: Settings, *, by: str | None, reason: str) -> Override:
    """Take the override of `text` back. Raises NotFoundError where none stands."""
    subject = check(text, settings).verdict.subject
    kept = Overrides(settings.home)
    standing = kept.standing(subject)
    if standing is None:
        raise NotFoundError("override", subject, hint="`freehold license check` shows the one that stands.")
    taken = Override(
        subject=subject,
        by=_person(by),
        reason=_reason(reason),
        grounds=standing.grounds,
        reasons=standing.reasons,
        date=now(),
        freehold=_version(),
        withdrawn=True,
    )
    kept.add(taken)
    return taken


def standing(names: Sequence[str], settings: Settings) -> tuple[Override, ...]:
    """The overrides that stand for any of `names`."""
    kept = Overrides(settings.home)
    return tuple(each for each in map(kept.standing, names) if each is not None)


def known() -> list[dict[str, Any]]:
    """Every license record, one row of stable keys each."""
    from freehold.catalog.licenses.shelf import Licenses

    return [
        {
            "id": record.id,
            "name": record.name,
            "kind": record.kind,
            "commercial": record.clauses.commercial.value if record.clauses.commercial else None,
            "spdx": record.spdx,
            "version_date": record.version_date.isoformat() if record.version_date else None,
            "osi_approved": record.osi_approved,
            "text_seen": record.text.seen,
            "text_sha256": record.text.sha256,
            "tags": list(record.hf_tags),
        }
        for record in Licenses.load()
    ]


def without_record() -> list[dict[str, Any]]:
    """The licenses of the catalog's models that have no record, and why: one row of stable keys each. What depends on
    one is always an open question. A service's terms are not among them."""
    from freehold.catalog.licenses.shelf import Licenses
    from freehold.catalog.model import PROPRIETARY

    ids = frozenset(Licenses.load().ids)
    found: dict[str, dict[str, Any]] = {}
    for model in Catalog.load().models:
        if model.license in ids or model.license == PROPRIETARY:
            continue
        row = found.setdefault(model.license, {"id": model.license, "models": [], "why": []})
        row["models"].append(model.name)
        if model.license_note and model.license_note not in row["why"]:
            row["why"].append(model.license_note)
    return [found[license_id] for license_id in sorted(found)]


def paper_of(name: str) -> dict[str, Any]:
    """One license clause by clause, by its id, its SPDX identifier or a hub's tag. Raises NotFoundError with the
    nearest ids, CallError where a tag can mean several texts."""
    from freehold.catalog.licenses.shelf import Licenses
    from freehold.catalog.paper import license_paper

    licenses = Licenses.load()
    ids = [name] if name in licenses.ids else [record.id for record in licenses.by_tag(name)]
    if len(ids) > 1:
        raise CallError(
            f"{name!r} can mean {len(ids)} texts: {', '.join(ids)}.", hint=f"freehold license show {ids[0]}"
        )
    if not ids:
        raise NotFoundError("license", name, nearest=nearest(name, licenses.ids), hint="`freehold license list`.")
    return license_paper(ids[0], licenses)


def recognized(path: Path) -> Recognition:
    """Which license the text at `path` is. Raises CallError where it cannot be read as text."""
    from freehold.catalog.licenses import Licenses
    from freehold.catalog.licenses.recognize import recognize

    try:
        with open_regular(path) as file:
            text = file.read(_LONGEST_FILE_BYTES + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CallError(f"{path} cannot be read as a text in UTF-8: {error}.", file=str(path)) from error
    return recognize(text, Licenses.load())


def _person(by: str | None) -> str:
    if by is not None and by.strip():
        return by.strip()
    import psutil

    return psutil.Process().username()


def _reason(reason: str) -> str:
    if not reason.strip():
        raise CallError("An override needs its reason.", hint='Say why: freehold license override MODEL "why"')
    return reason.strip()


def _version() -> str:
    from freehold import __version__

    return __version__
