from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import ServerDisconnectedError, web

from freehold.core.errors import WorkerLostError
from freehold.core.ports import Capabilities, Upstream
from freehold.gateway.upstream import UpstreamClient, unreachable


async def test_the_key_of_a_remote_endpoint_is_sent_also_where_netrc_knows_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["authorization"])
        return web.json_response({"data": []})

    app = web.Application()
    app.router.add_post("/v1/embeddings", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    headers = {"authorization": "Bearer the-key"}
    client = UpstreamClient(Upstream("remote", f"http://127.0.0.1:{port}/v1", "m", Capabilities(), headers=headers))
    try:
        assert await client.call("/embeddings", {"input": "x"}) == {"data": []}
    finally:
        await client.close()
        await runner.cleanup()
    assert seen == ["Bearer the-key"]


def test_a_worker_that_went_away_is_told_in_words_and_not_by_a_class_name(tmp_path: Path) -> None:
    local = Upstream("llama", "http://worker/v1", "m", Capabilities(), socket_path=str(tmp_path / "s"))
    error = unreachable(local, ServerDisconnectedError())
    assert isinstance(error, WorkerLostError)
    assert error.message == "The worker of m did not answer (the connection was closed before an answer came)."
