"""Plans for repositories on a hub, asked through huggingface_hub of a server that speaks its API."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping

import pytest

from freehold.core.errors import FreeholdError, GatedError, NotFoundError, SourceError, SourceUnreachableError
from freehold.core.refs import HubRef, parse
from freehold.core.settings import HubSettings, Secret
from freehold.store.plan import Plan
from freehold.store.sources import hub_errors
from freehold.store.sources.hub import HubSource
from tests.servers.hub import COMMIT, Hub, serve
from tests.servers.tiny_gguf import tiny_gguf

REPOSITORY = "org/Tiny-GGUF"
TOKEN = "hf_known"  # a token of the server in these tests
FILES = {f"Tiny-{label}.gguf": tiny_gguf(label) for label in ("Q4_K_M", "Q4_K_M_L", "Q8_0", "F16")} | {
    "README.md": b"x"
}


def source(hub: Hub, token: str | None = None, *, offline: bool = False) -> HubSource:
    return HubSource(HubSettings(hub.url, Secret(token) if token else None, offline))


async def planned(hub: Hub, ref: str = f"hf:{REPOSITORY}", token: str | None = None) -> Plan:
    parsed = parse(ref)
    assert isinstance(parsed, HubRef)
    return await source(hub, token).plan(parsed)


async def refusal(hub: Hub, ref: str = f"hf:{REPOSITORY}", token: str | None = None) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        await planned(hub, ref, token)
    return caught.value


async def test_a_plan_is_pinned_to_the_commit_and_names_hash_and_size() -> None:
    card = {"license": "apache-2.0", "base_model": "org/Tiny"}
    async with serve(REPOSITORY, FILES, card=card) as hub:
        plan = await planned(hub, f"hf:{REPOSITORY}:q8_0")
        assert plan.origin == f"hf:{REPOSITORY}@{COMMIT}:q8_0"
        assert plan.suggested_name == "tiny:q8_0"
        (file,) = plan.files
        (part,) = file.parts
        assert part.url == f"{hub.url}/{REPOSITORY}/resolve/{COMMIT}/Tiny-Q8_0.gguf"
        data = FILES["Tiny-Q8_0.gguf"]
        digest = hashlib.sha256(data).hexdigest()
        assert (file.sha256, part.sha256, file.size_bytes, part.size_bytes) == (digest, digest, len(data), len(data))
        assert plan.provenance == {
            "source": "hf",
            "endpoint": hub.url,
            "repository": REPOSITORY,
            "commit": COMMIT,
            "license": "apache-2.0",
            "base_model": "org/Tiny",
            "other_builds": "F16, Q4_K_M, Q4_K_M_L",
        }


async def test_a_pinned_plan_asked_again_is_the_same_plan() -> None:
    async with serve(REPOSITORY, FILES) as hub:
        first = await planned(hub)
        assert first.origin == f"hf:{REPOSITORY}@{COMMIT}:Q4_K_M"
        assert await planned(hub, first.origin) == first


async def test_every_page_of_a_long_tree_is_read() -> None:
    async with serve(REPOSITORY, FILES, page_size=1) as hub:
        assert (await planned(hub)).files[0].name == "Tiny-Q4_K_M.gguf"


async def test_an_unknown_tag_is_answered_with_the_nearest_and_with_all() -> None:
    async with serve(REPOSITORY, FILES) as hub:
        error = await refusal(hub, f"hf:{REPOSITORY}:Q4_K_S")
        assert isinstance(error, NotFoundError)
        assert error.nearest[0].startswith("Q4_K_M")
        assert error.hint == f"{REPOSITORY} has: F16, Q4_K_M, Q4_K_M_L, Q8_0."


async def test_a_split_build_is_several_files_in_order() -> None:
    pieces = {f"Q8_0/T-Q8_0-0000{n}-of-00003.gguf": tiny_gguf(str(n)) for n in (2, 3, 1)}
    async with serve(REPOSITORY, pieces) as hub:
        plan = await planned(hub)
        assert [file.name for file in plan.files] == [f"T-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
        assert plan.files[1].parts[0].url.endswith("/Q8_0/T-Q8_0-00002-of-00003.gguf")


async def test_a_missing_piece_of_a_split_build_is_named() -> None:
    pieces = {f"T-Q8_0-0000{n}-of-00003.gguf": tiny_gguf(str(n)) for n in (1, 3)}
    async with serve(REPOSITORY, pieces) as hub:
        assert "T-Q8_0-00002-of-00003.gguf" in (await refusal(hub)).message


async def test_a_file_outside_large_file_storage_has_no_known_hash() -> None:
    async with serve(REPOSITORY, {"t-Q4_0.gguf": tiny_gguf()}, lfs=False) as hub:
        (file,) = (await planned(hub)).files
        assert (file.sha256, file.size_bytes) == (None, len(tiny_gguf()))


async def test_a_repository_without_weights_says_what_it_has() -> None:
    async with serve(REPOSITORY, {"model.safetensors": b"x", "README.md": b"x"}) as hub:
        message = (await refusal(hub)).message
        assert "no GGUF file" in message
        assert ".md, .safetensors" in message


async def test_two_models_in_one_repository_are_named_by_their_files() -> None:
    files = {"a-Q4_K_M.gguf": tiny_gguf("a"), "b-Q4_K_M.gguf": tiny_gguf("b")}
    async with serve(REPOSITORY, files) as hub:
        error = await refusal(hub)
        assert "a-Q4_K_M, b-Q4_K_M" in error.message
        assert "freehold pull hf:org/Tiny-GGUF:a-Q4_K_M" in error.hint
        assert "may mean" in (await refusal(hub, f"hf:{REPOSITORY}:Q4_K_M")).message
        assert (await planned(hub, f"hf:{REPOSITORY}:b-Q4_K_M")).files[0].name == "b-Q4_K_M.gguf"


async def test_a_gated_repository_says_how_to_get_in() -> None:
    async with serve(REPOSITORY, FILES, gated="manual", token=TOKEN, granted=False) as hub:
        without = await refusal(hub)
        assert isinstance(without, GatedError)
        assert f"{hub.url}/{REPOSITORY}" in without.hint
        assert "HF_TOKEN" in without.hint
        denied = await refusal(hub, token=TOKEN)
        assert isinstance(denied, GatedError)
        assert "has no access" in denied.message
        hub.granted = True
        assert (await planned(hub, token=TOKEN)).provenance["gated"] == "manual"


async def test_a_token_that_the_hub_does_not_know_is_told_apart() -> None:
    async with serve(REPOSITORY, FILES, token=TOKEN) as hub:
        error = await refusal(hub, token="hf_stale")
        assert isinstance(error, GatedError)
        assert "refuses the token" in error.message
        assert "hf_stale" not in str(error)


async def test_the_token_is_sent_to_the_hub_and_shown_nowhere() -> None:
    async with serve(REPOSITORY, FILES, token=TOKEN) as hub:
        plan = await planned(hub, token=TOKEN)
        assert TOKEN not in repr(plan)
        assert plan.files[0].parts[0].headers == {"Authorization": f"Bearer {TOKEN}"}
        assert {request.headers.get("Authorization") for request in hub.requests} == {f"Bearer {TOKEN}"}


async def test_no_token_that_lies_on_disk_is_sent_and_nothing_of_this_machine(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")
    async with serve(REPOSITORY, FILES) as hub:
        await planned(hub)
        assert {request.headers.get("Authorization") for request in hub.requests} == {None}
        assert {request.headers["User-Agent"] for request in hub.requests} == {"freehold"}


async def test_a_token_is_not_sent_in_the_clear() -> None:
    settings = HubSettings("http://hub.invalid", Secret(TOKEN))
    with pytest.raises(SourceError, match="in the clear"):
        await HubSource(settings).plan(HubRef(REPOSITORY))


async def test_a_missing_repository_and_a_missing_revision_are_told_apart() -> None:
    async with serve(REPOSITORY, FILES) as hub:
        missing = await refusal(hub, "hf:org/other")
        assert isinstance(missing, NotFoundError)
        assert (missing.kind, missing.name) == ("repository", "org/other")
        revision = await refusal(hub, f"hf:{REPOSITORY}@v9")
        assert isinstance(revision, NotFoundError)
        assert (revision.kind, revision.name) == ("revision", f"{REPOSITORY}@v9")


@pytest.mark.parametrize(("status", "says"), [(429, "in 7 s"), (500, "HF_ENDPOINT"), (503, "later")])
async def test_a_hub_in_trouble_may_be_asked_again(status: int, says: str) -> None:
    async with serve(REPOSITORY, FILES, status=status) as hub:
        error = await refusal(hub)
        assert isinstance(error, SourceUnreachableError)
        assert error.retryable
        assert f"answers {status}" in error.message
        assert says in error.hint


async def test_a_hub_that_is_not_there_is_named() -> None:
    async with serve(REPOSITORY, FILES) as hub:
        pass
    error = await refusal(hub)
    assert isinstance(error, SourceUnreachableError)
    assert hub.url in error.message


@pytest.mark.parametrize("text", ["<html>", "[]", "{}"])
async def test_an_address_that_is_no_hub_is_named(text: str) -> None:
    async with serve(REPOSITORY, FILES, nonsense=text) as hub:
        error = await refusal(hub)
        assert type(error) is SourceError
        assert "does not answer as a hub does" in error.message


async def test_offline_asks_nobody_and_says_what_still_works() -> None:
    async with serve(REPOSITORY, FILES) as hub:
        with pytest.raises(SourceError, match="HF_HUB_OFFLINE") as caught:
            await source(hub, offline=True).plan(HubRef(REPOSITORY))
        assert "freehold list" in caught.value.hint
        assert hub.requests == []


def errors_of(module: object) -> Mapping[str, type[Exception]]:
    members = inspect.getmembers(module, lambda item: inspect.isclass(item) and issubclass(item, Exception))
    return {name: kind for name, kind in members if kind.__module__ == getattr(module, "__name__", "")}


def test_every_error_of_the_hubs_library_has_a_meaning() -> None:
    import huggingface_hub.errors

    known = errors_of(huggingface_hub.errors)
    assert len(known) > 40
    assert set(known) == set(hub_errors.MEANINGS)


def test_every_error_of_the_transport_under_it_has_a_meaning() -> None:
    from huggingface_hub.errors import HfHubHTTPError

    root = HfHubHTTPError.__bases__[0]
    below: list[type[Exception]] = [root]
    for kind in below:
        below += kind.__subclasses__()
    transport = [kind for kind in below if kind.__module__.startswith("httpx")]
    assert len(transport) > 15
    blank = (kind.__new__(kind) for kind in transport)
    assert {hub_errors.meaning(error) for error in blank} <= {"silent", "refused"}
    assert hub_errors.meaning(ValueError()) is None
