"""Registry logins: what a user has, and what a token server gives for it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login for one registry host. Its text form never shows the secret.

    Attributes:
        username: Empty for an identity token.
        password: Password or access token; empty when there is none.
        identity_token: OAuth2 refresh token; empty when there is none.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def secret(self) -> str:
        """The identity token when there is one, else the password."""
        return self.identity_token or self.password


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token a registry's token server gave.

    Attributes:
        value: Goes behind ``Authorization: Bearer``; never shown.
        expires_in_s: How long it lasted when it came, in seconds; at least one. No point in time:
            the clocks of those who handle it may differ.
    """

    value: str = field(repr=False)
    expires_in_s: int = 60
