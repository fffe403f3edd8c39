"""`freehold up`: starts the house and stays until it is stopped.

References on the command line are the endpoints of this run, instead of those in freehold.toml, each under its model's
or file's name: what was named is what is served, and the file is not touched. A reload keeps them.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, cast, get_args
from urllib.parse import urlsplit

import typer

from freehold.cli.arguments import Json, Quiet, answering_names, examples
from freehold.cli.output import Output
from freehold.cli.permitting import By, Reason, Wish, permitted
from freehold.cli.pull import pull_now
from freehold.core.addresses import is_loopback
from freehold.core.errors import CallError, NotFoundError
from freehold.core.refs import FakeRef, FileRef, HubRef, ModelRef, PypiRef, Reference, RemoteRef, parse
from freehold.core.settings import DEFAULT_MODEL, EndpointSettings, EngineName, ServerSettings, Settings, load

# Hosts that mean every network of the machine, and the families of address they take.
EVERYWHERE = {"0.0.0.0": (socket.AF_INET,), "::": (socket.AF_INET6,), "": (socket.AF_INET,)}  # noqa: S104  # only read

Refs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[REF]...", help="What to serve, instead of [endpoints].", autocompletion=answering_names),
]
Host = Annotated[str | None, typer.Option("--host", help="Listen here; another address than loopback wants a key.")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Listen on this port; 0 takes a free one.")]
TlsCertificate = Annotated[
    Path | None, typer.Option("--tls-certificate", metavar="FILE", help="Speak TLS, with this certificate (PEM).")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="The certificate's private key (PEM).")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings from this file.")]
Engine = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="Run builds with llama.cpp or openvino, where nothing else is set."),
]
Pull = Annotated[bool, typer.Option("--pull", help="Pull what is missing without asking.")]
LocalOnly = Annotated[
    bool, typer.Option("--local-only", help="Give up every connection to anywhere; the kernel holds the house to it.")
]


@examples(
    "freehold up",
    "freehold up --pull",
    "freehold up smollm2-135m-instruct --port 8400",
    "freehold up smollm2-135m-instruct --engine openvino",
    "freehold up ./model.gguf openai:gpt-5",
    "freehold up --host 0.0.0.0 --tls-certificate house.pem --tls-key house.key",
    "freehold up --local-only",
)
def up_command(  # noqa: PLR0913 - the parameters are the command's options; typer reads them from here
    refs: Refs = None,
    host: Host = None,
    port: Port = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    config: Config = None,
    engine: Engine = None,
    pull: Pull = False,
    local_only: LocalOnly = False,
    override: Reason = None,
    by: By = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Start the house: the API and the chat page.

    Serves the endpoints of freehold.toml, or every held build where it has none, or REF... alone. Ctrl-C lets requests
    in flight end; a second one ends at once.
    """
    from freehold.python.endpoint_names import unknown_in_roles
    from freehold.server.serve import serve

    output = Output(as_json=as_json, quiet=quiet)
    parsed = [parse(ref) for ref in refs or ()]

    place = Place(host, port, tls_certificate, tls_key)

    def read() -> Settings:
        found = with_arguments(load(file=config), parsed, place, engine=engine)
        return local(found) if local_only else found

    settings = read()
    _hold_all(settings, output, may_pull=pull, wish=Wish(override, by))
    for line in unknown_in_roles(settings):
        output.say(line)
    # Looked at now: a house that gave up its sockets cannot ask the kernel which addresses it has.
    hosts = open_hosts(settings.server.host)
    code = serve(settings, reread=read, on_ready=lambda address: announce(address, settings, output, hosts))
    if not as_json:
        output.say("The house has stopped.")
    return code


