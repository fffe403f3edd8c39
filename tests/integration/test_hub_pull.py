"""From a hub to a build that is there, and what was sent to whom on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild
from freehold.core.errors import GatedError
from freehold.core.progress import Silent
from freehold.core.refs import SourceKind, parse
from freehold.core.settings import HubSettings, Secret
from freehold.store.plan import Source
from freehold.store.pull import pull
from freehold.store.sources.hub import HubSource
from freehold.store.store import Store
from tests.servers.hub import COMMIT, Hub, serve
from tests.servers.tiny_gguf import tiny_gguf, tiny_split

REPOSITORY = "org/Tiny-GGUF"
FILES = {"Tiny-Q4_K_M.gguf": tiny_gguf("medium", rows=4000), "Tiny-Q8_0.gguf": tiny_gguf("large")}


async def pulled(home: Path, hub: Hub, ref: str, token: str | None = None) -> HeldBuild:
    settings = HubSettings(hub.url, Secret(token) if token else None)
    sources: dict[SourceKind, Source] = {"hf": HubSource(settings)}
    return await pull(parse(ref), store=Store(home), catalog=Catalog.load(), sources=sources, progress=Silent())


def everything_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_a_repositorys_build_becomes_a_held_build_under_its_pinned_origin(home: Path) -> None:
    async with serve(REPOSITORY, FILES) as hub:
        build = await pulled(home, hub, f"hf:{REPOSITORY}")
    assert build.name == "tiny:q4_k_m"
    assert build.files[0].read_bytes() == FILES["Tiny-Q4_K_M.gguf"]
    assert Store(home).find(parse(f"hf:{REPOSITORY}@{COMMIT}:Q4_K_M")).digest == build.digest


async def test_the_token_reaches_the_hub_and_never_the_storage_it_redirects_to(home: Path) -> None:
    async with serve(REPOSITORY, FILES, gated="auto", token="hf_known") as hub:
        build = await pulled(home, hub, f"hf:{REPOSITORY}:Q8_0", token="hf_known")
        assert {request.headers.get("Authorization") for request in hub.requests} == {"Bearer hf_known"}
        assert [request.headers.get("Authorization") for request in hub.storage_requests] == [None]
    assert build.files[0].read_bytes() == FILES["Tiny-Q8_0.gguf"]
    kept = everything_in(home)
    assert FILES["Tiny-Q8_0.gguf"] in kept
    assert not any(b"hf_known" in data for data in kept)


async def test_the_token_goes_before_a_login_that_netrc_has_for_the_hub(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login git password elsewhere\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    async with serve(REPOSITORY, FILES, gated="auto", token="hf_known") as hub:
        await pulled(home, hub, f"hf:{REPOSITORY}:Q8_0", token="hf_known")
        assert {request.headers.get("Authorization") for request in hub.requests} == {"Bearer hf_known"}


async def test_a_gated_repository_leaves_nothing_behind(home: Path) -> None:
    async with serve(REPOSITORY, FILES, gated="manual") as hub:
        with pytest.raises(GatedError, match="gated"):
            await pulled(home, hub, f"hf:{REPOSITORY}")
        assert hub.storage_requests == []
    assert Store(home).builds() == ()


async def test_a_split_build_is_held_whole(home: Path) -> None:
    pieces = {f"Tiny-Q8_0-0000{n}-of-00002.gguf": data for n, data in enumerate(tiny_split(2), 1)}
    async with serve(REPOSITORY, pieces) as hub:
        build = await pulled(home, hub, f"hf:{REPOSITORY}")
    assert [file.read_bytes() for file in build.files] == list(pieces.values())
    assert build.size_bytes == sum(map(len, pieces.values()))
