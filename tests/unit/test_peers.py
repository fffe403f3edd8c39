"""The addresses that a policy lists: exact ones, and nothing that could mean several."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.core.errors import BadReferenceError
from freehold.core.peers import Peer, peer_of, read_peer
from freehold.core.refs import RemoteRef
from freehold.egress.broker import Broker, RefusedError
from freehold.egress.policy import require_listed


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("sso.bank.example:443", Peer("sso.bank.example", 443)),
        ("SSO.Bank.example:443", Peer("sso.bank.example", 443)),
        ("192.0.2.7:1", Peer("192.0.2.7", 1)),
        ("[2001:DB8:0::7]:8443", Peer("2001:db8::7", 8443)),
        ("localhost:65535", Peer("localhost", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, peer: Peer) -> None:
    assert read_peer(text) == peer
    assert read_peer(str(peer)) == peer


@pytest.mark.parametrize(
    "text",
    [
        *("", ":443", "host", "host:", "host:0", "host:65536", "host:٣", "*:443", "*.example.org:443", "a b:1"),
        *("https://host:443", "host/path:443", "2001:db8::7:443", "[host]:443", "[192.0.2.7]:443", "a..b:1", "-a:1"),
        *("10.7:443", "2130706433:443", "0x7f000001:443", "127.0.0.0x1:443", "192.0.2.07:443"),
        *("[2001:db8::7]", "host:443,other:443", f"{'a' * 64}:1", f"{'a.' * 130}b:1", "host\n:443"),
    ],
)
def test_what_is_no_single_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_peer(text)


def test_where_an_url_leads() -> None:
    assert peer_of("https://Host.example/v1") == Peer("host.example", 443)
    assert peer_of("http://[::1]:8000/v1") == Peer("::1", 8000)
    assert peer_of("http://[2001:DB8:0:0::7]:8000/v1") == read_peer("[2001:db8::0007]:8000")
    for wrong in ("https:///v1", "ftp://host", "https://host:99999/"):
        with pytest.raises(ValueError):
            peer_of(wrong)


def test_a_remote_model_is_taken_where_its_very_address_is_listed() -> None:
    ref = RemoteRef("https://api.example/v1", "big")
    require_listed(ref, None)
    require_listed(ref, (Peer("api.example", 443),))
    for peers, words in (
        ((), "the policy lets nothing leave this house"),
        ((Peer("api.example", 8443),), "nothing but api.example:8443"),
        ((Peer("example", 443),), "nothing but example:443"),
    ):
        with pytest.raises(BadReferenceError, match=words):
            require_listed(ref, peers)


async def test_a_workers_socket_is_known_by_its_place_wherever_the_house_keeps_them(tmp_path: Path) -> None:
    runtime = tmp_path / "w-one"
    broker = Broker((), str(runtime), house=1)
    with pytest.raises(FileNotFoundError):  # it would have been connected to
        await broker.connect_worker(f"{runtime}/w-0a1b2c/s/3d4e5f.sock")
    for other in ("/run/other.sock", f"{tmp_path}/w-0a1b2c/s/3d4e5f.sock", f"{runtime}/w-0a1b2c/s/../s/3d4e5f.sock"):
        with pytest.raises(RefusedError, match="it is no socket of a worker"):
            await broker.connect_worker(other)
