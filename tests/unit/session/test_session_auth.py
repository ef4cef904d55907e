"""Logins are answered so that passwords stay here wherever the daemon can do without."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from session_peer import Served

from buildkit_spec._pb import auth as pb
from buildkit_spec.errors import RegistryAuthError
from buildkit_spec.session import Auth
from buildkit_spec.values import BearerToken, Credentials


class FixedLogins:
    """One host with a password, one with an identity token, one whose helper fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, tuple[str, ...], str]] = []

    def credentials(self, host: str, repository: str = "") -> Credentials | None:
        if host == "parts.test" and repository == "team/app":
            return Credentials("team", "secret")
        if host == "broken.test":
            raise RegistryAuthError("the credential helper failed: locked")
        known = {
            "password.test": Credentials("me", "secret"),
            "identity.test": Credentials("me", identity_token="refresh"),
        }
        return known.get(host)

    def has_any(self, host: str) -> bool:
        return host == "parts.test" or self.credentials(host) is not None

    def check_realm(self, host: str, realm: str, scopes: Sequence[str]) -> None:
        if realm.startswith("https://thief.test"):
            raise RegistryAuthError(f"{host} does not name it")

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
        self.asked.append((host, realm, service, tuple(scopes), client_id))
        assert credentials == self.credentials(host, "team/app")
        return BearerToken("token", 300)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("password.test", ("me", "secret")),
        ("identity.test", ("", "refresh")),
        ("unknown.test", ("", "")),
    ],
)
def test_credentials_are_those_of_the_host(
    serve: Callable[..., Served], host: str, expected: tuple[str, str]
) -> None:
    """An identity token goes without a user; a host without a login is anonymous."""
    served = serve(Auth(FixedLogins()))
    answer = served.unary(pb.Auth.Credentials, pb.CredentialsRequest(Host=host))

    assert (answer.Username, answer.Secret) == expected


def test_login_that_cannot_be_told_is_an_error_of_the_session(
    serve: Callable[..., Served],
) -> None:
    """The daemon is told, and the builder finds the cause."""
    served = serve(Auth(FixedLogins()))

    with pytest.raises(grpc.RpcError, match="credential helper failed"):
        served.unary(pb.Auth.Credentials, pb.CredentialsRequest(Host="broken.test"))

    assert isinstance(served.failures[0], RegistryAuthError)


def test_token_is_fetched_here(serve: Callable[..., Served]) -> None:
    """The daemon names realm and scopes, and gets a token instead of a password, and no time."""
    logins = FixedLogins()
    request = pb.FetchTokenRequest(
        ClientID="daemon",
        Host="password.test",
        Realm="https://auth.test/token",
        Service="registry",
        Scopes=["repository:a/b:pull"],
    )
    answer = serve(Auth(logins)).unary(pb.Auth.FetchToken, request)

    assert (answer.Token, answer.ExpiresIn, answer.IssuedAt) == ("token", 300, 0)
    assert logins.asked == [
        (
            "password.test",
            "https://auth.test/token",
            "registry",
            ("repository:a/b:pull",),
            "daemon",
        )
    ]


def test_token_for_a_part_of_a_registry_is_fetched_with_the_login_of_that_part(
    serve: Callable[..., Served],
) -> None:
    """The scope that is pushed to says whose login it is; it is shared with nobody."""
    scopes = ["repository:other/app:pull", "repository:team/app:pull,push"]
    request = pb.FetchTokenRequest(
        Host="parts.test", Realm="https://auth.test/token", Scopes=scopes
    )
    first, second = serve(Auth(FixedLogins())), serve(Auth(FixedLogins()))

    assert first.unary(pb.Auth.FetchToken, request).Token == "token"
    assert _authority(first, "parts.test", b"s") != _authority(second, "parts.test", b"s")


def test_token_server_of_somebody_else_gets_no_login(serve: Callable[..., Served]) -> None:
    """Where the daemon wants a login sent is checked before anything is sent."""
    logins = FixedLogins()
    request = pb.FetchTokenRequest(Host="password.test", Realm="https://thief.test/token")

    with pytest.raises(grpc.RpcError, match="does not name it"):
        serve(Auth(logins)).unary(pb.Auth.FetchToken, request)
    assert logins.asked == []


def _authority(served: Served, host: str, salt: bytes) -> bytes:
    request = pb.GetTokenAuthorityRequest(Host=host, Salt=salt)
    key: bytes = served.unary(pb.Auth.GetTokenAuthority, request).PublicKey
    return key


def test_authority_signs_with_the_key_it_gave(serve: Callable[..., Served]) -> None:
    """The answer is the signature and then the payload; the key verifies it."""
    served = serve(Auth(FixedLogins()))
    key = _authority(served, "password.test", b"salt")
    request = pb.VerifyTokenAuthorityRequest(
        Host="password.test", Payload=b"challenge", Salt=b"salt"
    )
    signed = served.unary(pb.Auth.VerifyTokenAuthority, request).Signed

    Ed25519PublicKey.from_public_bytes(key).verify(signed[:64], b"challenge")
    assert signed[64:] == b"challenge"


def test_authority_of_a_login_is_this_process_own(serve: Callable[..., Served]) -> None:
    """Two processes share tokens of anonymous hosts only."""
    first, second = serve(Auth(FixedLogins())), serve(Auth(FixedLogins()))

    assert _authority(first, "unknown.test", b"s") == _authority(second, "unknown.test", b"s")
    assert _authority(first, "password.test", b"s") == _authority(first, "password.test", b"s")
    assert _authority(first, "password.test", b"s") != _authority(second, "password.test", b"s")
    assert _authority(first, "password.test", b"s") != _authority(first, "password.test", b"t")
