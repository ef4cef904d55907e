"""What a cluster would meet: private registries, registration, and tasks started as its pods do."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flytekits import Project, flytekit_base, mount, old_flytekit
from pulled import PulledImage, pull
from registries import PASSWORD, RunningRegistry, basic, htpasswd_auth, running_registry

from buildkit_spec import BuildkitBuilder, ImageSpec

pytestmark = pytest.mark.filterwarnings("ignore")  # flytekit's own

_TASK = """from flytekit import ImageSpec, task, workflow
image = ImageSpec(builder="buildkit", env={"A": "1"}, registry=REGISTRY, base_image=BASE)

@task(container_image=image)
def twice(x: int) -> int:
    return 2 * x

@workflow
def wf(x: int = 1) -> int:
    return twice(x=x)
"""


@pytest.fixture(scope="module", name="base")
def _base(buildkit_host: str, registry: str, base_image: str) -> str:
    return flytekit_base(buildkit_host, registry, base_image)


def _project(folder: Path, registry: str, base: str) -> Project:
    place = f"{registry}/{folder.parent.name}-{os.getpid()}/{folder.name}".lower()
    project = Project(folder, {"FLYTE_INTERNAL_IMAGE": base})
    project.write("flow.py", _TASK.replace("REGISTRY", repr(place)).replace("BASE", repr(base)))
    return project


@pytest.fixture(name="private")
def _private(tmp_path: Path) -> Iterator[RunningRegistry]:
    with running_registry(
        tmp_path / "private", auth=htpasswd_auth(tmp_path), pushing={"Authorization": basic()}
    ) as registry:
        yield registry


def test_private_registry_and_private_base_are_used_with_the_users_login(
    private: RunningRegistry, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``pyflyte build`` looks, takes the base and pushes with ``docker login``'s login."""
    login = {"auths": {private.host: {"auth": basic().removeprefix("Basic ")}}}
    (tmp_path / "config.json").write_text(json.dumps(login))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    spec = ImageSpec(name="under", registry=f"{private.host}/me", base_image=base)
    folder = tmp_path / "flows"
    folder.mkdir()
    project = _project(folder, private.host, str(BuildkitBuilder().build(spec).reference))
    first = project.pyflyte("build", "--fast", "flow.py", "wf")
    assert first.returncode == 0, first.stdout
    assert "not found. building..." in first.stdout
    second = project.pyflyte("build", "--fast", "flow.py", "wf")
    assert "found. Skip building." in second.stdout, second.stdout
    refused = project.pyflyte("build", "--fast", "flow.py", "wf", env={"DOCKER_CONFIG": "/none"})
    assert refused.returncode == 1
    assert "docker login" in refused.stdout
    assert PASSWORD not in first.stdout + second.stdout + refused.stdout


@pytest.fixture(scope="module", name="fast")
def _fast(
    registry: str, base: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, PulledImage]:
    """A project, and its image without source files."""
    project = _project(tmp_path_factory.mktemp("fast"), registry, base)
    done = project.pyflyte("build", "--fast", "flow.py", "wf")
    assert done.returncode == 0, done.stdout
    name = next(line for line in done.stdout.splitlines() if " built in " in line).split()[1]
    return project, pull(name, tmp_path_factory.mktemp("image") / "root")


def test_fast_registered_code_runs_as_the_images_user(fast: tuple[Project, PulledImage]) -> None:
    """``pyflyte-fast-execute`` unpacks the code into ``/root``, which the user may write."""
    from flyteidl.core import literals_pb2

    project, image = fast
    mount(image)
    with tarfile.open(image.path("/tmp/code.tar.gz"), "w:gz") as archive:
        archive.add(project.folder / "flow.py", "flow.py")
    value = literals_pb2.Literal(
        scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=21))
    )
    inputs = literals_pb2.LiteralMap(literals={"x": value})
    image.path("/tmp/inputs.pb").write_bytes(inputs.SerializeToString())
    done = image.run(
        *["pyflyte-fast-execute", "--additional-distribution", "/tmp/code.tar.gz"],
        *["--dest-dir", ".", "--", "pyflyte-execute", "--inputs", "/tmp/inputs.pb"],
        *["--output-prefix", "/tmp/out", "--raw-output-data-prefix", "/tmp/raw"],
        *["--checkpoint-path", "/tmp/check", "--resolver"],
        *["flytekit.core.python_auto_container.default_task_resolver", "--"],
        *["task-module", "flow", "task-name", "twice"],
        user="flytekit",
    )
    written = image.path("/tmp/out/outputs.pb")
    assert written.exists(), done.stdout + done.stderr
    outputs = literals_pb2.LiteralMap.FromString(written.read_bytes())
    assert outputs.literals["o0"].scalar.primitive.integer == 42
    assert image.path("/root/flow.py").exists()


@pytest.mark.parametrize("is_old", [False, True])
def test_package_names_what_was_built_and_run_runs(
    fast: tuple[Project, PulledImage], is_old: bool
) -> None:
    """By ``build --fast``, the second time; flytekit 1.14.0 calls and builds it for itself."""
    project, image = fast
    options = {"python": old_flytekit()} if is_old else {}
    if is_old:
        done = project.pyflyte("build", "--fast", "flow.py", "wf", **options)
        assert done.returncode == 0, done.stdout
    words = ["--pkgs", "flow", "package", "--fast", "--force", "--output", "flyte.tgz"]
    done = project.pyflyte(*words, **options)
    assert done.returncode == 0, done.stdout
    assert "found. Skip building." in done.stdout, done.stdout
    with tarfile.open(project.folder / "flyte.tgz") as archive:
        members = [archive.extractfile(name) for name in archive.getnames()]
        packaged = b"".join(member.read() for member in members if member is not None)
    assert b"@sha256:" in packaged
    assert is_old or image.digest.encode() in packaged
    run = project.pyflyte("run", "flow.py", "wf", "--x", "4", **options)
    assert run.stdout.rstrip().endswith("8"), run.stdout


def test_register_builds_the_images_of_all_tasks_at_once(
    registry: str, base: str, tmp_path: Path
) -> None:
    """A dry run asks no cluster, and builds what a real one would."""
    project = _project(tmp_path, registry, base)
    project.write(
        "more.py",
        "from flow import image, task\n"
        "@task(container_image=image.with_commands(['true']))\n"
        "def alone(x: int) -> int:\n    return x\n",
    )
    nobody = {"FLYTE_PLATFORM_URL": "127.0.0.1:1"}
    words = ["register", "--dry-run", "--copy", "none", "--version", "v1", "flow.py", "more.py"]
    done = project.pyflyte(*words, env=nobody)
    assert done.returncode == 0, done.stdout
    assert "Successfully registered" in done.stdout
    last_step = max(done.stdout.rfind(" DONE "), done.stdout.rfind("exporting to image"))
    assert 0 < last_step < done.stdout.index(" built in ")
    assert done.stdout.count("not found. building...") == 2
