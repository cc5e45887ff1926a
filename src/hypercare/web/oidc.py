"""Log-in by OpenID Connect: there and back (authorization code with PKCE, state, nonce)."""

from __future__ import annotations

import dataclasses
import hmac
import json
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Query
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import RedirectResponse, Response

from hypercare.access import Role
from hypercare.access.commands import AdmitOidc, BeginOidc, TakeOidc
from hypercare.access.oidc import NotProvenError, authorization_url, name_of, role_of, verify
from hypercare.access.passwords import digest
from hypercare.kernel import ORIGIN, CommandError
from hypercare.ports import BasicAuth, HttpRequest, HttpResponse
from hypercare.web.auth import Identity
from hypercare.web.forms import enter_session, inside
from hypercare.web.notices import MESSAGE
from hypercare.web.roles import open_to_all

if TYPE_CHECKING:
    from fastapi import APIRouter

    from hypercare.app import App
    from hypercare.config.services import Oidc
    from hypercare.ports import PortError
    from hypercare.web.pages import Pages

COOKIE: Final = "hypercare_oidc"
_CALLBACK: Final = "/login/oidc/callback"
_PATIENCE_SECONDS: Final = 30
_MAX_ANSWER: Final = 1 << 20
_Text = Annotated[str, Query(max_length=4096)]


def add_oidc_pages(router: APIRouter, pages: Pages) -> None:
    """The way there and the way back."""
    app, gate = pages.app, pages.gate

    @router.get("/login/oidc")
    @open_to_all("the way in; sends to the configured provider alone")
    def begin(request: Request, next: _Text = "/") -> Response:  # noqa: A002 - the parameter's name in the address
        settings = _settings(app)
        try:
            endpoint = _Provider(app, settings).metadata()["authorization_endpoint"]
        except NotProvenError as error:
            gate.note_failure(request, "", str(error))
            return _refused("The provider does not answer as it should; the audit log says why.")
        ids = app.ports.ids
        state, nonce, verifier = ids.new() + ids.new(), ids.new(), ids.new() + ids.new()
        app.kernel.call(BeginOidc(digest(state), nonce, verifier, inside(next))).result(_PATIENCE_SECONDS)
        to = authorization_url(endpoint, settings, _callback(app), state=state, nonce=nonce, verifier=verifier)
        answer = RedirectResponse(to, 303)
        # Binds the log-in to this browser: nobody can let somebody else end one that they have begun.
        secure = gate.is_secure(request)
        answer.set_cookie(COOKIE, state, max_age=600, path="/login", samesite="lax", httponly=True, secure=secure)
        return answer

    @router.get(_CALLBACK)
    @open_to_all("the way in; a proof by the configured provider for this very log-in is demanded")
    def end(request: Request, code: _Text = "", state: _Text = "", error: _Text = "", iss: _Text = "") -> Response:
        settings = _settings(app)
        # This GET changes something: the journal tells of it. The context is this request's own.
        ORIGIN.set(gate.origin(request, None))
        try:
            _check_return(request, settings, state, error if error or code else "no code", iss)
            nonce, verifier, to = app.kernel.call(TakeOidc(digest(state))).result(_PATIENCE_SECONDS)
            claims = _Provider(app, settings).claims(code, verifier, nonce)
            identity = _admitted(app, settings, claims)
        except (NotProvenError, CommandError) as why:
            gate.note_failure(request, "", f"OpenID Connect: {why}")
            return _refused("That log-in did not succeed; the audit log says why.")
        answer = enter_session(pages, request, identity, inside(to), "oidc")
        answer.delete_cookie(COOKIE, path="/login")
        return answer


def _settings(app: App) -> Oidc:
    settings = app.config.hypercare.web.oidc
    if settings is None:
        raise CommandError("log-in by OpenID Connect is not configured", 404)
    return settings


def _check_return(request: Request, settings: Oidc, state: str, error: str, iss: str) -> None:
    if not state or not hmac.compare_digest(digest(state), digest(request.cookies.get(COOKIE, ""))):
        raise NotProvenError("the log-in was not begun in this browser")
    if error:
        raise NotProvenError(f"the provider refused: {error[:100]}")
    if iss and iss != settings.issuer:
        raise NotProvenError("the answer is from another issuer")


def _callback(app: App) -> str:
    # Never from the Host header: whoever can forge that must not get the code.
    return app.config.hypercare.web.external_url + _CALLBACK


