"""Talks to package indexes as pip's configuration says: pages, and byte ranges of the files on them. Metadata only.

Credentials come from the index's address or from netrc, go to the origin they belong to and to no other, and are
in no address that leaves this file. A plain-http index is refused unless it is this machine or a trusted host, as
pip does. The library's errors become SourceUnreachableError or SourceError here, naming the address that failed.
"""

from __future__ import annotations

import base64
import netrc
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit
from urllib.request import (  # type: ignore[attr-defined]  # typeshed leaves proxy_bypass_environment out
    proxy_bypass_environment,
    url2pathname,
)

import aiohttp

from freehold.core.errors import GatedError, SettingsError, SourceError, SourceUnreachableError
from freehold.core.network_words import network_words
from freehold.core.refs import LOOPBACK_HOSTS
from freehold.store.sources.pip_config import PipConfig
from freehold.store.sources.simple_index import (
    ACCEPT,
    NoFilesError,
    NotAnIndexError,
    NotAnIndexPageError,
    WheelLink,
    link,
    parse_page,
)

MAX_PAGE_BYTES = 32 << 20
# A file up to this size is taken whole from a server that does not send parts of files.
MAX_WHOLE_BYTES = 4 << 20
_HINT = "See which index is used with `pip config list`; name another with PIP_INDEX_URL, or pull from hf: or file:."


