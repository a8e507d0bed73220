"""OpenID Connect: the provider vouches for an e-mail address, the settings give the role."""

import hashlib
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from .access import Access
from .login_form import OIDC_BACK

_logger = logging.getLogger("dashboard")

_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"]
_LEEWAY_S: Final = 60
_TIMEOUT_S: Final = 10
_ERRORS: Final = (httpx2.HTTPError, AuthlibBaseError, JoseError, ValueError, KeyError)


@dataclass(frozen=True)
class Answer:
    """The path to open after a sign-in, and the address that the provider has verified.

    `refused` is the reason for refusing it, for the log.
    """

    wanted: str
    address: str = ""
    refused: str = ""


class Provider:
    """Client of the provider: authorization code flow with PKCE."""

    lasts_s: Final = 600
    """Most seconds between the start of a sign-in and the provider's redirect."""
    no_answer: Final = "Your organisation's sign-in does not answer. Try again in a moment."

    def __init__(self, access: Access) -> None:
        self._access = access
        self._url = access.settings.oidc_url or ""
        self._redirect = f"{access.origins[0]}{OIDC_BACK}"
        self._signer = URLSafeTimedSerializer(
            access.secret, salt="holdfast.oidc", signer_kwargs={"digest_method": hashlib.sha256}
        )

    async def begin(self, wanted: str) -> tuple[str, str] | None:
        """Return the URL to redirect to and the cookie value; None if the provider fails."""
        verifier, nonce = generate_token(64), generate_token(32)
        try:
            async with self._client() as client:
                endpoint = (await self._metadata(client))["authorization_endpoint"]
                url, state = client.create_authorization_url(
                    endpoint, nonce=nonce, code_verifier=verifier
                )
        except _ERRORS as error:
            _logger.error(
                "the provider at DASHBOARD_OIDC_URL does not answer (%s)", type(error).__name__
            )
            return None
        kept = {"s": state, "n": nonce, "c": verifier, "w": wanted}
        return url, str(self._signer.dumps(kept))

    async def finish(self, kept: str, query: dict[str, str]) -> Answer:
        """Return the address that the provider vouches for, given its redirect's query."""
        try:
            begun = self._signer.loads(kept, max_age=self.lasts_s)
        except BadSignature:
            return Answer("/", refused="no sign-in was begun in this browser, or it took too long")
        refuse = partial(Answer, begun["w"], "")
        if not query.get("state") or query["state"] != begun["s"]:
            return refuse("the answer belongs to another sign-in")
        if "code" not in query:
            return refuse("the provider gave no code")
        try:
            claims = await self._claims(query["code"], begun["c"], begun["n"])
        except _ERRORS as error:
            return refuse(f"the provider's answer does not hold ({type(error).__name__})")
        if claims.get("email_verified") is not True:
            return refuse("the provider has not verified the address")
        address = str(claims.get("email") or "")
        if self._access.accounts.role_of_address(address) is None:
            return refuse("the address is not in DASHBOARD_OIDC_ALLOW")
        return Answer(begun["w"], address)

    async def _claims(self, code: str, verifier: str, nonce: str) -> dict[str, Any]:
        async with self._client() as client:
            metadata = await self._metadata(client)
            token = await client.fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
            )
            keys = await client.request("GET", metadata["jwks_uri"], withhold_token=True)
            keys.raise_for_status()
        decoded = jwt.decode(
            token["id_token"], KeySet.import_key_set(keys.json()), algorithms=_ALGORITHMS
        )
        ours = self._access.settings.oidc_client_id or ""
        jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": metadata["issuer"]},
            aud={"essential": True, "value": ours},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(decoded.claims)
        if decoded.claims.get("azp", ours) != ours:
            raise ValueError("the token was made for another application")
        return decoded.claims

    def _client(self) -> AsyncOAuth2Client:
        settings = self._access.settings
        return AsyncOAuth2Client(
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            scope="openid email",
            redirect_uri=self._redirect,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
        )

    async def _metadata(self, client: AsyncOAuth2Client) -> dict[str, Any]:
        answer = await client.request("GET", self._url, withhold_token=True)
        answer.raise_for_status()
        metadata = answer.json()
        if not isinstance(metadata, dict):
            raise ValueError("the provider does not describe itself")
        return metadata
