"""Certificates for tests: signed by themselves, for this machine's own names."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HERE = ("localhost", "127.0.0.1")


def write_pair(folder: Path, *, days: int = 30, names: tuple[str, ...] = HERE) -> tuple[Path, Path, int]:
    """`house.pem` and `house.key` in `folder`, with the serial number of the certificate. Each is replaced whole."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=90))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .sign(private, hashes.SHA256())
    )
    spelled = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _replace(folder / "house.key", spelled, mode=0o600)
    _replace(folder / "house.pem", made.public_bytes(Encoding.PEM))
    return folder / "house.pem", folder / "house.key", made.serial_number


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)


def _replace(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.chmod(mode)
    fresh.replace(path)
