"""A small OpenID Connect provider: people enter a name and receive access tokens that the server accepts."""

import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.support.identities import token

CLIENT_ID, CLIENT_SECRET = "console", "the console's secret"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEY_ID = "only"


class Provider:
    """What the provider knows. `lifetime_seconds` is the lifetime of the access tokens that it issues.

    `rights` has the role and scopes of people who aren't admins, by subject.
    """

    def __init__(self) -> None:
        self.issuer = ""
        self.lifetime_seconds = 3600
        self.refreshed = 0
        self.rights: dict[str, tuple[str, ...]] = {}
        self.codes: dict[str, tuple[str, str]] = {}
        """Subjects and nonces by code."""
        self.refresh_tokens: dict[str, str] = {}

    def tokens(self, subject: str, nonce: str = "") -> dict[str, Any]:
        refresh_token = secrets.token_urlsafe()
        self.refresh_tokens[refresh_token] = subject
        now = int(time.time())
        role, *scopes = self.rights.get(subject, ("admin",))
        claims = {"iss": self.issuer, "sub": subject, "name": subject.title(), "aud": CLIENT_ID, "iat": now}
        claims |= {"exp": now + 3600} | ({"nonce": nonce} if nonce else {})
        return {
            "access_token": token(role, subject, *scopes),
            "token_type": "Bearer",
            "expires_in": self.lifetime_seconds,
            "refresh_token": refresh_token,
            "id_token": jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": KEY_ID}),
        }


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Runs a provider on a free port."""
    provider = Provider()
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/.well-known/openid-configuration":
            self._json(
                {
                    "issuer": self.provider.issuer,
                    "authorization_endpoint": f"{self.provider.issuer}/authorize",
                    "token_endpoint": f"{self.provider.issuer}/token",
                    "jwks_uri": f"{self.provider.issuer}/keys",
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )
        elif path == "/keys":
            public = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
            self._json({"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]})
        elif path == "/authorize":
            hidden = "".join(
                f'<input type="hidden" name="{name}" value="{values[0]}">' for name, values in query.items()
            )
            self._send(
                200,
                f'<form method="post" action="/authorize">{hidden}<label>Name <input name="login"></label>'
                "<button>Continue</button></form>",
                "text/html",
            )
        else:
            self._send(404, "", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if self.path == "/authorize":
            code = secrets.token_urlsafe()
            self.provider.codes[code] = form["login"], form.get("nonce", "")
            self.send_response(303)
            target = f"{form['redirect_uri']}?{urlencode({'code': code, 'state': form['state']})}"
            self.send_header("Location", target)
            self.end_headers()
        elif (
            self.path == "/token" and form["grant_type"] == "authorization_code" and form["code"] in self.provider.codes
        ):
            self._json(self.provider.tokens(*self.provider.codes.pop(form["code"])))
        elif self.path == "/token" and form.get("refresh_token") in self.provider.refresh_tokens:
            self.provider.refreshed += 1
            self._json(self.provider.tokens(self.provider.refresh_tokens.pop(form["refresh_token"])))
        else:
            self._send(400, '{"error": "invalid_grant"}', "application/json")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Logs nothing."""

    def _json(self, content: Mapping[str, Any]) -> None:
        self._send(200, json.dumps(content), "application/json")

    def _send(self, status: int, content: str, kind: str) -> None:
        body = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
