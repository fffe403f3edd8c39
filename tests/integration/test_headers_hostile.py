"""Headers that are read from servers which mean no good: whatever they do, little is read and the wait has an end."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from pathlib import Path

import pytest
from aiohttp import web

from freehold.core.errors import SourceError, SourceUnreachableError
from freehold.python import foresight
from freehold.store.headers import MOST_BYTES, fetch_headers
from freehold.store.plan import Part, Plan, PlannedFile
from freehold.store.transfer import Patience
from tests.gguf_bytes import STRING
from tests.servers.listening import listening
from tests.servers.tiny_gguf import tiny_gguf

SAID_BYTES = 10**11
WAIT_S = 0.3
# A header whose first text goes on for a terabyte.
ENDLESS = b"GGUF" + b"".join(
    number.to_bytes(size, "little")
    for number, size in ((3, 4), (1, 8), (1, 8), (1, 8), (97, 1), (STRING, 4), (2**40, 8))
)


async def _sent(request: web.Request, first: bytes, then: bytes, pause_s: float, **said: str) -> web.StreamResponse:
    """`first`, and then the same for ever."""
    answer = web.StreamResponse(status=206 if "Content-Range" in said else 200, headers=said)
    if "Content-Range" not in said:
        answer.content_length = SAID_BYTES
    await answer.prepare(request)
    await answer.write(first)
    while True:
        await answer.write(then)
        await asyncio.sleep(pause_s)


async def _drip(request: web.Request) -> web.StreamResponse:
    return await _sent(request, b"GGUF", b"\3", 0.02)


async def _endless(request: web.Request) -> web.StreamResponse:
    return await _sent(request, ENDLESS, bytes(1 << 20), 0)


async def _silent(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("it never answers")


async def _circle(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(request.path)


async def _packed(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x1f\x8b" + bytes(1000), headers={"Content-Encoding": "gzip"})


async def _vast(request: web.Request) -> web.StreamResponse:
    return await _sent(request, tiny_gguf(), bytes(1 << 16), 0, **{"Content-Range": f"bytes 0-99/{9 * 10**12}"})


def _archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("tiny.gguf", tiny_gguf())
    return packed.getvalue()


async def _never_ending_ranges(request: web.Request) -> web.StreamResponse:
    """The bytes that were asked for, and zeros after them."""
    data, asked = _archive(), re.fullmatch(r"bytes=(\d*)-(\d+)", request.headers["Range"])
    assert asked is not None
    first = int(asked[1]) if asked[1] else max(0, len(data) - int(asked[2]))
    range_ = f"bytes {first}-{len(data) - 1}/{len(data)}"
    return await _sent(request, data[first:], bytes(1 << 10), 0.01, **{"Content-Range": range_})


async def _backward_ranges(request: web.Request) -> web.StreamResponse:
    return await _sent(request, bytes(1 << 10), bytes(1 << 10), 0.01, **{"Content-Range": "bytes 5000-6000/100"})


def _app() -> web.Application:
    app = web.Application()
    handlers = (_drip, _endless, _silent, _circle, _packed, _vast, _never_ending_ranges, _backward_ranges)
    app.add_routes([web.get(f"/{each.__name__}", each) for each in handlers])
    return app


def _plan(url: str, size_bytes: int | None = None, member: str | None = None) -> Plan:
    part = Part(url, "m.gguf", size_bytes=None if member else size_bytes, member=member)
    return Plan(url, (PlannedFile("m.gguf", (part,), size_bytes=size_bytes),), {})


@pytest.mark.parametrize("way", ["_drip", "_silent"])
async def test_a_header_that_comes_too_slowly_is_given_up(way: str, tmp_path: Path) -> None:
    async with listening(_app()) as url, asyncio.timeout(20):
        with pytest.raises(SourceUnreachableError, match=r"The header of m.gguf did not come within 0.3 s."):
            await fetch_headers(_plan(f"{url}/{way}"), tmp_path, longest_s=WAIT_S)


@pytest.mark.parametrize(
    ("way", "said"),
    [("_endless", "goes on beyond"), ("_circle", "redirects more than"), ("_packed", "comes compressed")],
)
async def test_what_a_server_sends_too_much_or_otherwise_than_asked_is_refused(
    way: str, said: str, tmp_path: Path
) -> None:
    async with listening(_app()) as url, asyncio.timeout(60):
        with pytest.raises(SourceError, match=said):
            await fetch_headers(_plan(f"{url}/{way}"), tmp_path, patience=Patience(attempts=1))
    assert _written_bytes(tmp_path) < 2 * MOST_BYTES


def _written_bytes(folder: Path) -> int:
    """What lies on the disk, without holes."""
    return sum(path.stat().st_blocks * 512 for path in folder.iterdir())


async def test_a_member_of_an_archive_is_read_from_ranges_that_never_end(tmp_path: Path) -> None:
    plan, size_bytes = "_never_ending_ranges", len(tiny_gguf())
    async with listening(_app()) as url, asyncio.timeout(20):
        (path,) = await fetch_headers(_plan(f"{url}/{plan}", size_bytes, "tiny.gguf"), tmp_path)
    assert path.read_bytes() == tiny_gguf()


async def test_a_list_of_members_that_would_begin_behind_its_end_is_refused(tmp_path: Path) -> None:
    async with listening(_app()) as url, asyncio.timeout(20):
        with pytest.raises(SourceError, match="its list of members would have -4,900 bytes"):
            await fetch_headers(_plan(f"{url}/_backward_ranges", 100, "tiny.gguf"), tmp_path)


@pytest.mark.parametrize("way", ["_drip", "_endless", "_silent", "_circle", "_packed", "_vast"])
async def test_a_pull_waits_for_none_of_them(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a look ahead does not tell, the pull itself does."""
    monkeypatch.setattr(foresight, "AHEAD_S", WAIT_S)
    async with listening(_app()) as url, asyncio.timeout(20):
        assert await foresight.read_ahead(_plan(f"{url}/{way}", SAID_BYTES)) is None
