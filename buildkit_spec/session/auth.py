"""Registry logins: the daemon gets tokens that we fetch, so that passwords stay here.

Source: ``session/auth/authprovider/authprovider.go``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from buildkit_spec._pb import auth as pb
from buildkit_spec._pb._method import Method
from buildkit_spec.session._call import Call, Handler
from buildkit_spec.values import BearerToken, Credentials

_SEED_BYTES = 32


class Logins(Protocol):
    """Somebody who knows the logins of this machine."""

    def credentials(self, host: str, repository: str = "") -> Credentials | None:
        """Return the login for a registry's host, or for a repository of it; None without one.

        Raises:
            RegistryAuthError: It cannot be told, such as when a credential helper fails.
        """

    def has_any(self, host: str) -> bool:
        """Whether there is a login for a registry's host, or for a part of it.

        Raises:
            RegistryAuthError: It cannot be told, such as when a credential helper fails.
        """

    def check_realm(self, host: str, realm: str, scopes: Sequence[str]) -> None:
        """Refuse to ask a token server that the registry does not name.

        Raises:
            RegistryError: It does not name it, or cannot be asked.
        """

    def fetch_token(
        self,
        *,
        host: str,
        realm: str,
        service: str,
        scopes: Sequence[str],
        client_id: str,
        credentials: Credentials | None,
    ) -> BearerToken:
        """Return a token of a registry's token server.

        Raises:
            RegistryError: The server gives none.
        """


class Auth:
    """Answers ``moby.filesync.v1.Auth``.

    Whoever proves to have the same login may share a token that the daemon keeps: the proof is a
    key made of a seed of this process, which only counts for hosts with a login.

    Args:
        logins: Knows the logins.
    """

    def __init__(self, logins: Logins) -> None:
        self._logins = logins
        self._seed = os.urandom(_SEED_BYTES)

    def methods(self) -> Mapping[Method[Any, Any], Handler]:
        """See `Attachable.methods`."""
        return {
            pb.Auth.Credentials: self._credentials,
            pb.Auth.FetchToken: self._fetch_token,
            pb.Auth.GetTokenAuthority: self._get_authority,
            pb.Auth.VerifyTokenAuthority: self._verify_authority,
        }

    def _credentials(self, call: Call[pb.CredentialsRequest, pb.CredentialsResponse]) -> None:
        for request in call.messages():
            login = self._logins.credentials(request.Host) or Credentials()
            # An empty user tells the daemon that the secret is an identity token.
            user = "" if login.identity_token else login.username
            call.send(pb.CredentialsResponse(Username=user, Secret=login.secret))

    def _fetch_token(self, call: Call[pb.FetchTokenRequest, pb.FetchTokenResponse]) -> None:
        for request in call.messages():
            scopes = tuple(request.Scopes)
            login = self._logins.credentials(request.Host, _repository(scopes))
            # Without a login too: it is from this machine that the server is asked.
            self._logins.check_realm(request.Host, request.Realm, scopes)
            token = self._logins.fetch_token(
                host=request.Host,
                realm=request.Realm,
                service=request.Service,
                scopes=scopes,
                client_id=request.ClientID,
                credentials=login,
            )
            # Without IssuedAt the daemon counts from now, by its own clock; with one by another
            # clock it keeps the token too long, or for ever (``util/resolver/authorizer.go``).
            call.send(pb.FetchTokenResponse(Token=token.value, ExpiresIn=token.expires_in_s))

    def _get_authority(
        self, call: Call[pb.GetTokenAuthorityRequest, pb.GetTokenAuthorityResponse]
    ) -> None:
        for request in call.messages():
            public = self._key(request.Host, request.Salt).public_key()
            call.send(pb.GetTokenAuthorityResponse(PublicKey=public.public_bytes_raw()))

    def _verify_authority(
        self, call: Call[pb.VerifyTokenAuthorityRequest, pb.VerifyTokenAuthorityResponse]
    ) -> None:
        for request in call.messages():
            signature = self._key(request.Host, request.Salt).sign(request.Payload)
            # As nacl has it: the signature, then what is signed.
            call.send(pb.VerifyTokenAuthorityResponse(Signed=signature + request.Payload))

    def _key(self, host: str, salt: bytes) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        seed = self._seed if self._logins.has_any(host) else b""
        return Ed25519PrivateKey.from_private_bytes(hmac.digest(salt, seed, hashlib.sha256))


def _repository(scopes: Sequence[str]) -> str:
    """Return whose login a token needs: what is pushed to, else what is pulled from.

    A push may ask for a second repository too, which has some of the layers already.
    """
    parts = [scope.split(":") for scope in scopes if scope.startswith("repository:")]
    named = sorted(parts, key=lambda one: "push" not in one[-1])
    return named[0][1] if named else ""
