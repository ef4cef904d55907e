"""The image config: inherited from the base, changed where the spec says, written as OCI wants."""

from __future__ import annotations

import json

import pytest

from buildkit_spec.errors import GraphError
from buildkit_spec.plan.image_config import DEFAULT_PATH, ImageConfig
from buildkit_spec.values import Platform

AMD64 = Platform("linux", "amd64")
CREATED = "1970-01-01T00:00:00Z"

BASE = {
    "architecture": "amd64",
    "os": "linux",
    "author": "somebody",
    "config": {
        "Env": ["PATH=/opt/bin", "LANG=C.UTF-8", "EMPTY="],
        "Entrypoint": ["/init"],
        "Cmd": ["serve", "now"],
        "User": "app",
        "WorkingDir": "/srv",
        "Labels": {"a": "1"},
        "ExposedPorts": {"80/tcp": {}},
    },
    "history": [{"created_by": "base"}],
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]},
}


def written(config: ImageConfig) -> dict[str, object]:
    document: dict[str, object] = json.loads(config.to_json(AMD64, created=CREATED))
    return document


def test_config_written_again_is_the_base_config() -> None:
    """Members that we do not know are kept: ports, author, history."""
    config = ImageConfig.parse(json.dumps(BASE).encode())

    assert written(config) == {**BASE, "created": CREATED}


def test_config_environment_keeps_its_order_and_takes_the_spec_value() -> None:
    """A variable that is set anew stays at its place; a new one goes to the end."""
    config = ImageConfig.parse(json.dumps(BASE).encode()).with_env({"LANG": "de", "NEW": "a b"})

    env = written(config)["config"]["Env"]  # type: ignore[index]

    assert env == ["PATH=/opt/bin", "LANG=de", "EMPTY=", "NEW=a b"]


def test_config_with_another_entrypoint_drops_the_arguments_of_the_old_one() -> None:
    """The base's Cmd are arguments for the base's entrypoint, as `docker build` has it."""
    config = ImageConfig.parse(json.dumps(BASE).encode()).with_entrypoint(["python3"])

    assert (config.entrypoint, config.cmd) == (("python3",), None)


def test_config_with_an_empty_entrypoint_clears_it() -> None:
    """An empty list in the spec means no entrypoint."""
    config = ImageConfig.parse(json.dumps(BASE).encode()).with_entrypoint([])

    assert "Entrypoint" not in written(config)["config"]  # type: ignore[operator]


def test_config_of_an_image_without_one_has_the_usual_path() -> None:
    """An empty config stands for defaults."""
    assert ImageConfig.parse(b"").path == DEFAULT_PATH


@pytest.mark.parametrize("data", [b"[]", b"nonsense", b'{"config": 3}', b'{"config":{"Env":[1]}}'])
def test_config_of_another_form_is_refused_with_the_image_named(data: bytes) -> None:
    """A broken config document is our error, with its origin."""
    with pytest.raises(GraphError, match="python:3"):
        ImageConfig.parse(data, origin="python:3")


def test_config_platform_with_a_variant_is_written() -> None:
    """The variant stands beside the architecture."""
    document = json.loads(ImageConfig().to_json(Platform("linux", "arm", "v7"), created=CREATED))

    assert (document["architecture"], document["variant"]) == ("arm", "v7")
