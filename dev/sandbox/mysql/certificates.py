"""The sandbox's certificate authority, and the certificates of its servers' addresses."""

from __future__ import annotations

import datetime
import ipaddress
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["CertificateAuthority", "ServerCertificate"]

_VALID = datetime.timedelta(days=3650)
_CLOCK_SKEW = datetime.timedelta(days=1)


@dataclass(frozen=True)
class ServerCertificate:
    """The three files that mysqld wants."""

    authority: Path
    certificate: Path
    key: Path


class CertificateAuthority:
    """A CA that lives in two files, `ca.pem` and `ca.key`, made at first use."""

    def __init__(self, directory: Path) -> None:
        self.certificate_file = directory / "ca.pem"
        self._key_file = directory / "ca.key"
        if self._key_file.exists() and self.certificate_file.exists():
            self._key = _read_key(self._key_file)
            self._certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
            return
        directory.mkdir(parents=True, exist_ok=True)
        self._key = _new_key()
        self._certificate = self._self_signed()
        _write_private(self._key_file, _key_pem(self._key))
        self.certificate_file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, address: str, directory: Path) -> ServerCertificate:
        """A certificate for an address, into `directory`; the key that is already there goes on being used."""
        directory.mkdir(parents=True, exist_ok=True)
        files = ServerCertificate(self.certificate_file, directory / "server.pem", directory / "server.key")
        if not files.key.exists():
            _write_private(files.key, _key_pem(self._servers_key))
        certificate = self._sign(address, _read_key(files.key))
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return files

    @cached_property
    def _servers_key(self) -> rsa.RSAPrivateKey:
        """One for all servers: each would cost a tenth of a second of CPU time."""
        return _new_key()

    def _self_signed(self) -> x509.Certificate:
        name = _name("RDS sandbox CA")
        usage = _usage(key_cert_sign=True, crl_sign=True)
        return (
            _builder(name, name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _sign(self, address: str, key: rsa.RSAPrivateKey) -> x509.Certificate:
        names = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            _builder(_name(address), self._certificate.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, key_cert_sign: bool, crl_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _new_key() -> rsa.RSAPrivateKey:
    # RSA: the TLS library built into MySQL 5.7 knows no other kind of key.
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _key_pem(key: rsa.RSAPrivateKey) -> bytes:
    # PKCS #1 ("BEGIN RSA PRIVATE KEY"), for the same reason.
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _read_key(file: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{file} does not hold an RSA key: delete it, a new one will be made.")
    return key


def _write_private(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
