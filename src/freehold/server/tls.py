"""The certificate that the house shows its clients, from two files that are read again when they change.

A new pair is in force for the next handshake; connections that stand are not touched. A pair that cannot be used, as
while one of its files is written and the other is not yet, changes nothing: the old one stays, and `problem` says why.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from freehold.core.errors import SettingsError
from freehold.core.settings import ServerSettings

HANDSHAKE_TIMEOUT_S = 20.0
_OTHERS = 0o007
_log = logging.getLogger("freehold.server")
_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One certificate: its names, and until when it is valid (seconds since 1970)."""

    names: tuple[str, ...]
    until_s: float


class Certificate:
    """A certificate (PEM, with its chain) and its private key (PEM, not encrypted). Raises SettingsError where they
    cannot be used at the start."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._stamp = _stamp(self._files)
        self._current = self._load()
        self.shown = _read(certificate)
        self.problem: str | None = None
        # Every handshake is handed to the context in force: so a pair changes whole or not at all.
        self.context = _new_context()
        self.context.sni_callback = self._choose

    def look(self) -> None:
        """Read the files again if they changed since they were last read."""
        stamp = _stamp(self._files)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._current, self.shown = self._load(), _read(self._files[0])
            self.problem = None
            _log.info("tls: the new certificate for %s is in force", ", ".join(self.shown.names))
        except SettingsError as error:
            self.problem = f"The new certificate is not used: {error.message}"
            _log.error("tls: the old certificate stays. %s", error)

    def report(self) -> dict[str, object]:
        """For `freehold ps` and `doctor`. `until` is in seconds since 1970."""
        return {"names": self.shown.names, "until": self.shown.until_s, "problem": self.problem}

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _load(self) -> ssl.SSLContext:
        certificate, key = self._files
        context = _new_context()
        try:
            # A password is given so that OpenSSL never asks for one on the terminal.
            context.load_cert_chain(certificate, key, password="")
        except ssl.SSLError as error:
            raise SettingsError(
                f"{certificate} and {key} are no certificate and its key: {error.reason or error}.",
                hint="Both must be PEM, belong together, and the key must not be encrypted.",
            ) from error
        except OSError as error:
            raise SettingsError(f"{certificate} or {key} cannot be read: {error.strerror}.") from error
        if _is_open_to_others(key):
            _log.warning("tls: %s can be read by every account of this machine: chmod 640 %s", key, key)
        return context


def of_settings(server: ServerSettings) -> Certificate | None:
    """The certificate that the settings name; None where they name none. Raises SettingsError."""
    if server.tls_certificate is None and server.tls_key is None:
        return None
    if server.tls_certificate is None or server.tls_key is None:
        raise SettingsError(
            "TLS needs a certificate and its key, and one of them is not set.",
            hint="Set tls_certificate and tls_key in [server] of freehold.toml.",
        )
    return Certificate(server.tls_certificate, server.tls_key)


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _read(certificate: Path) -> Shown:
    try:
        first = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Shown((), first.not_valid_after_utc.timestamp())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{certificate} cannot be read: {error}.") from error
    spelled = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return Shown(tuple(spelled), first.not_valid_after_utc.timestamp())


def _stamp(files: tuple[Path, ...]) -> _Stamp:
    """What changes where a file does, or a link on the way to it; zeros where it cannot be looked at."""
    return tuple(_stamp_of(file) for file in files)


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _is_open_to_others(key: Path) -> bool:
    try:
        return bool(key.stat().st_mode & _OTHERS)
    except OSError:
        return False