class IndexClient:
    """Reads indexes over one session. Made by `open_client`."""

    def __init__(self, config: PipConfig, environment: Mapping[str, str], session: aiohttp.ClientSession) -> None:
        self._config = config
        self._environment = environment
        self._session = session
        self._tls = tls_of(config)
        self.answered: dict[str, str] = {}
        """Of every page that was read and has no wheel: its address, and what it has instead."""
        self._netrc = _read_netrc(environment)
        self._credentials = dict(filter(None, (_credential(url) for url in config.indexes)))

    async def project(self, name: str, index: str) -> tuple[WheelLink, ...] | None:
        """The wheels of project `name` on `index`; None where the index does not have it."""
        address = without_credentials(_as_url(index)) + f"/{name}/"
        parts = urlsplit(address)
        if parts.scheme == "file":
            page = Path(url2pathname(parts.path)) / "index.html"
            if not page.is_file():
                _require_folder(page.parent.parent, index)
                return None
            return self._parsed(page.read_text(encoding="utf-8", errors="replace"), "text/html", address, index)
        self._refuse_insecure(parts)
        body = await self._get(address, {"Accept": ACCEPT})
        return None if body is None else self._parsed(body.text, body.content_type, body.url, index)

    def _parsed(self, text: str, content_type: str, url: str, index: str) -> tuple[WheelLink, ...]:
        try:
            wheels = _read_page(text, content_type, url, index)
        except NoFilesError:
            self.answered[url] = "lists no files"
            return ()
        if not wheels:
            self.answered[url] = "lists no wheel, only other files"
        return wheels

    def found_links(self, name: str) -> tuple[WheelLink, ...]:
        """The wheels of project `name` in the folders that `find-links` names. Pages are not read."""
        found: list[WheelLink] = []
        for place in self._config.find_links:
            parts = urlsplit(_as_url(place))
            folder = Path(url2pathname(parts.path))
            if parts.scheme == "file" and folder.is_dir():
                wheels = (link(path.absolute().as_uri(), index=str(folder)) for path in sorted(folder.glob("*.whl")))
                found += [wheel for wheel in wheels if wheel is not None and wheel.project == name]
        return tuple(found)

    async def tail(self, url: str, size_bytes: int) -> Fetched | None:
        """The last `size_bytes` of a file; small files come whole where their server does not
        answer for parts, and None stands for large ones."""
        return await self._range(url, f"bytes=-{size_bytes}")

    async def span(self, url: str, start: int, end: int) -> Fetched | None:
        """The bytes from `start` up to and without `end`; None as for `tail`."""
        return await self._range(url, f"bytes={start}-{end - 1}")

    def headers(self, url: str) -> dict[str, str]:
        """What a download of `url` must send besides what netrc has, which the downloader reads itself."""
        credential = self._credentials.get(_origin(urlsplit(url)))
        return {"Authorization": credential} if credential else {}

    def download_tls(self, urls: tuple[str, ...]) -> ssl.SSLContext | None:
        """The authorities to trust for downloads from `urls`, where pip is configured with its own."""
        secure = [urlsplit(url) for url in urls if url.startswith("https:")]
        if secure and all(self._is_trusted(parts) for parts in secure):
            return _unchecked()
        return self._tls

    async def _range(self, url: str, wanted: str) -> Fetched | None:
        body = await self._get(url, {"Range": wanted, "Accept-Encoding": "identity"}, only_part=True)
        if body is None:
            raise SourceError(f"{url} is named by its index and is not there.", hint=_HINT, url=url)
        return body if body.data is not None else None

    async def _get(self, url: str, headers: Mapping[str, str], *, only_part: bool = False) -> Fetched | None:
        parts = urlsplit(url)
        try:
            async with self._session.get(
                url,
                headers={**headers, **self._authorization(parts)},
                proxy=self._proxy(parts),
                ssl=self._ssl(parts),
            ) as response:
                if response.status in {404, 410}:
                    return None
                _refuse(response, url)
                if only_part and response.status != 206 and not 0 < (response.content_length or 0) <= MAX_WHOLE_BYTES:
                    return Fetched(None, str(response.url), response.content_type, 0)
                data = await response.content.read(MAX_PAGE_BYTES + 1)
                while len(data) <= MAX_PAGE_BYTES and (more := await response.content.read(MAX_PAGE_BYTES)):
                    data += more
                if len(data) > MAX_PAGE_BYTES:
                    raise SourceError(f"{url} sends more than {MAX_PAGE_BYTES >> 20} MiB; that is no index page.")
                shown = without_credentials(str(response.url))
                return Fetched(data, shown, response.content_type, _total(response, len(data)))
        except aiohttp.ClientSSLError as error:
            raise SourceUnreachableError(
                f"The certificate of the package index at {url} is not trusted: {network_words(error)}.",
                hint="Name your network's authorities with PIP_CERT.",
                url=url,
            ) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            why = f"no answer in {self._config.timeout_s:g} s" if late else network_words(error)
            raise SourceUnreachableError(
                f"The package index at {url} does not answer: {why}.", hint=_HINT, url=url
            ) from error

    def _authorization(self, parts: SplitResult) -> dict[str, str]:
        credential = self._credentials.get(_origin(parts))
        if credential is None and self._netrc is not None:
            found = self._netrc.authenticators(parts.hostname or "")
            credential = _basic(found[0], found[2] or "") if found else None
        return {"Authorization": credential} if credential else {}

    def _proxy(self, parts: SplitResult) -> str | None:
        if self._config.proxy:
            return self._config.proxy_url
        names = {kind: self._variable(f"{kind}_proxy") for kind in ("http", "https", "all", "no")}
        if proxy_bypass_environment(parts.netloc.rpartition("@")[2], {k: v for k, v in names.items() if v}):
            return None
        return names.get(parts.scheme) or names["all"]

    def _variable(self, name: str) -> str | None:
        return self._environment.get(name) or self._environment.get(name.upper()) or None

    def _ssl(self, parts: SplitResult) -> ssl.SSLContext | bool:
        if self._is_trusted(parts):
            return False
        return self._tls or True

    def _is_trusted(self, parts: SplitResult) -> bool:
        host = parts.hostname or ""
        return not {host, f"{host}:{parts.port}"}.isdisjoint(self._config.trusted_hosts)

    def _refuse_insecure(self, parts: SplitResult) -> None:
        if parts.scheme == "https" or (
            parts.scheme == "http" and (parts.hostname in LOOPBACK_HOSTS or self._is_trusted(parts))
        ):
            return
        raise SourceError(
            f"The package index at {urlunsplit(parts)} is not reached through https.",
            hint=f"Use its https address, or accept the risk: PIP_TRUSTED_HOST={parts.hostname}.",
        )


