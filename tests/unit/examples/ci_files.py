"""The files of examples/ci and Compose, and what is inside them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]
CI = ROOT / "examples" / "ci"
COMPOSE = ROOT / "docker-compose.yml"
GITHUB = CI / "github-actions.yml"
GITLAB = CI / "gitlab-ci.yml"
JENKINS = CI / "Jenkinsfile"
UNIT = CI / "vm" / "buildkitd.service"
MANIFESTS = sorted((CI / "kubernetes").glob("*.yaml"))
TOMLS = [ROOT / "compose" / "buildkitd.toml", CI / "vm" / "buildkitd.toml"]
YAMLS = [COMPOSE, GITHUB, GITLAB, *MANIFESTS]
FILES = [*YAMLS, JENKINS, UNIT, *TOMLS]


def documents(file: Path) -> list[dict[str, Any]]:
    """All documents of a YAML file."""
    return [one for one in yaml.safe_load_all(file.read_text()) if one]


def manifests(kind: str) -> list[dict[str, Any]]:
    """All Kubernetes objects of a kind."""
    return [one for file in MANIFESTS for one in documents(file) if one["kind"] == kind]


def configs() -> dict[str, dict[str, Any]]:
    """All buildkitd.toml, also those inside of a ConfigMap, by the file that has it."""
    found = {str(file.relative_to(ROOT)): tomllib.loads(file.read_text()) for file in TOMLS}
    for one in manifests("ConfigMap"):
        for name, text in one["data"].items():
            if name.endswith(".toml"):
                found[f"ConfigMap {one['metadata']['name']}"] = tomllib.loads(text)
    return found


def pods() -> Iterator[dict[str, Any]]:
    """What a Job or a StatefulSet starts."""
    for kind in ("Job", "StatefulSet"):
        for one in manifests(kind):
            yield one["spec"]["template"]["spec"]


def containers() -> Iterator[dict[str, Any]]:
    """All containers of all pods."""
    for pod in pods():
        yield from [*pod.get("initContainers", ()), *pod["containers"]]


def texts(value: object) -> Iterator[str]:
    """All texts inside a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
