"""Three generations of Docker Engine, with and without the containerd image store, build the same.

The main engine is the reference: the newest, with the store. Without it an Engine pushes through
its own API.
"""

from __future__ import annotations

import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines import (
    GRAPH_KINDS,
    KINDS,
    RunningEngine,
    Tree,
    differences,
    removed_tree,
    running_engine,
)
from failing import cli, digest_of, docker_config, fails, image_kept, unique
from pulled import pull
from registries import RunningRegistry, basic, htpasswd_auth, push_image, running_registry

from buildkit_spec import BuildkitBuilder, ImageSpec
from buildkit_spec.errors import (
    ExecError,
    RegistryAuthError,
    SolveCanceledError,
    UnsupportedCapabilityError,
)
from buildkit_spec.values import Reference, StatusUpdate
from buildkit_spec.values.output_text import parse_output

each_engine = pytest.mark.parametrize("engine", KINDS, ids=str, indirect=True, scope="module")
each_graph_engine = pytest.mark.parametrize(
    "engine", GRAPH_KINDS, ids=str, indirect=True, scope="module"
)

MakeFull = Callable[[str], ImageSpec]
"""Makes the spec that every Engine builds, in a repository of its own."""

MakeSmall = Callable[..., ImageSpec]
"""Makes a spec that builds in no time, for a registry; by default the engine's."""


@pytest.fixture(scope="module", name="engine")
def _engine_of_kind(request: pytest.FixtureRequest, _engine: None) -> Iterator[RunningEngine]:
    """An Engine of the kind asked for; it is up only while its tests run."""
    with running_engine(request.param) as running:
        yield running


