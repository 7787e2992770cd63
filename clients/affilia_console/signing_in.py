"""Signs people in at an OpenID Connect provider, by the code flow with PKCE."""

from collections.abc import Callable, Mapping
from typing import Any

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.starlette_client import OAuth
from httpx2 import HTTPError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from affilia_console.sessions import Person, Session
from affilia_console.settings import ConsoleSettings, Provider
from affilia_console.tokens import AccessToken, SignedOut

CALLBACK = "/sign-in/done"
THEN = "then"
"""The key in the sign-in cookie for the address to open after signing in."""
TIMEOUT_SECONDS = 10.0

BeginSession = Callable[[Person, AccessToken], Session]


class SignInFailed(Exception):
    """The provider rejected the sign-in, couldn't be reached, or returned an invalid response."""


class SignIn:
    """The console as a client of one provider."""

    def __init__(self, settings: ConsoleSettings, provider: Provider, begin_session: BeginSession) -> None:
        self._public_url = settings.public_url.rstrip("/")
        self._provider = provider
        self._begin_session = begin_session
        oauth = OAuth()
        oauth.register(
            "provider",
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": provider.scopes, "code_challenge_method": "S256", "timeout": TIMEOUT_SECONDS},
        )
        self._client: Any = oauth.create_client("provider")

    async def begin(self, request: Request, then: str) -> Response:
        """Redirects the browser to the provider, which returns it to CALLBACK, then to `then`. Raises SignInFailed."""
        request.session[THEN] = then
        try:
            response: Response = await self._client.authorize_redirect(request, self._callback(request))
        except (OAuthError, HTTPError) as failed:
            raise SignInFailed("The sign-in service is unavailable. Try again later.") from failed
        return response

    async def finish(self, request: Request) -> tuple[Session, Response]:
        """Checks the provider's response. Returns the new session and a redirect. Raises SignInFailed."""
        try:
            response = await self._client.authorize_access_token(request)
        except (OAuthError, HTTPError, ValueError) as failed:
            raise SignInFailed("The sign-in could not be completed. Sign in again.") from failed
        about: Mapping[str, Any] = response.get("userinfo") or {}
        subject = str(about.get("sub", ""))
        if not subject:
            raise SignInFailed("The sign-in service did not return your identity. Sign in again.")
        person = Person.without_rights(str(about.get("name") or about.get("preferred_username") or subject), subject)
        session = self._begin_session(person, AccessToken(response, self._refresh, received=person.take_rights))
        then = str(request.session.pop(THEN, "/"))
        return session, RedirectResponse(then if then.startswith("/") and not then.startswith("//") else "/", 303)

    async def end_address(self) -> str:
        """Returns the provider's page to sign out there too, or an empty string."""
        try:
            metadata = await self._client.load_server_metadata()
        except HTTPError:
            return ""
        return str(metadata.get("end_session_endpoint", ""))

    def _callback(self, request: Request) -> str:
        base = self._public_url or str(request.base_url).rstrip("/")
        return base + CALLBACK

    def _refresh(self, refresh_token: str) -> Mapping[str, Any]:
        endpoint = str(self._client.server_metadata.get("token_endpoint", ""))
        with OAuth2Client(self._provider.client_id, self._provider.client_secret, timeout=TIMEOUT_SECONDS) as client:
            try:
                response: Mapping[str, Any] = client.refresh_token(endpoint, refresh_token)
            except (OAuthError, HTTPError) as failed:
                raise SignedOut from failed
        return response
