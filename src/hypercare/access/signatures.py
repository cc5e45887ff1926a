"""Signatures of JSON web tokens: RS256 and ES256 (RFC 7518, 3.3 and 3.4). Loaded when one is checked: 7 MB."""

from __future__ import annotations

import base64
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256

_SMALLEST_KEY: Final = 2048


def is_signed_by(kind: str, key: dict[str, Any], signature: bytes, signed: bytes) -> bool:
    """Whether a key has made a signature; a key that is none, or too small, has not.

    Args:
        kind: RSA (RS256) or EC (ES256).
        key: as in a key set (JWK).
        signature: of the token.
        signed: what it is to be of.

    """
    try:
        _verify_with(kind, key, signature, signed)
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True


def _verify_with(kind: str, key: dict[str, Any], signature: bytes, signed: bytes) -> None:
    if kind == "RSA":
        public = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
        if public.key_size < _SMALLEST_KEY:
            raise InvalidSignature
        public.verify(signature, signed, padding.PKCS1v15(), SHA256())
        return
    if key.get("crv") != "P-256" or len(signature) != 64:
        raise InvalidSignature
    curve = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), ec.SECP256R1()).public_key()
    halves = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    curve.verify(utils.encode_dss_signature(*halves), signed, ec.ECDSA(SHA256()))


def _number(text: str) -> int:
    return int.from_bytes(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
