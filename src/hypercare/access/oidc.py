"""OpenID Connect, the parts that need no network: the request, the proof, what the claims say.

Sources: OpenID Connect Core 1.0 (3.1), RFC 7515 and 7518 (JWS, algorithms), RFC 7636 (PKCE), RFC 8725 (good practice).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from hypercare.access.roles import ROLES, Role
from hypercare.model.time import MINUTE, SECOND

if TYPE_CHECKING:
    from hypercare.config.services import Oidc
    from hypercare.model.time import Ms

_SKEW: Final[Ms] = MINUTE
_LONGEST_TOKEN: Final = 64 << 10


class NotProvenError(Exception):
    """The provider's answer does not prove who somebody is; the text says why, without the token."""


def authorization_url(endpoint: str, settings: Oidc, redirect: str, *, state: str, nonce: str, verifier: str) -> str:
    """Where somebody is sent to log in."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code", "client_id": settings.client_id, "redirect_uri": redirect,
        "scope": " ".join(dict.fromkeys(("openid", *settings.scopes))), "state": state, "nonce": nonce,
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def verify(token: str, keys: Any, settings: Oidc, nonce: str, now: Ms) -> dict[str, Any]:
    """The claims of an ID token, once its signature and all that binds it to this log-in are checked.

    Args:
        token: as the provider gave it.
        keys: the provider's key set (JWKS), as JSON.
        settings: names the issuer and the client it has to be for.
        nonce: that was sent along.
        now: the token must not have expired.

    Raises:
        NotProvenError: something of it is not right.

    """
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST_TOKEN:
        raise NotProvenError("the ID token is no signed token")
    header, claims = _object(parts[0]), _object(parts[1])
    _check_signature(header, f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2]), keys)
    if claims.get("iss") != settings.issuer:
        raise NotProvenError("the ID token is from another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if settings.client_id not in audiences or claims.get("azp", settings.client_id) != settings.client_id:
        raise NotProvenError("the ID token is for another client")
    if now - _SKEW >= _seconds(claims.get("exp"), 0) * SECOND:
        raise NotProvenError("the ID token has expired")
    if now + _SKEW < _seconds(claims.get("iat", 0), float("inf")) * SECOND:
        raise NotProvenError("the ID token is from the future; compare the clocks")
    if not nonce or claims.get("nonce") != nonce:
        raise NotProvenError("the ID token belongs to another log-in")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise NotProvenError("the ID token names nobody")
    return claims


def _check_signature(header: dict[str, Any], signed: bytes, signature: bytes, keys: Any) -> None:
    from hypercare.access.signatures import is_signed_by  # noqa: PLC0415 - 7 MB, for those who log in this way

    # What a token says of its algorithm only chooses among those of public keys: no "none", no shared secrets.
    kinds = {"RS256": "RSA", "ES256": "EC"}
    kind = kinds.get(str(header.get("alg")))
    if kind is None:
        raise NotProvenError("the ID token is not signed by RS256 or ES256")
    if "crit" in header:
        raise NotProvenError("the ID token demands extensions")
    listed = keys.get("keys") if isinstance(keys, dict) else None
    fitting = [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict) and key.get("kty") == kind and key.get("use", "sig") == "sig"
        and ("kid" not in header or key.get("kid") == header["kid"])
    ]  # fmt: skip
    if not any(is_signed_by(kind, key, signature, signed) for key in fitting):
        raise NotProvenError("no key of the provider has signed the ID token")


def role_of(claims: dict[str, Any], settings: Oidc) -> Role:
    """What the claims make of somebody; NOBODY: they do not come in."""
    value = _at(claims, settings.roles_claim)
    listed = value if isinstance(value, list) else [value]
    held = {item for item in listed if isinstance(item, str)}
    for role in (Role.ADMIN, Role.RESPONDER, Role.VIEWER):
        if held & set(getattr(settings.roles, str(role))):
            return role
    return ROLES.get(settings.default_role, Role.NOBODY)


def name_of(claims: dict[str, Any], settings: Oidc) -> str:
    """What somebody is to be called; empty: the claims do not say."""
    value = _at(claims, settings.name_claim)
    return value.strip() if isinstance(value, str) else ""


def _at(claims: dict[str, Any], path: str) -> Any:
    """A claim, or one within objects: ``realm_access.roles``."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _seconds(value: Any, otherwise: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotProvenError("the ID token is not what it should be") from error


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(text))
    except (ValueError, RecursionError) as error:
        raise NotProvenError("the ID token is not what it should be") from error
    if not isinstance(found, dict):
        raise NotProvenError("the ID token is not what it should be")
    return found
