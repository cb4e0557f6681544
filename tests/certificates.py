"""Certificates of another day, and a server that shows other ones than its own for a while."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["FILES", "expired", "showing"]

FILES = ("server.pem", "server.key")
"""What a server of the sandbox shows, in its directory `tls`."""


def expired(shown: Path) -> dict[str, bytes]:
    """Return what a server shows, but signed for last year, by the same authority."""
    authority = _authority_of(shown)
    now = x509.load_pem_x509_certificate((shown / "server.pem").read_bytes())
    key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(now.subject)
        .issuer_name(now.issuer)
        .public_key(now.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=365))
        .not_valid_after(datetime.now(UTC) - timedelta(days=1))
    )
    for extension in now.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    signed = builder.sign(key, hashes.SHA256())
    return {
        "server.pem": signed.public_bytes(serialization.Encoding.PEM),
        "server.key": (shown / "server.key").read_bytes(),
    }


def _authority_of(shown: Path) -> Path:
    """Return the directory of the authority, above that of its servers."""
    return next(parent for parent in shown.parents if (parent / "ca.key").exists())


@contextmanager
def showing(shown: Path, instead: dict[str, bytes], reload: Callable[[], None]) -> Iterator[None]:
    """Let a server show other files for the length of a ``with`` block."""
    with tempfile.TemporaryDirectory() as kept:
        for name in FILES:
            shutil.copy(shown / name, kept)
            (shown / name).write_bytes(instead[name])
        try:
            reload()
            yield
        finally:
            for name in FILES:
                shutil.copy(Path(kept, name), shown)
            reload()
