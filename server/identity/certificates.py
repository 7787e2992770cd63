"""TLS certificates that can be replaced while the server runs: every handshake checks if the files have changed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import structlog

log = structlog.get_logger()


class CertificateUnreadable(Exception):
    """A configured certificate or key can't be used."""


@dataclass(slots=True)
class Certificates:
    """PEM files: the server's certificate and key, and the CA that signs its clients' certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    _seen: tuple[int, ...] = field(default=())

    def credentials(self) -> grpc.ServerCredentials:
        """Returns the credentials of a listener, which requires client certificates if there is a client CA.

        Raises CertificateUnreadable.
        """
        try:
            self._seen = self._state()
            configuration = self._read()
        except (OSError, ValueError) as wrong:
            raise CertificateUnreadable(f"Cannot use {self.certificate} and {self.key}: {wrong}") from wrong
        return grpc.dynamic_ssl_server_credentials(
            configuration, self._if_changed, require_client_authentication=self.client_ca is not None
        )

    def _if_changed(self) -> Any:
        """Returns the new certificates, or None if nothing has changed. gRPC calls this at each handshake, in a thread.

        The next handshake checks again after a file was incomplete, or a certificate didn't match its key.
        """
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
        _check_match(certificate, key)
        ca = self.client_ca.read_bytes() if self.client_ca else None
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=ca)


def _check_match(certificate: bytes, key: bytes) -> None:
    """Raises ValueError if a certificate doesn't belong to the key."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if x509.load_pem_x509_certificate(certificate).public_key() != load_pem_private_key(key, None).public_key():
        raise ValueError("the key doesn't belong to the certificate")