def local(settings: Settings) -> Settings:
    """The same, where nothing may leave, whatever [policy] lists."""
    return dataclasses.replace(settings, policy=dataclasses.replace(settings.policy, egress=()))


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen, as the command line says; None where it does not."""

    host: str | None = None
    port: int | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    def over(self, server: ServerSettings) -> ServerSettings:
        """`server` with what is said here put over it. Files are found from the folder where the house was started."""
        return dataclasses.replace(
            server,
            host=server.host if self.host is None else self.host,
            port=server.port if self.port is None else self.port,
            tls_certificate=self.tls_certificate.absolute() if self.tls_certificate else server.tls_certificate,
            tls_key=self.tls_key.absolute() if self.tls_key else server.tls_key,
        )


def with_arguments(settings: Settings, refs: list[Reference], place: Place, *, engine: str | None = None) -> Settings:
    """The settings with what the command line says put over them. Raises CallError for two endpoints of one name, and
    for an engine that there is not."""
    if engine is not None:
        settings = dataclasses.replace(settings, engine=dataclasses.replace(settings.engine, engine=_engine(engine)))
    server = place.over(settings.server)
    if not refs:
        return dataclasses.replace(settings, server=server)
    rows: dict[str, EndpointSettings] = {}
    for ref in refs:
        configured = (settings.endpoints or {}).get(str(ref))
        name = configured.name if configured is not None else endpoint_name(ref)
        if name in rows:
            raise CallError(
                f"{ref} and {rows[name].ref} would both be the endpoint {name!r}.",
                hint="Name them in [endpoints] of freehold.toml instead.",
            )
        rows[name] = configured or EndpointSettings(name, ref)
    return dataclasses.replace(settings, server=server, endpoints=rows)


def _engine(name: str) -> EngineName:
    for known in get_args(EngineName):
        if name == known:
            return cast("EngineName", known)
    raise CallError(f"There is no engine {name!r}.", hint=f"There are: {', '.join(get_args(EngineName))}.")


def endpoint_name(ref: Reference) -> str:
    """What clients send as `model` for a reference of the command line."""
    if isinstance(ref, ModelRef | RemoteRef):
        return ref.model
    if isinstance(ref, FakeRef):
        return ref.name
    if isinstance(ref, HubRef):
        return ref.repository.rpartition("/")[2]
    if isinstance(ref, PypiRef):
        return ref.project
    return PurePosixPath(ref.path if isinstance(ref, FileRef) else urlsplit(ref.url).path).stem


def _hold_all(settings: Settings, output: Output, *, may_pull: bool, wish: Wish) -> None:
    """Pull what is to be served and not held, where that is allowed or the person agrees. Raises NotFoundError,
    EgressError where nothing may be downloaded, and PolicyError naming every endpoint that the policy refuses."""
    import asyncio

    from freehold.python.held import builds
    from freehold.python.licenses import served
    from freehold.python.opening import hold, house_for, require_no_pull

    if settings.endpoints is not None:
        wanted = [row.ref for row in settings.endpoints.values()]
    else:
        wanted = [] if builds(settings) else [ModelRef(DEFAULT_MODEL)]
    house = house_for(settings)
    for ref in wanted:
        if isinstance(ref, RemoteRef | FakeRef):
            continue
        try:
            asyncio.run(hold(house, ref, may_pull=False))
        except NotFoundError:
            require_no_pull(ref, settings.policy.egress)
            agreed = may_pull or (output.talks_to_person and output.ask(f"{ref} is not held. Pull it now?"))
            if not agreed:
                if settings.endpoints is None:
                    raise _nothing_held() from None
                raise
            pull_now(ref, output, wish=wish, to_run=True)
    for line in permitted(lambda: served(house), output, wish, settings):
        output.say(line)


def _nothing_held() -> NotFoundError:
    hint = f"`freehold up --pull` gets {DEFAULT_MODEL} and starts; `freehold pull {DEFAULT_MODEL}` only gets it."
    return NotFoundError("build", DEFAULT_MODEL, text="Nothing is held yet.", hint=hint)


def announce(address: str, settings: Settings, output: Output, hosts: Sequence[str] = ()) -> None:
    """Say where the house is, once it listens, and who else may come in, at which `hosts`."""
    scheme = "http" if settings.server.tls_certificate is None else "https"
    port = address.rpartition(":")[2]
    others = [f"{scheme}://{host}:{port}" for host in hosts]
    key = _key_header(settings)
    output.sentence(
        {"address": address, "page": f"{address}/", "api": f"{address}/v1", "other_addresses": others},
        f"The house is open: {address}\n"
        f"  page   {address}/\n"
        f"  API    {address}/v1\n"
        f"  try    curl -s {address}/v1/models{key}" + _for_others(others, settings),
        bare=address,
    )
    if not is_loopback(settings.server.host) and settings.server.tls_certificate is None:
        output.say(
            "Keys, prompts and answers cross the network in the clear: --tls-certificate and --tls-key encrypt them, "
            "or a proxy before the house."
        )


def _key_header(settings: Settings) -> str:
    """What a request to the house must carry, for curl."""
    from freehold.python.access import needed

    if settings.server.api_key is not None:
        return " -H 'authorization: Bearer '$FREEHOLD_API_KEY"
    return " -H 'authorization: Bearer KEY'" if needed(settings) else ""


def _for_others(others: list[str], settings: Settings) -> str:
    """How other machines come in, where the house listens for them; a firewall between is not seen from here."""
    if settings.server.host not in EVERYWHERE:
        return ""
    named = f" and as {', '.join(settings.server.hosts)}" if settings.server.hosts else ""
    return (
        f"\nOther machines can reach it too, at {' '.join(others) or 'the address of this machine'}{named}.\n"
        "  A name is answered to only where hosts in [server] of freehold.toml holds it; an address needs no entry."
    )


def open_hosts(host: str) -> list[str]:
    """The addresses of this machine that others reach, where the house listens on all of them; else none."""
    import psutil

    families = EVERYWHERE.get(host, ())
    found = (row for rows in psutil.net_if_addrs().values() for row in rows if row.family in families)
    places = (ipaddress.ip_address(row.address.partition("%")[0]) for row in found)
    reachable = [place for place in places if not (place.is_loopback or place.is_link_local)]
    return [f"[{place}]" if place.version == 6 else str(place) for place in reachable]