@pytest.fixture(scope="module", name="full")
def _full(registry: str, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> MakeFull:
    project = tmp_path_factory.mktemp("project")
    (project / "main.py").write_text("import humanize\nprint(humanize.intcomma(1234567))\n")
    (project / "run.sh").write_text("#!/bin/sh\nexec tree --version\n")
    (project / "run.sh").chmod(0o755)
    (project / "link").symlink_to("main.py")
    run = unique()

    def make(name: str) -> ImageSpec:
        return ImageSpec(
            name="full",
            registry=f"{registry}/engines-{run}/{name}",
            base_image=base_image,
            packages=["humanize"],
            apt_packages=["tree"],
            env={"MODE": "engines"},
            # The last of them is new in each run.
            commands=[
                "umask 027 && mkdir -p /made/deep && echo a > /made/deep/a",
                "ln /made/deep/a /made/hard && ln -s deep/a /made/soft && rm -r /srv",
                f"chown 12:34 /made/deep/a && chmod 4750 /made/deep/a && echo {run} > /made/run",
            ],
            source_root=str(project),
        )

    return make


@pytest.fixture(scope="module", name="small")
def _small(registry: str, tmp_path_factory: pytest.TempPathFactory) -> MakeSmall:
    """Files on an empty base: quick to build, and to push to a registry that has nothing."""
    run = unique()
    push_image(RunningRegistry(registry, Path()), f"engines-{run}/empty", "1")
    project = tmp_path_factory.mktemp("small")
    (project / "data").write_text(run)

    def make(target: str = registry) -> ImageSpec:
        return ImageSpec(
            name="small",
            registry=f"{target}/engines-{unique()}",
            base_image=f"{registry}/engines-{run}/empty:1",
            source_root=str(project),
        )

    return make


@pytest.fixture(scope="module", name="reference")
def _reference(
    buildkit_host: str, full: MakeFull, tmp_path_factory: pytest.TempPathFactory
) -> Tree:
    """The file system as the main engine builds it."""
    result = BuildkitBuilder(buildkit_host).build(full("main"))
    image = pull(str(result.reference), tmp_path_factory.mktemp("main") / "root")
    return removed_tree(image.rootfs)


@each_engine
def test_engine_builds_what_the_main_one_builds(
    engine: RunningEngine, full: MakeFull, reference: Tree, tmp_path: Path
) -> None:
    """The image that comes back from the registry has the same files, and it runs."""
    builder, spec = engine.builder(), full(str(engine.kind))
    assert not builder.exists(spec)
    result = builder.build(spec)
    image = pull(str(result.reference), tmp_path / "root")

    assert image.env["MODE"] == "engines"
    assert image.run("python", "main.py").stdout == "1,234,567\n"
    assert "tree v" in image.run("./run.sh").stdout
    assert result.was_pushed
    assert str(result.digest) == image.digest == str(digest_of(spec))
    assert differences(reference, removed_tree(image.rootfs)) == []


@each_engine
def test_engine_has_nothing_to_do_for_what_is_there(engine: RunningEngine, full: MakeFull) -> None:
    """What is in the registry is not built again; made anew, it comes from the cache, the same."""
    builder, spec = engine.builder(), full(str(engine.kind))
    first = builder.build(spec)
    second = builder.build(spec)
    third = builder.build(spec, force=True)

    assert builder.exists(spec)
    assert not second.was_built
    assert first.digest == second.digest == third.digest == digest_of(spec)
    assert [step.name for step in third.steps if not step.is_cached] == []


@each_engine
def test_engine_says_which_step_failed(engine: RunningEngine, full: MakeFull) -> None:
    """A step that fails is named, with its exit code and last words; the image stays as it was."""
    spec = full(str(engine.kind)).replace(
        name="failing", commands=["true", f"echo {unique()}; echo last words >&2; exit 7"]
    )
    error = fails(engine.builder(), spec, ExecError)

    assert error.exit_code == 7
    assert error.source == "commands[1]"
    assert "last words" in error.log_tail  # its two streams may come in either order


@each_engine
def test_engine_push_that_is_cancelled_leaves_the_image(
    engine: RunningEngine, registry: str, base_image: str
) -> None:
    """A build that is cancelled while it pushes ends, and the registry has what it had."""
    builder = engine.builder()
    spec = ImageSpec(
        name="big",
        registry=f"{registry}/engines-{unique()}",
        base_image=base_image,
        commands=[f"head -c 50000000 /dev/urandom > /big; echo {unique()}"],
    )
    cancelling: list[threading.Thread] = []

    def on_status(update: StatusUpdate) -> None:
        names = [one.name for one in update.vertices] + [one.id for one in update.transfers]
        if not cancelling and any("pushing" in name for name in names):
            cancelling.append(threading.Thread(target=builder.cancel))
            cancelling[0].start()

    with image_kept(spec), pytest.raises(SolveCanceledError):
        builder.build(spec, force=True, on_status=on_status)
    cancelling[0].join()


@each_engine
def test_engine_is_described(engine: RunningEngine) -> None:
    """``info`` fills every line for every generation, and says who pushes."""
    told = cli("info", "--addr", engine.address)

    lines = dict(line.split(":", 1) for line in told.stdout.splitlines())
    assert told.returncode == 0, told.stderr
    assert all(value.strip() for value in lines.values())
    assert ("API" in lines["pushes"]) is (engine.kind in GRAPH_KINDS)
    assert lines["mergeop"].strip() == ("no" if engine.kind in GRAPH_KINDS else "yes")


@each_engine
def test_engine_pushes_with_the_login_of_this_machine(
    engine: RunningEngine, small: MakeSmall, tmp_path: Path
) -> None:
    """A registry that wants a login gets this machine's, whoever pushes."""
    login = {"Authorization": basic()}
    auth = htpasswd_auth(tmp_path / "auth")
    with running_registry(tmp_path / "private", auth=auth, pushing=login) as private:
        spec = small(private.host)
        env = docker_config(tmp_path / "docker", {private.host: basic()})
        builder = engine.builder(DOCKER_CONFIG=env["DOCKER_CONFIG"])
        result = builder.build(spec)

        assert result.digest == builder.registry.digest(result.reference)


@each_graph_engine
def test_engine_push_without_a_login_is_refused(
    engine: RunningEngine, small: MakeSmall, tmp_path: Path
) -> None:
    """What the registry refuses is its error, with what to do; it keeps the image it had."""
    login = {"Authorization": basic()}
    auth = htpasswd_auth(tmp_path / "auth")
    with running_registry(tmp_path / "private", auth=auth, pushing=login) as private:
        spec = small(private.host)
        name = Reference.parse(spec.image_name())
        before = push_image(private, name.repository, name.tag)
        env = docker_config(tmp_path / "docker", {})
        with pytest.raises(RegistryAuthError) as caught:
            engine.builder(DOCKER_CONFIG=env["DOCKER_CONFIG"]).build(spec, force=True)

        path = f"/v2/{name.repository}/manifests/{name.tag}"
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        after = private.call("HEAD", path, headers=accept).headers["Docker-Content-Digest"]
    assert caught.value.reference == str(name)
    assert f"docker login {private.host}" in caught.value.remedy
    assert before == after


@each_graph_engine
def test_engine_shows_its_push_as_a_step(engine: RunningEngine, small: MakeSmall) -> None:
    """The push is a step of the status stream, with transfers that end."""
    updates: list[StatusUpdate] = []
    spec = small()
    engine.builder().build(spec, on_status=updates.append)

    steps = [one for update in updates for one in update.vertices if "through the" in one.name]
    moved = [one for update in updates for one in update.transfers if "layer" in one.id]
    assert steps[0].started is not None
    assert steps[0].completed is None
    assert steps[-1].completed is not None
    assert {one.vertex for one in moved if one.completed} >= {steps[0].digest}


@each_graph_engine
def test_engine_without_the_store_says_what_it_cannot_make(
    engine: RunningEngine, small: MakeSmall
) -> None:
    """What needs the store is refused before anything is built, with what helps."""
    updates: list[StatusUpdate] = []
    spec = small().replace(platform="linux/amd64,linux/arm64")
    error = fails(engine.builder(), spec, UnsupportedCapabilityError, updates.append)

    assert "several platforms" in error.message
    assert "buildkitd" in error.remedy
    assert updates == []


@each_graph_engine
def test_engine_without_the_store_keeps_what_is_not_pushed(
    engine: RunningEngine, small: MakeSmall
) -> None:
    """Built without a push, the image is in the Engine: it can be pushed later."""
    builder = engine.builder()
    spec = small()
    result = builder.build(spec, push=False)
    assert digest_of(spec) is None
    with builder.connect() as client:
        pushed = client.push_image(result.reference)

    assert result.digest is None
    assert pushed == digest_of(spec)


@pytest.mark.parametrize("engine", GRAPH_KINDS[1:2], ids=str, indirect=True, scope="module")
def test_engine_without_the_store_writes_files_and_refuses_images(
    engine: RunningEngine, small: MakeSmall, tmp_path: Path
) -> None:
    """What it cannot make is told before the build, by what it lacks; the rest comes at once."""
    builder, spec = engine.builder(), small()
    tar, out = tmp_path / "a.tar", tmp_path / "out"
    outputs = [parse_output(text) for text in (f"type=tar,dest={tar}", str(out), "type=load")]
    result = builder.build(spec, outputs=outputs, push=True)

    assert result.was_pushed
    assert builder.exists(spec)
    (data,) = out.rglob("data")
    with tarfile.open(tar) as archive:
        assert str(data.relative_to(out)) in archive.getnames()
    for text in (f"type=oci,dest={tar}", "type=image,push=true,push-by-digest=true"):
        with pytest.raises(UnsupportedCapabilityError) as caught:
            builder.build(spec, outputs=[parse_output(text)])
        assert caught.value.capability == "containerd-snapshotter"
