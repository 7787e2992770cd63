"""TLS whose certificates may be replaced while serving: every handshake looks whether the files have changed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import structlog

log = structlog.get_logger()


class CertificateUnreadable(Exception):
    """A certificate or key that the settings name cannot be used."""


@dataclass(slots=True)
class Certificates:
    """The server's certificate and key, and who signs its clients' certificates; PEM files."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    _seen: tuple[int, ...] = field(default=())

    def credentials(self) -> grpc.ServerCredentials:
        """For a listener; with a client authority, it asks every client for a certificate. Raises
        CertificateUnreadable."""
        try:
            self._seen = self._state()
            configuration = self._read()
        except (OSError, ValueError) as wrong:
            raise CertificateUnreadable(f"{self.certificate} and {self.key} cannot be read: {wrong}") from wrong
        return grpc.dynamic_ssl_server_credentials(
            configuration, self._if_changed, require_client_authentication=self.client_ca is not None
        )

    def _if_changed(self) -> Any:
        """Called by gRPC at each handshake, in a thread of its own. None: what it has holds. A file that is being
        written, or a certificate without its key, is looked at again by the next handshake."""
        try:
            state = self._state()
            if state == self._seen:
                return None
            configuration = self._read()
        except (OSError, ValueError):
            log.warning("certificate_unreadable", path=str(self.certificate))
            return None
        self._seen = state
        log.info("certificate_replaced", path=str(self.certificate))
        return configuration

    def _state(self) -> tuple[int, ...]:
        files = [self.certificate, self.key, *([self.client_ca] if self.client_ca else [])]
        return tuple(number for file in files for number in (file.stat().st_mtime_ns, file.stat().st_ino))

    def _read(self) -> Any:
        certificate, key = self.certificate.read_bytes(), self.key.read_bytes()
        _agree(certificate, key)
        ca = self.client_ca.read_bytes() if self.client_ca else None
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=ca)


def _agree(certificate: bytes, key: bytes) -> None:
    """Raises ValueError where a certificate is not the key's."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if x509.load_pem_x509_certificate(certificate).public_key() != load_pem_private_key(key, None).public_key():
        raise ValueError("the key is not the certificate's")
