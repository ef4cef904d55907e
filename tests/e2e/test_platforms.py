"""Images for several platforms, arm64 being emulated here."""

from __future__ import annotations

import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forwarder import Forwarder
from making import MakeSpec
from pulled import ACCEPT, PulledImage, get, pull
from registries import RunningRegistry, push_image

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.client import Address
from buildkit_spec.errors import ExecError, ImageNotFoundError, ResolutionError
from buildkit_spec.values import Platform, Reference
from buildkit_spec.values.status import BuildWarning

BOTH = "linux/amd64,linux/arm64"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

# An ELF header of s390x: 64 bit, big endian.
FOREIGN_PROGRAM = bytes.fromhex("7f454c4602020100" + "00" * 8 + "00020016") + bytes(400)


@pytest.fixture(name="both")
def _both(spec: MakeSpec, multi_base: str) -> ImageSpec:
    """A spec of something of everything, for both platforms; always the same but for its name."""
    return spec(
        base_image=multi_base,
        platform=BOTH,
        packages=["six==1.17.0", "markupsafe==3.0.2"],
        apt_packages=["tree"],
        copy=["greeting.txt"],
        commands=["uname -m > /machine"],
    )


@pytest.fixture(autouse=True)
def _greeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greeting.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)


def read_index(reference: Reference) -> dict[str, Any]:
    """Return what the registry has under the reference's digest."""
    url = f"http://{reference.registry}/v2/{reference.repository}/manifests/{reference.digest}"
    index: dict[str, Any] = json.loads(get(url, ACCEPT))
    return index


def check_image(image: PulledImage, architecture: str) -> None:
    """Config, packages, command and file are of and for the architecture."""
    machine = MACHINES[architecture]
    assert image.config["architecture"] == architecture
    assert image.path("/machine").read_text() == f"{machine}\n"
    assert image.path("/root/greeting.txt").read_text() == "hello"
    library = "import six, markupsafe._speedups as library; print(library.__file__)"
    assert image.run("python3", "-c", library).stdout.endswith(f"-{machine}-linux-gnu.so\n")
    assert image.run("tree", "--version").stdout.startswith("tree v")
    owner = image.run("dpkg-query", "--show", "--showformat=${Architecture}", "tree")
    assert owner.stdout == architecture


def test_platforms_of_one_spec_are_one_index(
    builder: BuildkitBuilder, both: ImageSpec, tmp_path: Path
) -> None:
    """One index has an image for each platform, with that platform's programs; nothing is mixed."""
    warnings: list[BuildWarning] = []
    assert not builder.exists(both)
    built = builder.build(both, on_status=lambda update: warnings.extend(update.warnings))
    index = read_index(built.reference)

    assert warnings == []
    assert built.platforms == (Platform("linux", "amd64"), Platform("linux", "arm64"))
    listed = [entry["platform"] for entry in index["manifests"]]
    assert listed == [{"architecture": one, "os": "linux"} for one in MACHINES]
    for architecture in MACHINES:
        image = pull(str(built.reference), tmp_path / architecture, architecture)
        check_image(image, architecture)
    assert builder.exists(both)


def test_platforms_built_again_are_cached(builder: BuildkitBuilder, both: ImageSpec) -> None:
    """A second build runs no step on either platform and pushes the same index."""
    first = builder.build(both)
    again = builder.build(both, force=True)

    assert again.digest == first.digest
    assert [step.name for step in again.steps if not step.is_cached] == []
    for platform in BOTH.split(","):
        assert any(step.name.startswith(f"[{platform} apt]") for step in again.steps)


def test_platform_that_is_foreign_can_be_alone(
    builder: BuildkitBuilder, both: ImageSpec, tmp_path: Path
) -> None:
    """An image for arm64 alone is that of the index, without one; its steps are those of it."""
    index = read_index(builder.build(both).reference)
    warnings: list[BuildWarning] = []
    built = builder.build(
        both.replace(platform="linux/arm64"),
        on_status=lambda update: warnings.extend(update.warnings),
    )
    image = pull(str(built.reference), tmp_path / "arm64")

    assert warnings == []
    check_image(image, "arm64")
    assert "manifests" not in image.manifest
    assert [step.name for step in built.steps if not step.is_cached] == []
    (other,) = [e for e in index["manifests"] if e["platform"]["architecture"] == "arm64"]
    url = f"{built.reference.registry}/v2/{built.reference.repository}/manifests/{other['digest']}"
    layers = json.loads(get(f"http://{url}", ACCEPT))["layers"]
    assert image.manifest["layers"] == layers


