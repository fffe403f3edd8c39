"""The downloader against a real server on loopback: what it asks for, what it keeps, what it says."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import resource
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from freehold.core.errors import (
    FreeholdError,
    GatedError,
    NoSpaceError,
    SourceError,
    SourceUnreachableError,
    StoreError,
)
from freehold.store import transfer
from freehold.store.download import Fetched, fetch
from freehold.store.journal import Journal, journal_path
from freehold.store.plan import Part
from freehold.store.transfer import Patience
from tests.recorder import Recorder
from tests.servers.files import FileServer, file_server

DATA = random.Random(7).randbytes(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
IMPATIENT = Patience(attempts=3, first_wait_s=0.001, longest_wait_s=0.01, silence_timeout_s=10)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


async def download(part: Part, into: Path, progress: Recorder | None = None) -> Fetched:
    return await fetch(part, into, progress=progress or Recorder(), patience=IMPATIENT)


def _start(asked: str | None) -> int:
    assert asked is not None
    return int(asked.removeprefix("bytes=").removesuffix("-"))


async def half(server: FileServer, part: Part, into: Path) -> int:
    """Leave `into` as a download that ended after about 2,000,000 bytes and could not go on; how many there are."""
    served = server.files["/m.gguf"]
    served.drop_after = [2_000_000]
    with pytest.raises(SourceUnreachableError):
        await fetch(part, into, progress=Recorder(), patience=Patience(attempts=1))
    kept_bytes = len(await asyncio.to_thread(into.read_bytes))
    assert 1_000_000 < kept_bytes <= 2_000_000
    server.log.clear()
    return kept_bytes


async def test_a_download_is_whole_hashed_and_told_in_bytes(server: FileServer, tmp_path: Path) -> None:
    progress = Recorder()
    found = await download(Part(server.put("/m.gguf", DATA), "m.gguf"), tmp_path / "m", progress)
    assert found == Fetched(SHA256, len(DATA))
    assert (tmp_path / "m").read_bytes() == DATA
    assert (progress.done, progress.totals) == ({"m.gguf": len(DATA)}, {"m.gguf": len(DATA)})
    assert progress.started == progress.finished == ["m.gguf"]


async def test_dropped_connections_are_taken_up_where_they_ended(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/m.gguf", DATA, drop_after=[1_200_000, 1_200_000])
    progress = Recorder()
    found = await download(Part(url, "m.gguf"), tmp_path / "m", progress)
    assert found.sha256 == SHA256
    first, second, third = server.ranges("/m.gguf")
    assert first is None
    # What the client had not read when the connection ended is asked for again: less than its buffer.
    assert 0 < _start(second) <= 1_200_000
    assert _start(second) < _start(third) <= _start(second) + 1_200_000
    assert [asked.status for asked in server.log] == [200, 206, 206]
    assert progress.started == ["m.gguf"]
    assert progress.done["m.gguf"] == len(DATA)


async def test_a_server_that_drops_at_once_every_time_is_given_up_and_the_bytes_kept(
    server: FileServer, tmp_path: Path
) -> None:
    url = server.put("/m.gguf", DATA, drop_after=[1_500_000, 10, 10, 10, 10])
    with pytest.raises(SourceUnreachableError) as caught:
        await download(Part(url, "m.gguf"), tmp_path / "m")
    assert caught.value.retryable
    assert "was tried 3 times" in caught.value.message
    assert "go on from there" in caught.value.hint
    # What the client had not handed over when the connection fell is fetched again: at most about half a megabyte.
    assert 900_000 < len((tmp_path / "m").read_bytes()) <= 1_500_020


@pytest.mark.parametrize("sha256", [None, SHA256])
async def test_a_later_run_asks_only_for_the_rest(server: FileServer, tmp_path: Path, sha256: str | None) -> None:
    part = Part(server.put("/m.gguf", DATA), "m.gguf", sha256=sha256)
    kept_bytes = await half(server, part, tmp_path / "m")
    progress = Recorder()
    assert await download(part, tmp_path / "m", progress) == Fetched(SHA256, len(DATA), resumed=True)
    tag = server.files["/m.gguf"].tag
    assert [(asked.range, asked.if_range) for asked in server.log] == [(f"bytes={kept_bytes}-", tag)]
    assert progress.notes == [f"m.gguf: going on after {kept_bytes:,} bytes."]
    assert progress.done["m.gguf"] == len(DATA)


async def test_what_is_there_already_is_not_asked_for_again(server: FileServer, tmp_path: Path) -> None:
    part = Part(server.put("/m.gguf", DATA), "m.gguf")
    await download(part, tmp_path / "m")
    server.log.clear()
    progress = Recorder()
    assert (await download(part, tmp_path / "m", progress)).sha256 == SHA256
    assert (server.log, progress.notes) == ([], [])


async def test_a_file_that_changed_at_its_source_is_started_again_and_said_so(
    server: FileServer, tmp_path: Path
) -> None:
    part = Part(server.put("/m.gguf", DATA), "m.gguf")
    await half(server, part, tmp_path / "m")
    server.put("/m.gguf", other := DATA[::-1])
    progress = Recorder()
    found = await download(part, tmp_path / "m", progress)
    assert found == Fetched(hashlib.sha256(other).hexdigest(), len(other))
    assert "m.gguf has changed at its source: starting again." in progress.notes
    assert progress.done["m.gguf"] == len(other)


async def test_a_server_without_ranges_is_started_again_and_said_so(server: FileServer, tmp_path: Path) -> None:
    part = Part(server.put("/m.gguf", DATA, ranges=False), "m.gguf")
    await half(server, part, tmp_path / "m")
    progress = Recorder()
    assert (await download(part, tmp_path / "m", progress)).sha256 == SHA256
    assert "m.gguf cannot be resumed by its server: starting again." in progress.notes


async def test_without_any_validator_a_part_without_a_hash_is_not_resumed(server: FileServer, tmp_path: Path) -> None:
    part = Part(server.put("/m.gguf", DATA, etag=None), "m.gguf")
    await half(server, part, tmp_path / "m")
    assert (await download(part, tmp_path / "m")).sha256 == SHA256
    assert server.ranges("/m.gguf") == [None]


async def test_a_weak_etag_is_never_a_condition_and_the_date_is(server: FileServer, tmp_path: Path) -> None:
    date = "Mon, 02 Mar 2026 10:00:00 GMT"
    part = Part(server.put("/m.gguf", DATA, etag='W/"1"', last_modified=date), "m.gguf")
    await half(server, part, tmp_path / "m")
    assert (await download(part, tmp_path / "m")).sha256 == SHA256
    assert [asked.if_range for asked in server.log] == [date]


async def test_a_journal_that_is_damaged_starts_again(server: FileServer, tmp_path: Path) -> None:
    part = Part(server.put("/m.gguf", DATA), "m.gguf")
    await half(server, part, tmp_path / "m")
    journal_path(tmp_path / "m").write_text("{")
    assert await download(part, tmp_path / "m") == Fetched(SHA256, len(DATA))


async def test_bytes_that_were_never_synced_are_not_trusted_without_a_hash(server: FileServer, tmp_path: Path) -> None:
    part = Part(server.put("/m.gguf", DATA), "m.gguf")
    await half(server, part, tmp_path / "m")
    path = journal_path(tmp_path / "m")
    path.write_text(json.dumps({**json.loads(path.read_text()), "synced_bytes": 1_000_000}))
    assert (await download(part, tmp_path / "m")).sha256 == SHA256
    assert server.ranges("/m.gguf") == ["bytes=1000000-"]


async def test_more_bytes_than_the_server_has_start_again(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/m.gguf", DATA)
    part = Part(url, "m.gguf", sha256=SHA256)
    (tmp_path / "m").write_bytes(DATA + b"more")
    Journal(url, server.files["/m.gguf"].tag).write(journal_path(tmp_path / "m"))
    assert (await download(part, tmp_path / "m")).sha256 == SHA256
    assert [asked.status for asked in server.log] == [416, 200]


async def test_a_busy_server_is_asked_again_after_the_time_it_named(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/m.gguf", DATA, statuses=[503, 429], retry_after="0")
    progress = Recorder()
    assert (await download(Part(url, "m.gguf"), tmp_path / "m", progress)).sha256 == SHA256
    assert [asked.status for asked in server.log] == [503, 429, 200]
    assert "503 Service Unavailable; trying again in 0.0 s" in progress.notes[0]


async def test_the_longest_wait_bounds_what_a_server_may_ask_for(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/m.gguf", DATA, statuses=[503], retry_after="86400")
    progress = Recorder()
    assert (await download(Part(url, "m.gguf"), tmp_path / "m", progress)).sha256 == SHA256
    assert "trying again in 0.0 s" in progress.notes[0]


@pytest.mark.parametrize(("status", "error"), [(404, SourceError), (403, GatedError), (401, GatedError)])
async def test_a_refusal_is_told_once_with_its_status_and_not_repeated(
    server: FileServer, tmp_path: Path, status: int, error: type[FreeholdError]
) -> None:
    url = server.put("/m.gguf", DATA, statuses=[status])
    with pytest.raises(error, match=f"/m.gguf answers {status}") as caught:
        await download(Part(url, "m.gguf"), tmp_path / "m")
    assert caught.value.hint
    assert len(server.log) == 1


async def test_a_size_other_than_the_named_one_is_refused_before_any_byte(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/m.gguf", DATA)
    with pytest.raises(SourceError, match=r"3,000,000 bytes at its server; its source named 3,000,001"):
        await download(Part(url, "m.gguf", size_bytes=3_000_001), tmp_path / "m")


async def test_a_stream_longer_than_the_named_size_is_stopped(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/m.gguf", DATA, chunked=True)
    with pytest.raises(SourceError, match="longer at its server"):
        await download(Part(url, "m.gguf", size_bytes=1_000_000), tmp_path / "m")
    assert len((tmp_path / "m").read_bytes()) <= 1_000_000


async def test_a_stream_of_unknown_length_is_taken_whole(server: FileServer, tmp_path: Path) -> None:
    progress = Recorder()
    url = server.put("/m.gguf", DATA, chunked=True)
    assert (await download(Part(url, "m.gguf"), tmp_path / "m", progress)).sha256 == SHA256
    assert progress.totals == {"m.gguf": None}


async def test_a_file_larger_than_the_disk_is_refused_with_both_figures(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/m.gguf", _Huge(DATA))
    with pytest.raises(NoSpaceError) as caught:
        await download(Part(url, "m.gguf"), tmp_path / "m")
    assert caught.value.data["needed_bytes"] > 2**59 > caught.value.data["free_bytes"] > 0


class _Huge(bytes):
    """Bytes that say they are more than any disk holds."""

    def __len__(self) -> int:
        return 2**59


async def test_compressed_content_is_refused_since_its_hash_would_be_another(
    server: FileServer, tmp_path: Path
) -> None:
    url = server.put("/m.gguf", DATA, extra={"Content-Encoding": "gzip"})
    with pytest.raises(SourceError, match="compressed"):
        await download(Part(url, "m.gguf"), tmp_path / "m")


async def test_a_token_is_sent_to_its_own_host_and_not_along_a_redirect(server: FileServer, tmp_path: Path) -> None:
    with file_server() as other:
        target = other.put("/real", DATA)
        url = server.put("/m.gguf", b"", redirect=target)
        part = Part(url, "m.gguf", headers={"Authorization": "Bearer secret"})
        assert "secret" not in repr(part)
        assert (await download(part, tmp_path / "m")).sha256 == SHA256
        assert [asked.authorization for asked in server.log] == ["Bearer secret"]
        assert [asked.authorization for asked in other.log] == [None]


async def test_a_redirect_within_one_host_keeps_the_token(server: FileServer, tmp_path: Path) -> None:
    server.put("/real", DATA)
    url = server.put("/m.gguf", b"", redirect="/real")
    part = Part(url, "m.gguf", headers={"Authorization": "Bearer secret"})
    assert (await download(part, tmp_path / "m")).sha256 == SHA256
    assert server.asked("/real")[0].authorization == "Bearer secret"


async def test_redirects_without_end_and_to_other_schemes_are_refused(server: FileServer, tmp_path: Path) -> None:
    loop = server.put("/loop", b"", redirect="/loop")
    with pytest.raises(SourceError, match="more than 10 times"):
        await download(Part(loop, "m.gguf"), tmp_path / "m")
    for target in ("file:///etc/passwd", "http://example.com/m.gguf"):
        url = server.put("/away", b"", redirect=target)
        with pytest.raises(SourceError, match="which is not https"):
            await download(Part(url, "m.gguf"), tmp_path / "m")


async def test_a_redirect_to_what_is_no_address_is_refused(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/m.gguf", b"", redirect="http://[::bad/")
    with pytest.raises(SourceError, match="redirects to what is no address"):
        await download(Part(url, "m.gguf"), tmp_path / "m")


async def test_nobody_listening_is_unreachable_after_the_attempts(tmp_path: Path) -> None:
    with file_server() as gone:
        url = gone.url
    with pytest.raises(SourceUnreachableError, match="tried 3 times") as caught:
        await download(Part(f"{url}/m.gguf", "m.gguf"), tmp_path / "m")
    assert caught.value.hint.startswith("Nothing arrived.")
    assert "nothing listens there: connection refused" in caught.value.message
    assert "ssl" not in caught.value.message


async def test_no_message_shows_the_query_of_an_address(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await download(Part(f"{server.url}/m.gguf?token=secret", "m.gguf"), tmp_path / "m")
    assert "secret" not in str(caught.value)


async def test_a_full_disk_is_said_and_the_part_is_kept(server: FileServer, tmp_path: Path) -> None:
    url = server.put("/m.gguf", DATA)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StoreError, match="is full") as caught:
            await download(Part(url, "m.gguf", sha256=SHA256), tmp_path / "m")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "freehold rm" in caught.value.hint
    assert len((tmp_path / "m").read_bytes()) == 1_000_000
    assert await download(Part(url, "m.gguf", sha256=SHA256), tmp_path / "m") == Fetched(SHA256, len(DATA), True)
    assert server.ranges("/m.gguf") == [None, "bytes=1000000-"]


async def test_a_download_that_is_cancelled_can_be_taken_up(server: FileServer, tmp_path: Path) -> None:
    part = Part(server.put("/m.gguf", DATA, stop_at=1_600_000), "m.gguf", sha256=SHA256)
    arrived = asyncio.Event()

    class Watching(Recorder):
        def advance(self, task: str, nbytes: int) -> None:
            super().advance(task, nbytes)
            if self.done[task] >= 1_200_000:
                arrived.set()

    task = asyncio.create_task(download(part, tmp_path / "m", Watching()))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.files["/m.gguf"].go.set()
    assert (await download(part, tmp_path / "m")).resumed
    assert (tmp_path / "m").read_bytes() == DATA


async def test_a_proxy_of_the_environment_is_used(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://weights.invalid/m.gguf"
    server.put(url, DATA)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert (await download(Part(url, "m.gguf"), tmp_path / "m")).sha256 == SHA256
    assert [asked.path for asked in server.log] == [url]


def certificate(folder: Path) -> Path:
    """A file with the key and certificate of an authority of its own, for 127.0.0.1."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl program to make a certificate with")
    path = folder / "tls.pem"
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(folder / "crt.pem")]
    subprocess.run([openssl, *request.split(), *names], check=True, capture_output=True)
    path.write_text(path.read_text() + (folder / "crt.pem").read_text())
    return path


