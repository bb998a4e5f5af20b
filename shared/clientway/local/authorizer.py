"""API Gateway's JWT authorizer: checks a bearer token against the issuer's published keys."""

import json
import os
import threading
import urllib.request
from typing import Any

import jwt

# What API Gateway accepts: RSA signatures only.
_ALGORITHMS = ["RS256", "RS384", "RS512"]
_TIMEOUT_SECONDS = 5


class JwtAuthorizer:
    """Verifies tokens of one issuer for one audience; without an issuer every token is refused."""

    def __init__(self, issuer: str, audience: str, jwks_url: str = "") -> None:
        """Without `jwks_url`, the issuer's discovery document is asked for it at the first token."""
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._keys: jwt.PyJWKClient | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls) -> "JwtAuthorizer":
        """Read OIDC_ISSUER, OIDC_AUDIENCE and OIDC_JWKS_URL (default: what the issuer's discovery document names)."""
        return cls(os.environ.get("OIDC_ISSUER", ""), os.environ.get("OIDC_AUDIENCE", ""), os.environ.get("OIDC_JWKS_URL", ""))

    def __call__(self, header: str | None) -> dict[str, str] | None:
        """Return the claims of an Authorization header's token, all as text as the gateway passes them, or None to refuse."""
        scheme, _, token = (header or "").strip().rpartition(" ")
        if not self._issuer or not self._audience or not token or scheme.strip().lower() not in {"", "bearer"}:
            return None
        try:
            key = self._client().get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token, key, algorithms=_ALGORITHMS, issuer=self._issuer, options={"require": ["exp", "iss"], "verify_aud": False}
            )
        except (jwt.PyJWTError, OSError, ValueError):
            return None
        # Access tokens of Cognito have no `aud`; the gateway then compares `client_id`.
        audience = claims.get("aud", claims.get("client_id"))
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            return None
        return {name: _as_text(value) for name, value in claims.items()}

    def _client(self) -> jwt.PyJWKClient:
        with self._lock:
            if self._keys is None:
                url = self._jwks_url or self._discover()
                self._keys = jwt.PyJWKClient(url, timeout=_TIMEOUT_SECONDS)
            return self._keys

    def _discover(self) -> str:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310  the operator's own setting
            return str(json.load(response)["jwks_uri"])


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{' '.join(_as_text(item) for item in value)}]"
    return value if isinstance(value, str) else json.dumps(value)