@pytest.fixture(name="pool")
def _pool(buildkit_host: str, tmp_path: Path) -> Iterator[BuildkitBuilder]:
    """A builder for each platform; as this machine has one kind of processor, both are its own."""
    socket = Address.parse(buildkit_host).path
    with Forwarder(socket) as amd64, Forwarder(socket) as arm64:
        config = tmp_path / "config" / "buildkit-spec" / "config.toml"
        config.parent.mkdir(parents=True)
        nodes = ", ".join(
            f'{{address = "docker://tcp://127.0.0.1:{one.port}", platform = "{platform}"}}'
            for one, platform in zip((amd64, arm64), BOTH.split(","), strict=True)
        )
        config.write_text(f"[builders.pool]\naddress = [{nodes}]\n")
        env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
        yield BuildkitBuilder(builder="pool", env=env)


def test_platforms_are_each_built_by_the_builder_that_has_them(
    builder: BuildkitBuilder, pool: BuildkitBuilder, both: ImageSpec
) -> None:
    """The index of two builders is, byte for byte, that of one that builds both platforms."""
    apart = pool.build(both)
    together = builder.build(both, force=True)

    assert apart.address.count("docker://tcp://127.0.0.1:") == 2
    assert apart.digest == together.digest
    assert apart.platforms == together.platforms
    assert pool.exists(both)
    assert not pool.build(both).was_built


def test_platforms_built_apart_are_attested_too(pool: BuildkitBuilder, both: ImageSpec) -> None:
    """What attests the images is in the one index, after them, and so are its annotations."""
    attested = both.replace(packages=None, apt_packages=None).with_builder_options(
        {"provenance": "min", "annotations": {"index:org.example.of": "two"}}
    )
    index = read_index(pool.build(attested).reference)

    systems = [one["platform"]["os"] for one in index["manifests"]]
    assert systems == ["linux", "linux", "unknown", "unknown"]
    assert index["annotations"] == {"org.example.of": "two"}


def test_platform_that_fails_apart_leaves_the_old_index(
    pool: BuildkitBuilder, both: ImageSpec
) -> None:
    """Nothing comes under the image's name when one of two builders fails."""
    plain = both.replace(packages=None, apt_packages=None, tag_format="stable")
    before = pool.build(plain).digest
    with pytest.raises(ExecError, match="linux/arm64") as caught:
        pool.build(plain.replace(commands=['test "$(uname -m)" = x86_64']), force=True)

    assert caught.value.platform == "linux/arm64"
    reference = Reference.parse(plain.image_name())
    assert pool.registry.digest(reference) == before


def test_platforms_are_locked_together(builder: BuildkitBuilder, both: ImageSpec) -> None:
    """One lock has every platform's own wheels, and what only one of them wants."""
    only_arm = "tabulate==0.9.0; platform_machine == 'aarch64'"
    text = builder.lock(both.with_packages(only_arm))

    for machine in MACHINES.values():
        assert f"manylinux2014_{machine}.whl" in text
    assert 'marker = "platform_machine == \\"aarch64\\""' in text
    assert json.dumps(BOTH.split(","))[1:-1] in " ".join(text.split())


def test_platforms_are_built_from_their_lock(
    builder: BuildkitBuilder, both: ImageSpec, tmp_path: Path
) -> None:
    """Each installs its own wheel, and only one of them what only that one wants."""
    only_arm = "tabulate==0.9.0; platform_machine == 'aarch64'"
    path = tmp_path / "pylock.both.toml"
    wanted = both.replace(apt_packages=None, commands=None).with_packages(only_arm).with_lock(path)
    path.write_text(builder.lock(wanted))
    built = builder.build(wanted.locked())

    find = "import markupsafe._speedups as library; print(library.__file__)"
    for architecture, machine in MACHINES.items():
        image = pull(str(built.reference), tmp_path / architecture, architecture)
        assert image.run("python3", "-c", find).stdout.endswith(f"-{machine}-linux-gnu.so\n")
        more = "from importlib.util import find_spec as f; print(f('tabulate') is not None)"
        assert image.run("python3", "-c", more).stdout == f"{architecture == 'arm64'}\n"