class Fetched:
    """What an address answered. `data` is None where the server would only send the whole file."""

    __slots__ = ("content_type", "data", "size_bytes", "url")

    def __init__(self, data: bytes | None, url: str, content_type: str, size_bytes: int) -> None:
        self.data = data
        self.url = url
        self.content_type = content_type
        self.size_bytes = size_bytes

    @property
    def text(self) -> str:
        return (self.data or b"").decode("utf-8", "replace")


@asynccontextmanager
async def open_client(config: PipConfig, environment: Mapping[str, str]) -> AsyncIterator[IndexClient]:
    """A client for as long as a plan is made."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=config.timeout_s, sock_read=config.timeout_s)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        yield IndexClient(config, environment, session)


def without_credentials(url: str) -> str:
    """`url` without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def tls_of(config: PipConfig) -> ssl.SSLContext | None:
    """The TLS settings that `cert` and `client-cert` name; None for the platform's own. Raises SettingsError."""
    if config.cert is None and config.client_cert is None:
        return None
    try:
        folder = config.cert is not None and config.cert.is_dir()
        context = ssl.create_default_context(
            cafile=str(config.cert) if config.cert and not folder else None, capath=str(config.cert) if folder else None
        )
        if config.client_cert is not None:
            context.load_cert_chain(config.client_cert)
    except OSError as error:
        raise SettingsError(
            f"pip's cert {config.cert} or client-cert {config.client_cert} cannot be used: {error}.",
            hint="See `pip config list`.",
        ) from error
    return context


def _unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _as_url(place: str) -> str:
    known = urlsplit(place).scheme in {"http", "https", "file"}
    return place if known else Path(place).expanduser().absolute().as_uri()


def _require_folder(folder: Path, index: str) -> None:
    if not folder.is_dir():
        raise SourceUnreachableError(
            f"The package index {without_credentials(index)} is a folder that is not there.", hint=_HINT
        )


def _read_page(text: str, content_type: str, url: str, index: str) -> tuple[WheelLink, ...]:
    try:
        return parse_page(text, content_type, url=urljoin(url, "."), index=without_credentials(index))
    except NotAnIndexError as error:
        raise SourceUnreachableError(
            f"{url} answered with a page that is not a package index (a login page of a proxy?).",
            hint=f"Open that address in a browser: a network may want a login first. {_HINT}",
            url=url,
        ) from error
    except NotAnIndexPageError as error:
        raise SourceError(
            f"{url} is not a page of a package index: {error}.", hint=f"The mirror is broken. {_HINT}", url=url
        ) from error


def _refuse(response: aiohttp.ClientResponse, url: str) -> None:
    status = f"{response.status} {response.reason}"
    if response.status in {401, 403, 407}:
        raise GatedError(
            f"The package index at {url} answers {status}.",
            hint="Put its user and password in netrc, or into the index's address as pip takes them.",
            url=url,
        )
    if response.status >= 500 or response.status == 429:
        raise SourceUnreachableError(f"The package index at {url} answers {status}.", hint=_HINT, url=url)
    if response.status not in {200, 206}:
        raise SourceError(f"The package index at {url} answers {status}.", hint=_HINT, url=url)


def _total(response: aiohttp.ClientResponse, received_bytes: int) -> int:
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isascii() and total.isdigit() else received_bytes


def _credential(index: str) -> tuple[tuple[str, str, int | None], str] | None:
    parts = urlsplit(index)
    if parts.scheme not in {"http", "https"} or not parts.username:
        return None
    return _origin(parts), _basic(unquote(parts.username), unquote(parts.password or ""))


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _read_netrc(environment: Mapping[str, str]) -> netrc.netrc | None:
    named = environment.get("NETRC")
    home = environment.get("HOME")
    file = Path(named) if named else Path(home, ".netrc") if home else None
    try:
        return netrc.netrc(str(file)) if file is not None and file.is_file() else None
    except (OSError, netrc.NetrcParseError) as error:
        raise SettingsError(f"{file} cannot be read: {error}.", hint="Mend it, or point NETRC elsewhere.") from error
