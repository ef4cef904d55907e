"""Credential helpers: programs named `docker-credential-<name>` that keep logins."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from buildkit_spec.errors import RegistryAuthError
from buildkit_spec.values import Credentials

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ABSENT = ("credentials not found", "no credentials server url", "no credentials username")
_IDENTITY_USER = "<token>"


def ask_helper(
    name: str, server: str, *, env: Mapping[str, str], timeout_s: float
) -> Credentials | None:
    """Ask a helper for the login of a server; None when it has none.

    Args:
        name: What follows ``docker-credential-`` in the program's name.
        server: The key it keeps the login under: a host, or Docker Hub's address.
        env: The environment it runs in; ``PATH`` says where it is.
        timeout_s: How long it may take, in seconds.

    Raises:
        RegistryAuthError: It is missing, fails, hangs, or its answer cannot be read; with its
            own words, never with its answer.

    Source: docker/docker-credential-helpers ``client/client.go``, ``credentials/error.go``:
    the server goes to standard input, failures are told on standard output.
    """
    import shutil
    import subprocess

    program = f"docker-credential-{name}"
    path = shutil.which(program, path=env.get("PATH")) if _NAME.fullmatch(name) else None
    if path is None:
        raise RegistryAuthError(
            f"the credential helper {program!r} for {server} is not on PATH",
            remedy=f"install it, or remove {name!r} from credsStore and credHelpers in "
            "Docker's config.json",
        )
    try:
        done = subprocess.run(  # noqa: S603 - the user's config names it; no shell in between
            [path, "get"],
            input=server.encode(),
            capture_output=True,
            env=dict(env),
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RegistryAuthError(
            f"the credential helper {program!r} for {server} did not answer in {timeout_s:g} s",
            remedy=f"printf %s {server} | {program} get",
        ) from error
    except OSError as error:
        raise RegistryAuthError(
            f"the credential helper {program!r} cannot be run: {error.strerror}",
            remedy=f"printf %s {server} | {program} get",
        ) from error
    if done.returncode != 0:
        said = _last_line(done.stdout) or _last_line(done.stderr)
        if any(text in said.lower() for text in _ABSENT):
            return None
        raise RegistryAuthError(
            f"the credential helper {program!r} failed for {server} with exit code "
            f"{done.returncode}: {said or 'it said nothing'}",
            remedy=f"printf %s {server} | {program} get",
        )
    return _read(program, server, done.stdout)


def _read(program: str, server: str, output: bytes) -> Credentials | None:
    try:
        answer = json.loads(output)
        username, secret = str(answer["Username"] or ""), str(answer["Secret"] or "")
    except (ValueError, KeyError, TypeError):
        # `from None`: the cause would show the secret.
        raise RegistryAuthError(
            f"the credential helper {program!r} gave no JSON with Username and Secret for {server}",
            remedy=f"check that {program} is a Docker credential helper",
        ) from None
    if not secret:
        return None
    if username == _IDENTITY_USER:
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret)


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return "".join(char for char in lines[-1].strip() if char.isprintable())[:200] if lines else ""