def test_platforms_hold_for_a_base_that_is_a_spec(
    builder: BuildkitBuilder, both: ImageSpec, tmp_path: Path
) -> None:
    """A base spec without a registry is built in the same graph, for the outer spec's platforms."""
    plain = both.replace(packages=None, apt_packages=None)
    base = plain.replace(name="base", registry=None, platform=None)
    built = builder.build(plain.replace(base_image=base, commands=["cp /machine /seen"]))

    for architecture, machine in MACHINES.items():
        image = pull(str(built.reference), tmp_path / architecture, architecture)
        assert image.path("/seen").read_text() == f"{machine}\n"


def test_platforms_are_each_attested(builder: BuildkitBuilder, both: ImageSpec) -> None:
    """Provenance is in the index for each platform, and the image still counts as being there."""
    attested = both.replace(packages=None, apt_packages=None).with_builder_options(
        {"provenance": "min"}
    )
    entries = read_index(builder.build(attested).reference)["manifests"]

    images = [one["digest"] for one in entries if one["platform"]["os"] == "linux"]
    about = "vnd.docker.reference.digest"
    assert len(images) == 2
    assert images == [one["annotations"][about] for one in entries if "annotations" in one]
    assert builder.exists(attested)


def test_platforms_are_all_asked_for_by_exists(builder: BuildkitBuilder, both: ImageSpec) -> None:
    """An index that lacks a platform is not the spec's image."""
    builder.build(both)
    reference = Reference.parse(both.image_name())
    registry = builder.registry_for(both)
    platforms = [*both.platforms(), Platform("linux", "s390x")]

    assert registry.exists(reference, platforms=both.platforms())
    assert not registry.exists(reference, platforms=platforms)


def test_platform_on_which_a_command_fails_is_named(
    builder: BuildkitBuilder, both: ImageSpec
) -> None:
    """A command that fails on one platform ends the build, and the error says on which."""
    with pytest.raises(ExecError) as caught:
        builder.build(both.replace(commands=['test "$(uname -m)" = x86_64']))

    assert caught.value.platform == "linux/arm64"
    assert "linux/arm64 commands[0]" in caught.value.message
    assert caught.value.source == "commands[0]"
    assert not builder.exists(both)


def test_platform_without_a_resolution_is_named(builder: BuildkitBuilder, both: ImageSpec) -> None:
    """A requirement for one platform alone that has no solution says which platform it is of."""
    only_arm = "six==0.0.1; platform_machine == 'aarch64'"
    with pytest.raises(ResolutionError) as caught:
        builder.plan(both.replace(packages=[only_arm]))

    assert caught.value.message.startswith("linux/arm64: the Python packages cannot be resolved")
    assert caught.value.platform == "linux/arm64"


def test_platform_that_the_base_lacks_is_named(builder: BuildkitBuilder, spec: MakeSpec) -> None:
    """A base image for one platform only is no base for two."""
    with pytest.raises(ImageNotFoundError, match="for linux/arm64"):
        builder.build(spec(platform=BOTH, packages=["six"]))


def test_platform_that_nobody_runs_is_an_error_with_a_remedy(
    builder: BuildkitBuilder, spec: MakeSpec, registry: str
) -> None:
    """The first program of a platform that is not emulated fails: what to install is said."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        shell = tarfile.TarInfo("bin/sh")
        shell.mode, shell.size = 0o755, len(FOREIGN_PROGRAM)
        archive.addfile(shell, io.BytesIO(FOREIGN_PROGRAM))
    name, platform = f"e2e-{uuid.uuid4().hex[:12]}/base", "linux/s390x"
    here = RunningRegistry(registry, Path())
    push_image(here, name, "1", platform=platform, layer=packed.getvalue())
    with pytest.raises(ExecError) as caught:
        builder.build(
            spec(base_image=f"{registry}/{name}:1", platform=platform, apt_packages=["tree"])
        )

    assert caught.value.message.endswith("cannot run programs for linux/s390x")
    assert caught.value.log_tail == ("exec /bin/sh: exec format error",)
    assert "qemu-user-static" in caught.value.remedy


def test_platform_that_nobody_runs_is_built_when_nothing_is_run(
    builder: BuildkitBuilder, spec: MakeSpec, tmp_path: Path
) -> None:
    """Files, environment and entrypoint need no program, so any platform is fine."""
    made = spec(base_image="scratch", platform="linux/s390x", copy=["greeting.txt"])
    image = pull(str(builder.build(made).reference), tmp_path / "image")

    assert image.config["architecture"] == "s390x"
    assert image.path("/root/greeting.txt").read_text() == "hello"
