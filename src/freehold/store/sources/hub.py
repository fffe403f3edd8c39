"""The `hf:` source: GGUF builds in a repository of a hub that speaks the Hugging Face API.

huggingface_hub is asked for metadata only; bytes go through our downloader. The revision is pinned to its commit, so
the plan means the same files for ever. The token is the one in HubSettings (HF_TOKEN, or the file HF_TOKEN_FILE
names) and no other: tokens that the library's own login left on disk are not read. It is sent to the hub's origin
alone, never to the storage it redirects to. Nothing about this machine is sent along. Safetensors repositories,
projectors and adapters are not planned.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from freehold.core.errors import NotFoundError, SourceError
from freehold.core.names import nearest
from freehold.core.refs import LOOPBACK_HOSTS, HubRef, SourceRef
from freehold.core.settings import HubSettings
from freehold.store import license_texts
from freehold.store.plan import Part, Plan, PlannedFile
from freehold.store.sources import gguf_names, hub_errors

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo, RepoFile

TIMEOUT_S = 30.0
MAX_FILES = 20_000


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the repository. `sha256` is None for files that are not in large file storage."""

    path: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class _Repository:
    """A repository at one commit."""

    commit: str
    files: Mapping[str, _File]
    facts: Mapping[str, str]


class HubSource:
    """Plans `hf:` references at the hub that `settings` names."""

    def __init__(self, settings: HubSettings) -> None:
        self._settings = settings

    async def plan(self, ref: SourceRef) -> Plan:
        """Without a tag, takes the first of `gguf_names.PREFERRED` that is there; provenance names the others.

        Raises NotFoundError (repository, revision or build, with the nearest), GatedError, SourceUnreachableError,
        SourceError.
        """
        assert isinstance(ref, HubRef), f"{ref} is not a hub reference"
        if self._settings.offline:
            raise hub_errors.offline(ref, self._settings.endpoint, self._has_token)
        self._refuse_open_token()
        repository = await asyncio.to_thread(self._ask, ref)
        found = gguf_names.builds(repository.files)
        build = _choose(found, ref, repository)
        tag = ref.tag or (build.label if len(found) > 1 else None)
        others = sorted(other.label for other in found if other is not build)
        return Plan(
            origin=str(HubRef(ref.repository, repository.commit, tag)),
            files=tuple(self._planned(ref, repository.commit, repository.files[path]) for path in build.files),
            provenance={
                "source": "hf",
                "endpoint": self._settings.endpoint,
                "repository": ref.repository,
                "commit": repository.commit,
                **repository.facts,
                **({"other_builds": ", ".join(others)} if others else {}),
            },
            suggested_name=gguf_names.suggested_name(build.files[0]),
            papers=tuple(self._texts(ref, repository)),
        )

    def _texts(self, ref: HubRef, repository: _Repository) -> Iterator[Part]:
        """The license texts at the top of the repository, as it has them at this commit."""
        found = [path for path in repository.files if "/" not in path and license_texts.is_text(path)]
        for path in license_texts.chosen(found):
            if repository.files[path].size_bytes <= license_texts.MAX_TEXT_BYTES:
                yield self._part(ref, repository.commit, repository.files[path])

    @property
    def _has_token(self) -> bool:
        return self._settings.token is not None

    def _refuse_open_token(self) -> None:
        parts = urlsplit(self._settings.endpoint)
        if self._has_token and parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
            raise SourceError(
                f"HF_TOKEN would go to {self._settings.endpoint} in the clear.",
                hint="Give HF_ENDPOINT an https address, or unset HF_TOKEN.",
            )

    def _ask(self, ref: HubRef) -> _Repository:
        """Runs in a thread: the library blocks."""
        from huggingface_hub import HfApi

        token = self._settings.token
        api = HfApi(
            endpoint=self._settings.endpoint,
            token=token.reveal() if token else False,
            headers={"user-agent": "freehold"},  # the library's own would list this machine's software
        )
        try:
            return _read(api, ref)
        except (json.JSONDecodeError, _NotAHubError) as error:
            raise SourceError(
                f"{self._settings.endpoint} does not answer as a hub does, asked for {ref.repository}: {error}.",
                hint="HF_ENDPOINT must name the address before /api and /ORG/REPO.",
            ) from error
        except Exception as error:  # the library has no one root class; what is not its own is raised again
            ours = hub_errors.translated(error, ref, self._settings.endpoint, has_token=self._has_token)
            if ours is None:
                raise
            raise ours from error

    def _planned(self, ref: HubRef, commit: str, file: _File) -> PlannedFile:
        part = self._part(ref, commit, file)
        return PlannedFile(part.name, (part,), file.sha256, file.size_bytes)

    def _part(self, ref: HubRef, commit: str, file: _File) -> Part:
        token = self._settings.token
        return Part(
            url=f"{self._settings.endpoint}/{ref.repository}/resolve/{commit}/{quote(file.path)}",
            name=PurePosixPath(file.path).name,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            headers={"Authorization": f"Bearer {token.reveal()}"} if token else {},
        )


