"""A small real OpenID provider: HTTP on loopback, RS256 tokens, PKCE and client secret checked; it can be told to lie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENT, SECRET = "hypercare", "client-secret-7f3a"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Provider:
    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.claims = {}
        self.lie = ""
        self.codes = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.get(self, urlsplit(self.path))

            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                provider.token(self, {k: v[0] for k, v in form.items()})

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler, value, status=200):
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        handler.wfile.write(json.dumps(value).encode())

    def get(self, handler, url):
        if url.path == "/.well-known/openid-configuration":
            issuer = "http://evil.example" if self.lie == "metadata" else self.issuer
            paths = {
                "authorization_endpoint": "/auth",
                "token_endpoint": "/token",
                "jwks_uri": "/keys",
                "userinfo_endpoint": "/me",
            }
            self.answer(handler, {"issuer": issuer, **{k: self.issuer + v for k, v in paths.items()}})
        elif url.path == "/keys":
            public = self.key.public_key().public_numbers()
            self.answer(handler, {"keys": [
                {"kty": "EC", "kid": "one", "crv": "P-256", "x": "AA", "y": "AA"},
                {"kty": "RSA", "kid": "one", "use": "sig", "n": number(public.n), "e": number(public.e)},
            ]})  # fmt: skip
        elif url.path == "/auth":
            asked = {k: v[0] for k, v in parse_qs(url.query).items()}
            assert asked["code_challenge_method"] == "S256"
            assert asked["client_id"] == CLIENT
            code = f"code{len(self.codes)}"
            self.codes[code] = asked
            handler.send_response(302)
            query = urlencode({"code": code, "state": asked["state"]})
            handler.send_header("Location", f"{asked['redirect_uri']}?{query}")
            handler.end_headers()
        elif url.path == "/me":
            sub = "other" if self.lie == "userinfo" else "s-1"
            self.answer(handler, {"sub": sub, "groups": ["ops"], "preferred_username": "uma"})
        else:
            self.answer(handler, {}, 404)

    def token(self, handler, form):
        asked = self.codes.pop(form.get("code", ""), None)
        want = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        good = asked and challenge == asked["code_challenge"] and form["redirect_uri"] == asked["redirect_uri"]
        if not good or handler.headers.get("Authorization") != want:
            self.answer(handler, {"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "s-1", "exp": now + 300, "iat": now, "nonce": asked["nonce"],
                  "preferred_username": "uma", "groups": ["ops"], **self.claims}  # fmt: skip
        claims = {k: v for k, v in claims.items() if v is not None}
        self.answer(
            handler, {"access_token": "access-token-91c", "token_type": "Bearer", "id_token": self.sign(claims)}
        )

    def sign(self, claims):
        header = {"alg": "RS256", "kid": "one", "typ": "JWT"}
        if self.lie == "none":
            header = {"alg": "none"}
        elif self.lie == "hs256":
            header = {"alg": "HS256", "kid": "one"}
        elif self.lie == "crit":
            header["crit"] = ["b64"]
        signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
        if self.lie == "none":
            return f"{signed}."
        if self.lie == "hs256":
            # The classic: the public key taken for a shared secret.
            pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return f"{signed}.{b64(hmac.digest(pem, signed.encode(), 'sha256'))}"
        key = self.other if self.lie == "key" else self.key
        signature = key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
        if self.lie == "changed":
            signed = f"{signed.split('.', maxsplit=1)[0]}.{b64(json.dumps({**claims, 'groups': ['root']}).encode())}"
        return f"{signed}.{b64(signature)}"
