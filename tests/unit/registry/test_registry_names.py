"""The registries people use: what a name leads to, what its login is called, how one logs in."""

from __future__ import annotations

import pytest

from buildkit_spec.registry.hosts import api_host, helper_key, is_loopback
from buildkit_spec.registry.login_commands import login_command
from buildkit_spec.values import Reference

HUB = ("registry-1.docker.io", "https://index.docker.io/v1/")
ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
GAR = "europe-west3-docker.pkg.dev"


@pytest.mark.parametrize(
    ("name", "repository", "host", "key"),
    [
        ("debian", "library/debian", *HUB),
        ("team/app", "team/app", *HUB),
        ("docker.io/debian:12", "library/debian", *HUB),
        ("docker.io/library/debian", "library/debian", *HUB),
        ("index.docker.io/debian", "library/debian", *HUB),
        ("registry-1.docker.io/team/app", "team/app", *HUB),
        ("ghcr.io/owner/app:1", "owner/app", "ghcr.io", "ghcr.io"),
        (f"{ECR}/team/app:1", "team/app", ECR, ECR),
        ("public.ecr.aws/alias/app", "alias/app", "public.ecr.aws", "public.ecr.aws"),
        (f"{GAR}/project/repository/app", "project/repository/app", GAR, GAR),
        ("gcr.io/example.com/project/app", "example.com/project/app", "gcr.io", "gcr.io"),
        ("team.azurecr.io/app", "app", "team.azurecr.io", "team.azurecr.io"),
        ("quay.io/team/app", "team/app", "quay.io", "quay.io"),
        ("harbor.example/project/app", "project/app", "harbor.example", "harbor.example"),
        ("localhost/app", "app", "localhost", "localhost"),
        ("localhost:30000/app", "app", "localhost:30000", "localhost:30000"),
        ("127.0.0.1/app", "app", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:5000/team/app:1", "team/app", "127.0.0.1:5000", "127.0.0.1:5000"),
        ("[::1]:5000/app:1", "app", "[::1]:5000", "[::1]:5000"),
        ("[2001:db8::1]/app", "app", "[2001:db8::1]", "[2001:db8::1]"),
        ("registry:5000/app", "app", "registry:5000", "registry:5000"),
    ],
)
def test_name_leads_to_a_host_and_a_login(name: str, repository: str, host: str, key: str) -> None:
    """A name is a registry and a repository; only Docker Hub is asked and kept as another."""
    reference = Reference.parse(name)

    assert reference.repository == repository
    assert api_host(reference.registry) == host
    assert helper_key(reference.registry) == key


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("localhost:30000", True),
        ("[::1]:5000", True),
        ("127.0.0.1", True),
        ("registry:5000", False),
    ],
)
def test_plain_http_is_for_this_machine(registry: str, expected: bool) -> None:
    """A name without a dot is not loopback for that."""
    assert is_loopback(Reference.parse(f"{registry}/app").registry) is expected


@pytest.mark.parametrize(
    ("host", "command"),
    [
        ("docker.io", "docker login"),
        ("registry-1.docker.io", "docker login"),
        ("ghcr.io", "docker login ghcr.io"),
        ("localhost:30000", "docker login localhost:30000"),
        (
            ECR,
            "aws ecr get-login-password --region eu-central-1 | "
            f"docker login --username AWS --password-stdin {ECR}",
        ),
        (
            "1.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "aws ecr get-login-password --region us-gov-west-1 | docker login --username AWS "
            "--password-stdin 1.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
        ),
        (
            "public.ecr.aws",
            "aws ecr-public get-login-password --region us-east-1 | "
            "docker login --username AWS --password-stdin public.ecr.aws",
        ),
        (GAR, f"gcloud auth configure-docker {GAR}"),
        ("eu.gcr.io", "gcloud auth configure-docker eu.gcr.io"),
        ("team.azurecr.io", "az acr login --name team"),
        ("quay.io", "docker login quay.io"),
        ("evil-gcr.io", "docker login evil-gcr.io"),
        ("team.azurecr.io.example", "docker login team.azurecr.io.example"),
    ],
)
def test_login_command_is_the_registry_s_own(host: str, command: str) -> None:
    """Clouds have a command that makes the password; others take docker login."""
    assert login_command(host) == command
