"""A small OpenID Connect provider in a process of its own: `python -m tests.support.oidc_provider`.

It takes whoever comes for the person it was told of by `POST /next`, and lies as told.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
import urllib.parse
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, CLIENT_SECRET = "holdfast", "the provider and we know it"


@cache
def key_of(owner: str) -> RSAKey:
    """Return the key that somebody signs with; making one takes long."""
    return RSAKey.generate_key(2048, {"kid": "one"})


class Provider(BaseHTTPRequestHandler):
    told: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[dict[str, dict[str, str]]] = {}

    @property
    def _issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/.well-known/openid-configuration":
            self._send(
                {
                    "issuer": self._issuer,
                    "authorization_endpoint": f"{self._issuer}/authorize",
                    "token_endpoint": f"{self._issuer}/token",
                    "jwks_uri": f"{self._issuer}/keys",
                    "code_challenge_methods_supported": ["S256"],
                }
            )
        elif url.path == "/keys":
            self._send({"keys": [key_of("the provider").as_dict(private=False)]})
        elif url.path == "/authorize":
            query = dict(urllib.parse.parse_qsl(url.query))
            code = f"code-{len(self.asked)}"
            self.asked[code] = query
            back = urllib.parse.urlencode({"code": code, "state": query["state"]})
            self._send({}, 302, Location=f"{query['redirect_uri']}?{back}")
        else:
            self._send({}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/next":
            type(self).told = json.loads(body)
            self._send({})
            return
        form = dict(urllib.parse.parse_qsl(body.decode()))
        asked = self.asked.pop(form.get("code", ""), None)
        ours = base64.b64encode(f"{CLIENT}:{urllib.parse.quote(CLIENT_SECRET)}".encode()).decode()
        ours_plain = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
        known = self.headers["Authorization"] in {f"Basic {ours}", f"Basic {ours_plain}"}
        if asked is None or not known or not _proves(asked, form):
            self._send({"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        claims = {
            "iss": self._issuer, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 60,
            "nonce": asked["nonce"], "email_verified": True, **self.told.get("claims", {}),
        }  # fmt: skip
        key = key_of("somebody else") if self.told.get("foreign_key") else key_of("the provider")
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
        if self.told.get("unsigned"):
            head = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
            token = f"{head}.{token.split('.')[1]}."
        self._send({"access_token": "x", "token_type": "Bearer", "id_token": token})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _send(self, said: dict[str, Any], status: int = 200, **headers: str) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _proves(asked: dict[str, str], form: dict[str, str]) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    same_way = form.get("redirect_uri") == asked["redirect_uri"]
    return same_way and asked.get("code_challenge") == challenge


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Provider)
    print(server.server_port, flush=True)
    sys.exit(server.serve_forever())