def _refused(message: str) -> Response:
    answer = RedirectResponse("/login", 303)
    answer.set_cookie(MESSAGE, quote(message), max_age=60, samesite="strict", httponly=True)
    return answer


def _admitted(app: App, settings: Oidc, claims: dict[str, Any]) -> Identity:
    role, name = role_of(claims, settings), name_of(claims, settings)
    if role is Role.NOBODY:
        raise NotProvenError(f"none of the values of {settings.roles_claim} gives {name or claims['sub']} a role")
    if not name:
        raise NotProvenError(f"the claims have no {settings.name_claim}")
    subject = f"{settings.issuer} {claims['sub']}"
    if len(subject) > 512:
        raise NotProvenError("the subject is too long")
    user = app.kernel.call(AdmitOidc(subject, name, role)).result(_PATIENCE_SECONDS)
    return Identity(user.name, user.role, via="oidc")


class _Provider:
    """Talks to the provider; blocks, in a worker thread."""

    def __init__(self, app: App, settings: Oidc) -> None:
        self._app = app
        self._settings = settings

    def metadata(self) -> dict[str, Any]:
        """What the provider says of itself.

        Raises:
            NotProvenError: no answer, or not of this issuer.

        """
        issuer = self._settings.issuer
        found = self._json(HttpRequest("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
        if found.get("issuer") != issuer:
            raise NotProvenError(f"the provider calls itself {str(found.get('issuer'))[:200]!r}, not {issuer!r}")
        for key in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            scheme = urlsplit(str(found.get(key, ""))).scheme
            # A provider over HTTPS does not send anybody to a place without.
            if scheme not in {"https", urlsplit(issuer).scheme}:
                raise NotProvenError(f"the provider's {key} is no address")
        return found

    def claims(self, code: str, verifier: str, nonce: str) -> dict[str, Any]:
        """Who the code stands for: the claims of the ID token, and of the user's information where those lack some.

        Raises:
            NotProvenError: it does not prove anybody.

        """
        found = self.metadata()
        tokens = self._json(self._token_request(found, code, verifier))
        keys = self._json(HttpRequest("GET", found["jwks_uri"]))
        now = self._app.ports.clock.now()
        claims = verify(str(tokens.get("id_token", "")), keys, self._settings, nonce, now)
        lacking = not name_of(claims, self._settings) or role_of(claims, self._settings) is Role.NOBODY
        if lacking and tokens.get("access_token") and found.get("userinfo_endpoint"):
            head = (("Authorization", f"Bearer {tokens['access_token']}"),)
            more = self._json(HttpRequest("GET", str(found["userinfo_endpoint"]), head))
            if more.get("sub") != claims["sub"]:
                raise NotProvenError("the user's information is of somebody else")
            claims = {**more, **claims}
        return claims

    def _token_request(self, found: dict[str, Any], code: str, verifier: str) -> HttpRequest:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": _callback(self._app),
            "code_verifier": verifier, "client_id": self._settings.client_id,
        }  # fmt: skip
        secret, auth = self._secret(), None
        methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if secret and "client_secret_basic" in methods:
            auth = BasicAuth(quote(self._settings.client_id, safe=""), quote(secret, safe=""))
        elif secret:
            form["client_secret"] = secret
        head = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
        return HttpRequest("POST", found["token_endpoint"], head, urlencode(form).encode(), basic_auth=auth)

    def _secret(self) -> str:
        settings = self._settings
        if not settings.client_secret_file:
            return settings.client_secret.reveal()
        try:
            return self._app.ports.files.read(Path(settings.client_secret_file)).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise NotProvenError("client_secret_file cannot be read") from error

    def _json(self, request: HttpRequest) -> dict[str, Any]:
        where = urlsplit(request.url).path
        asked = dataclasses.replace(request, max_bytes=_MAX_ANSWER, follow_redirects=False)
        answers: SimpleQueue[HttpResponse | PortError] = SimpleQueue()
        self._app.ports.http.submit(asked, answers.put)
        try:
            answer = answers.get(timeout=_PATIENCE_SECONDS)
        except Empty as error:
            raise NotProvenError(f"no answer from {where}") from error
        if not isinstance(answer, HttpResponse):
            raise NotProvenError(f"no answer from {where}: {answer.message}")
        if answer.status != 200:
            raise NotProvenError(f"{where} answers {answer.status}")
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise NotProvenError(f"{where} does not answer in JSON") from error
        if not isinstance(found, dict):
            raise NotProvenError(f"{where} does not answer with an object")
        return found
