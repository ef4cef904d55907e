"""The command that logs in to a registry: some have one of their own, which docker login is not."""

from __future__ import annotations

import re

from buildkit_spec.registry.hosts import canonical_host
from buildkit_spec.values import DOCKER_HUB

_OF_HOST = {
    r"(?:\d+\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws))": (
        "aws ecr get-login-password --region {0} | "
        "docker login --username AWS --password-stdin {host}"
    ),
    r"public\.ecr\.aws": (
        "aws ecr-public get-login-password --region us-east-1 | "
        "docker login --username AWS --password-stdin {host}"
    ),
    r"(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io)": "gcloud auth configure-docker {host}",
    r"([a-z0-9]+)(?:-[a-z0-9]+)?\.azurecr\.(?:io|cn|us)": ("az acr login --name {0}"),
}


def login_command(host: str) -> str:
    """Return what to run to log in to a registry.

    Args:
        host: With optional port.

    Source: *Private registry authentication* of Amazon ECR, *Configure authentication to Artifact
    Registry for Docker* of Google Cloud, *Authenticate with Azure Container Registry* of Azure.
    """
    host = canonical_host(host)
    if host == DOCKER_HUB:
        return "docker login"
    for pattern, command in _OF_HOST.items():
        if match := re.fullmatch(pattern, host):
            return command.format(*match.groups(), host=host)
    return f"docker login {host}"
