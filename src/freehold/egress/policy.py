"""What a restricted house refuses before it starts: settings that it could not keep, and models that are elsewhere."""

from __future__ import annotations

from collections.abc import Collection

from freehold.core.errors import BadReferenceError, EgressError, SettingsError
from freehold.core.peers import Peer, peer_of
from freehold.core.refs import Reference, RemoteRef
from freehold.core.settings import Settings, SignOn, TelemetrySettings


def require_kept(settings: Settings) -> None:
    """Raise SettingsError where the settings restrict the house and take away what holds it to that."""
    if settings.policy.egress is None:
        return
    unlocked = [f"endpoint {row.name}" for row in (settings.endpoints or {}).values() if row.options.lock == "off"]
    if settings.engine.lock == "off":
        unlocked.insert(0, "[engine]")
    if unlocked:
        raise SettingsError(
            'The policy says where connections may go, and lock = "off" lets workers go anywhere: '
            f"{', '.join(unlocked)}.",
            hint='Take lock = "off" out of freehold.toml.',
        )
    if settings.ledger.mode == "off":
        raise SettingsError(
            "The policy says where connections may go, and without a ledger nothing shows that they went nowhere else.",
            hint='Set mode in [ledger] of freehold.toml to "relaxed" or "strict".',
        )
    _require_issuer(settings.sign_on, settings.policy.egress)
    _require_collector(settings.telemetry, settings.policy.egress)


def _require_issuer(sign_on: SignOn | None, peers: Collection[Peer]) -> None:
    """The issuer is asked for its keys, unless they are here, and for where people sign in, where the pages lead them
    there: then the policy must let the house do so."""
    if sign_on is None or peer_of(sign_on.issuer) in peers:
        return
    peer = peer_of(sign_on.issuer)
    listed = f'List "{peer}" in egress of [policy] in freehold.toml'
    if sign_on.client is not None:
        raise SettingsError(
            f"The pages sign people in at {peer}, which the house has to ask about it, and {_only(peers)}.",
            hint=f"{listed}, or take [sign_on.client] out.",
        )
    if sign_on.keys_file is None:
        raise SettingsError(
            f"The keys of the sign-on are fetched from {peer}, and {_only(peers)}.",
            hint=f"{listed}, or keep the keys here: keys_file in [sign_on].",
        )


def _require_collector(telemetry: TelemetrySettings | None, peers: Collection[Peer]) -> None:
    if telemetry is None or peer_of(telemetry.otlp) in peers:
        return
    peer = peer_of(telemetry.otlp)
    raise SettingsError(
        f"Traces and metrics are sent to {peer}, and {_only(peers)}.",
        hint=f'List "{peer}" in egress of [policy] in freehold.toml{_aside(peers)}, or take [telemetry] out.',
    )


def require_listed(ref: RemoteRef, peers: Collection[Peer] | None) -> None:
    """Raise BadReferenceError where the policy lets no prompt go to the address of `ref`."""
    if peers is None:
        return
    try:
        peer = peer_of(ref.base_url)
    except ValueError as error:
        raise BadReferenceError(f"{ref} leads nowhere: its address {error}.") from error
    if peer not in peers:
        raise BadReferenceError(
            f"{ref} is at {peer}, and {_only(peers)}.",
            hint=f'Point it at a held build, or list "{peer}" in egress of [policy] in freehold.toml{_aside(peers)}.',
        )


def require_no_pull(ref: Reference, peers: Collection[Peer] | None) -> None:
    """Raise EgressError: what is restricted to some addresses, or none, downloads nothing."""
    if peers is not None:
        raise EgressError(
            f"{ref} would be downloaded, and {_only(peers)}.",
            hint=f'{_BY_HAND}, or pull it where egress is "open" in [policy] of freehold.toml.',
        )


def require_no_pull_beside(ref: Reference, allowed: Collection[str] | None) -> None:
    """Raise EgressError: beside a house that runs and may connect to nothing but `allowed` (None is anywhere), its home
    downloads nothing."""
    if allowed is not None:
        only = f"nothing but {', '.join(allowed)}" if allowed else "nothing"
        raise EgressError(
            f"{ref} would be downloaded, and the house that runs here is held to connecting to {only}.",
            hint=f"{_BY_HAND}, or end that house first: freehold stop",
        )


_BY_HAND = "Bring it in as a file (`freehold pull ./FILE`) or as a bundle (`freehold bundle open`)"


def _aside(peers: Collection[Peer]) -> str:
    return "" if peers else ", a list that --local-only puts aside"


def _only(peers: Collection[Peer]) -> str:
    if not peers:
        return "the policy lets nothing leave this house"
    return f"the policy lets the house connect to nothing but {', '.join(map(str, peers))}"