class _NotAHubError(Exception):
    """The answer is JSON, but none of the hub's."""


def _read(api: HfApi, ref: HubRef) -> _Repository:
    from huggingface_hub.hf_api import RepoFile

    try:
        info = api.model_info(ref.repository, revision=ref.revision, timeout=TIMEOUT_S)
    except (KeyError, TypeError) as error:
        raise _NotAHubError("what it says of the repository has another shape") from error
    if not info.sha:
        raise _NotAHubError("it names no commit")
    if info.gated:
        # The list of files is open even where the files are not: ask now rather than fail at the first byte.
        api.auth_check(ref.repository)
    files: dict[str, _File] = {}
    for entry in api.list_repo_tree(ref.repository, recursive=True, revision=info.sha):
        if isinstance(entry, RepoFile):
            files[entry.path] = _file(entry)
        if len(files) > MAX_FILES:
            raise _NotAHubError(f"it lists more than {MAX_FILES:,} files")
    return _Repository(info.sha, files, _facts(info))


def _file(entry: RepoFile) -> _File:
    if entry.lfs is None:
        return _File(entry.path, entry.size, None)
    return _File(entry.path, entry.lfs.size, entry.lfs.sha256)


def _facts(info: ModelInfo) -> dict[str, str]:
    card = info.card_data
    named = getattr(card, "license", None)
    base = getattr(card, "base_model", None)
    facts = {
        "license": getattr(card, "license_name", None) if named == "other" else named,
        "license_link": getattr(card, "license_link", None),
        "base_model": ", ".join(map(str, base)) if isinstance(base, list) else base,
        "gated": info.gated or None,
    }
    return {key: str(value) for key, value in facts.items() if value}


def _choose(found: Sequence[gguf_names.Build], ref: HubRef, repository: _Repository) -> gguf_names.Build:
    if not found:
        raise _no_builds(ref, repository)
    chosen = _tagged(found, ref) if ref.tag else gguf_names.preferred(found)
    if chosen is None:
        raise SourceError(
            f"{ref.repository} has {len(found)} builds and none that is taken unasked: {_named(found)}.",
            hint=f"Name one: `freehold pull hf:{ref.repository}:{_name(found, found[0])}`.",
        )
    if chosen.missing:
        raise SourceError(
            f"{ref.repository} lacks {len(chosen.missing)} of the {len(chosen.files)} pieces of {chosen.label}: "
            f"{', '.join(chosen.missing[:5])}.",
            hint=f"The repository is incomplete at {repository.commit[:12]}; try another revision or build.",
            missing=chosen.missing,
        )
    return chosen


def _tagged(found: Sequence[gguf_names.Build], ref: HubRef) -> gguf_names.Build:
    assert ref.tag is not None
    matches = gguf_names.matching(found, ref.tag)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise SourceError(
            f"{ref.repository} has {len(matches)} builds that {ref.tag} may mean: {_named(matches)}.",
            hint="Name one by its file, without .gguf.",
        )
    names = {_name(found, build).lower(): _name(found, build) for build in found}
    near = tuple(names[name] for name in nearest(ref.tag, names)) or tuple(names.values())[:3]
    raise NotFoundError(
        "build", str(ref), nearest=near, hint=f"{ref.repository} has: {', '.join(sorted(names.values()))}."
    )


def _name(found: Sequence[gguf_names.Build], build: gguf_names.Build) -> str:
    """How a reference names `build`: by its label where that is enough, else by its file."""
    alone = sum(other.label.lower() == build.label.lower() for other in found) == 1
    return build.label if alone else PurePosixPath(build.stem).name


def _named(found: Sequence[gguf_names.Build]) -> str:
    return ", ".join(_name(found, build) for build in found[:20]) + (", …" if len(found) > 20 else "")


def _no_builds(ref: HubRef, repository: _Repository) -> SourceError:
    kinds = sorted({PurePosixPath(path).suffix for path in repository.files} - {""})
    return SourceError(
        f"{ref.repository} has no GGUF file; it has {len(repository.files)} files ({', '.join(kinds[:8])}).",
        hint="Look for a repository of the same model with GGUF in its name.",
    )