async def test_a_certificate_nobody_trusts_is_refused_once_and_a_source_may_bring_its_authority(tmp_path: Path) -> None:
    pem = await asyncio.to_thread(certificate, tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    with file_server(serving) as server:
        part = Part(server.put("/m.gguf", DATA), "m.gguf")
        with pytest.raises(SourceUnreachableError, match="is not trusted") as caught:
            await download(part, tmp_path / "m")
        assert "SSL_CERT_FILE" in caught.value.hint
        assert server.log == []
        async with transfer.open_session(ssl.create_default_context(cafile=pem)) as session:
            found = await fetch(part, tmp_path / "m", progress=Recorder(), session=session, patience=IMPATIENT)
        assert found.sha256 == SHA256


async def test_a_file_address_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "a b.gguf"
    source.write_bytes(DATA)
    assert await download(Part(source.as_uri(), "m.gguf"), tmp_path / "m") == Fetched(SHA256, len(DATA))
    with pytest.raises(SourceError, match="cannot be read"):
        await download(Part((tmp_path / "none").as_uri(), "m.gguf"), tmp_path / "m")


def _kinds(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)


def test_every_error_of_the_library_has_a_meaning_of_its_own_or_of_a_kind_below_the_root() -> None:
    final = {"ContentTypeError", "WSServerHandshakeError", "TooManyRedirects", "UploadAbortedError"}
    final |= {"NonHttpUrlClientError", "NonHttpUrlRedirectClientError", "RedirectClientError"}
    own = [kind for kind in _kinds(aiohttp.ClientError) if kind.__module__.startswith("aiohttp")]
    assert len(own) >= 20
    unmapped = {
        kind
        for kind in own
        if next(each for each in kind.__mro__ if each in transfer.OUTCOMES) is aiohttp.ClientError
        and kind.__name__ not in final
    }
    assert unmapped == set()
