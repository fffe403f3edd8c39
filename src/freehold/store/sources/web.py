"""A weight file at a web address. No metadata is asked for: the downloader learns size and state from the answer.

A name and password in the address are sent to its host alone and written nowhere.
"""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit

from freehold.core.errors import CallError, SourceError
from freehold.core.refs import SourceRef, WebRef
from freehold.store.naming import is_file_name, public_url, split_names
from freehold.store.plan import Part, Plan, PlannedFile


class WebSource:
    """`https:` references. A split GGUF (`-00001-of-00003`) is planned with all its files."""

    async def plan(self, ref: SourceRef) -> Plan:
        """Raises SourceError where the address ends in no file name, CallError for one hash on several files."""
        assert isinstance(ref, WebRef), f"{ref} is no web reference"
        url = public_url(ref.url)
        last = urlsplit(url).path.rpartition("/")[2]
        names = split_names(unquote(last))
        if not is_file_name(names[0]):
            raise SourceError(
                f"{url} does not end in the name of a file.", hint="Give the address of the .gguf itself."
            )
        if ref.sha256 and len(names) > 1:
            raise CallError(
                f"{url} is one of {len(names)} files and #sha256= names one hash.",
                hint="Leave out the #sha256=: the hashes are recorded as unverified.",
            )
        addresses = [_beside(url, last, name) for name in names] if len(names) > 1 else [url]
        return Plan(
            origin=str(WebRef(url, ref.sha256)),
            files=tuple(
                PlannedFile(name, (Part(address, name, sha256=ref.sha256, headers=_login(ref.url)),), ref.sha256)
                for name, address in zip(names, addresses, strict=True)
            ),
            provenance={"url": url},
        )


def _beside(url: str, last: str, name: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path=parts.path.removesuffix(last) + name).geturl()


def _login(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
