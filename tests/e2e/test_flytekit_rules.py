"""When flytekit's images are built, when not, and what they are called: its tables, by our builder.

A registry of the tests' own says what is there; few tests build.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flytekit
import pytest
from flytekit.constants import CopyFileDetection
from flytekit.image_spec.image_spec import ImageBuildEngine
from registries import (
    RunningRegistry,
    basic,
    free_port,
    htpasswd_auth,
    push_image,
    running_registry,
)

from buildkit_spec import BuildkitSpecError, ImageSpec
from buildkit_spec.errors import FileChangedError
from buildkit_spec.plugins.flytekit import LABEL, FlytekitBuilder, register
from buildkit_spec.plugins.flytekit_images import FlyteBuildError
from buildkit_spec.plugins.flytekit_spec import container_id, to_ours

pytestmark = pytest.mark.filterwarnings("ignore")  # flytekit's own


@pytest.fixture(scope="module", name="store")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("store")) as registry:
        yield registry


def _spec(store: RunningRegistry, **fields: Any) -> Any:
    given = {"name": "rules", "registry": f"{store.host}/me", "base_image": "debian:12", **fields}
    return flytekit.ImageSpec(builder="buildkit", **given)


def _push(store: RunningRegistry, spec: Any, **labels: str) -> str:
    return push_image(store, f"me/{spec.name}", spec.tag, labels=labels)


# --- what is called how


def test_tags_are_flytekits() -> None:
    """The tag and id of known specs are those flytekit has always given them."""
    plain = flytekit.ImageSpec(name="x", packages=["pandas"], registry="ghcr.io/u")
    base = flytekit.ImageSpec(name="b", packages=["numpy"], registry="ghcr.io/u")
    nested = flytekit.ImageSpec(name="n", base_image=base, registry="ghcr.io/u")
    assert to_ours(plain, {}).image_name() == "ghcr.io/u/x:sQt_AiAxhw9DDGTqzwm_lA"
    assert to_ours(nested, {}).image_name() == "ghcr.io/u/n:Htu7IKH85xhkb2L8o3dczg"
    assert to_ours(nested, {}).id == "Gd584Accm_EIXIsIa6fbnw"


@pytest.mark.parametrize(
    ("fields", "tag"),
    [
        ({}, "qDG03qeehKYMdHDyVLKjhQ"),
        ({"packages": []}, "J8YUUl5Kgar4DNXfxZE_GQ"),  # an empty list is not none
        ({"env": {"A": "1", "B": "2"}}, "Jr1O8UDo_8cW6AaY9xLc1w"),
        ({"env": {"B": "2", "A": "1"}}, "6a9DJW1VUuYb9LJb82MGjA"),  # the order counts
        ({"tag_format": "{spec_hash}-dev"}, "YiIiKdDLSxAxI4oVRE7WGA-dev"),  # and so does this
        ({"copy": ["src"]}, "PoRnjLZTwgBmXJX_FnNGZg"),
        (
            {"source_root": "src", "source_copy_mode": CopyFileDetection.ALL},
            "cHLBEQQcrT9BLP_kc3W4yA",
        ),
    ],
)
def test_tags_are_flytekits_field_by_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], tag: str
) -> None:
    """Those of flytekit 1.14.0 and 1.16.31, also where another order builds the same image."""
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("src/a.py").write_text("print(1)\n")
    spec = flytekit.ImageSpec(name="g", base_image="debian:12", **fields)
    assert to_ours(spec, {}).tag == tag


def test_tag_follows_requirements_and_not_who_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A requirements file counts with its stripped bytes; builder and secrets do not count."""
    monkeypatch.chdir(tmp_path)
    Path("gv.txt").write_text("pandas\n")
    made = [
        to_ours(flytekit.ImageSpec(name="d", requirements="gv.txt", **more), {})
        for more in ({}, {"builder": "buildkit"}, {"pip_secret_mounts": [("gv.txt", "/s")]})
    ]
    assert {one.tag for one in made} == {"zeVoGccAeTbf2F1sxgnuDg"}
    assert made[0].id == "T_Vxe64MOan9L-edMUJ60w"


def test_a_file_that_changes_during_a_build_is_told(tmp_path: Path) -> None:
    """The tag holds as long as the files are what they were when it was made; no other comes."""
    (tmp_path / "a.py").write_text("one")
    spec = flytekit.ImageSpec(
        name="s", source_root=str(tmp_path), source_copy_mode=CopyFileDetection.ALL
    )
    ours = to_ours(spec, {})
    assert ours.tag == spec.tag
    (tmp_path / "a.py").write_text("two")
    with pytest.raises(FileChangedError, match="build again"):
        _ = ours.tag


def test_source_files_follow_flytekits_ignore_rules(tmp_path: Path) -> None:
    """What flytekit's tag covers goes into the image, and nothing else."""
    for name in ("a.py", "b.txt", ".gitignore", ".dockerignore"):
        (tmp_path / name).write_text("b.txt\n" if name == ".dockerignore" else "")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("")
    spec = flytekit.ImageSpec(
        name="s", source_root=str(tmp_path), source_copy_mode=CopyFileDetection.ALL
    )
    selection = to_ours(spec, {}).source_selection()
    assert selection is not None
    assert [file.path for file in selection.files()] == [".dockerignore", ".gitignore", "a.py"]


def test_id_in_the_container_is_the_declared_one(tmp_path: Path) -> None:
    """What a registration filled in is not in the id, so that is_container() can be true."""
    declared = flytekit.ImageSpec(name="i", packages=["numpy"])
    registered = flytekit.ImageSpec(
        name="i",
        packages=["numpy"],
        source_root=str(tmp_path),
        source_copy_mode=CopyFileDetection.LOADED_MODULES,
    )
    assert registered.id != declared.id
    assert container_id(registered, {}) == declared.id


# --- what an image holds


def test_flytekit_is_added_unless_named() -> None:
    """flytekit as installed here is added to a base of the user's, as its default builder does."""
    added = f"flytekit=={flytekit.__version__}"
    cases: list[tuple[dict[str, Any], tuple[str, ...] | None]] = [
        ({"base_image": "debian:12"}, (added,)),
        (
            {"base_image": "debian:12", "packages": ["flytekitplugins-x"]},
            ("flytekitplugins-x", added),
        ),
        ({"base_image": "debian:12", "packages": ["flytekit>=1.15"]}, ("flytekit>=1.15",)),
        ({"packages": ["numpy"]}, ("numpy",)),
    ]
    for fields, packages in cases:
        assert to_ours(flytekit.ImageSpec(**fields), {}).packages == packages


def test_flytekit_is_added_to_a_project_unless_it_names_it(tmp_path: Path) -> None:
    """A ``pyproject.toml`` is no lock: what Flyte needs is resolved with it."""
    file = tmp_path / "pyproject.toml"
    cases = [("numpy", (f"flytekit=={flytekit.__version__}",)), ("flytekit>=1.15", None)]
    for dependency, packages in cases:
        file.write_text(f'[project]\nname = "p"\nversion = "1"\ndependencies = ["{dependency}"]\n')
        spec = flytekit.ImageSpec(base_image="debian:12", requirements=str(file))
        assert to_ours(spec, {}).packages == packages


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pylock.toml"])
def test_lock_without_flytekit_is_told(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lock is complete as it is; that the pod will not start is said before."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1"\n')
    lock, entry = tmp_path / name, '[[package]]\nname = "{}"\nversion = "1"\n'
    told: list[str] = []
    for package in ("flytekitplugins-x", "flytekit"):
        lock.write_text(entry.format(package))
        spec = flytekit.ImageSpec(base_image="debian:12", requirements=str(lock))
        assert to_ours(spec, {}, told.append).packages is None
    assert len(told) == 1
    assert f"{name} does not lock flytekit" in told[0]


def test_pip_is_added_where_packages_come_at_runtime() -> None:
    """flytekit installs them with pip, which not every interpreter has."""
    spec = flytekit.ImageSpec(runtime_packages=["numpy"])
    assert to_ours(spec, {}).packages == ("pip",)
    named = flytekit.ImageSpec(runtime_packages=["numpy"], packages=["pip==24.0"])
    assert to_ours(named, {}).packages == ("pip==24.0",)


def test_default_base_is_flytekits_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spec without a base has flytekit's default image, or what stands in for it."""
    image = "cr.flyte.org/flyteorg/flytekit:py3.11"
    made = to_ours(flytekit.ImageSpec(python_version="3.11"), {})
    assert str(made.base_image) == f"{image}-{flytekit.__version__}"
    assert made.packages is None
    monkeypatch.setenv("FLYTE_INTERNAL_IMAGE", "example.com/flyte:1")
    assert to_ours(flytekit.ImageSpec(), {}).base_image == "example.com/flyte:1"


def test_yaml_number_for_a_python_version_is_its_digits() -> None:
    """``python_version: 3.11`` means 3.11; of 3.1 nobody knows whether it was 3.10."""
    assert to_ours(flytekit.ImageSpec(python_version=3.11), {}).python_version == "3.11"
    with pytest.raises(BuildkitSpecError, match="quote it"):
        to_ours(flytekit.ImageSpec(python_version=3.1, base_image="debian:12"), {})


def test_own_door_takes_flytekits_spec() -> None:
    """``ImageSpec.from_flytekit`` has the same fields, a nested base too, and an id of ours."""
    base = flytekit.ImageSpec(name="b", conda_packages=["zlib"])
    theirs = flytekit.ImageSpec(
        name="n", base_image=base, env={"A": "x y"}, entrypoint=[], copy=["a"], cuda="12.4"
    )
    ours = ImageSpec.from_flytekit(theirs)
    assert isinstance(ours.base_image, ImageSpec)
    assert ours.base_image.conda_packages == ("zlib",)
    assert (ours.env, ours.entrypoint, ours.copy, ours.cuda) == (
        {"A": "x y"},
        (),
        ("a",),
        "12.4",
    )
    assert ours.id != theirs.id
    with pytest.raises(BuildkitSpecError, match="not a flytekit ImageSpec"):
        ImageSpec.from_flytekit("debian:12")


def test_priority_is_by_opt_in() -> None:
    """Installed, we are there by name; specs that name nobody go where they went."""
    builder, priority = ImageBuildEngine.get_registry()["buildkit"]
    assert isinstance(builder, FlytekitBuilder)
    assert priority < 0
    assert flytekit.ImageSpec().builder == "default"


# --- when it is built


def test_missing_image_is_built(store: RunningRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    """flytekit's words for an image that is not there."""
    spec = _spec(store, packages=["missing"])
    assert FlytekitBuilder().should_build(spec)
    assert f"Image {spec.image_name()} not found. building..." in capsys.readouterr().out


def test_image_that_is_there_is_named_by_digest_and_not_built(
    store: RunningRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    """No daemon is asked: the builder gives back the name, pinned to what the registry has."""
    spec, builder = _spec(store, packages=["there"]), FlytekitBuilder()
    digest = _push(store, spec, **{LABEL: "buildkit-spec"})
    builder.should_build(spec)
    assert builder.build_image(spec) == f"{spec.image_name()}@{digest}"
    out = capsys.readouterr().out
    assert f"Image {spec.image_name()} found. Skip building." in out
    assert "another builder" not in out


def test_image_of_another_builder_is_used_and_told(
    store: RunningRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same tag may be another builder's: without our label it is used, with a word."""
    spec, builder = _spec(store, packages=["foreign"]), FlytekitBuilder()
    _push(store, spec)
    builder.should_build(spec)
    assert "another builder" in capsys.readouterr().out
    assert "@sha256:" in (builder.build_image(spec) or "")


@pytest.mark.parametrize("is_by_env", [False, True])
def test_forced_image_is_built_over(
    store: RunningRegistry,
    is_by_env: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """``force_push()`` and ``FLYTE_FORCE_PUSH_IMAGE_SPEC`` build what is there."""
    if is_by_env:
        monkeypatch.setenv("FLYTE_FORCE_PUSH_IMAGE_SPEC", "True")
    spec = _spec(store, packages=["forced"])
    _push(store, spec)
    assert FlytekitBuilder().should_build(spec if is_by_env else spec.force_push())
    assert f"Overwriting existing image {spec.image_name()}." in capsys.readouterr().out


def test_unknown_is_an_error_unless_that_is_turned_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """flytekit would go on as if the image were there; that is only done on demand."""
    spec = flytekit.ImageSpec(
        name="u", registry=f"127.0.0.1:{free_port()}", base_image="debian:12", builder="buildkit"
    )
    for value in (None, "true"):
        if value:
            monkeypatch.setenv("FLYTE_IMG_FAST_FAIL", value)
        with pytest.raises(FlyteBuildError, match=r"127\.0\.0\.1"):
            FlytekitBuilder().should_build(spec)
    monkeypatch.setenv("FLYTE_IMG_FAST_FAIL", "false")
    assert not FlytekitBuilder().should_build(spec)
    assert f"assumes the image {spec.image_name()} already exists" in capsys.readouterr().out


def test_a_switch_that_says_neither_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyflyte shows one error with its remedy."""
    monkeypatch.setenv("FLYTE_IMG_FAST_FAIL", "y")
    spec = flytekit.ImageSpec(
        name="u", registry=f"127.0.0.1:{free_port()}", base_image="debian:12", builder="buildkit"
    )
    with pytest.raises(FlyteBuildError, match="export FLYTE_IMG_FAST_FAIL=true"):
        FlytekitBuilder().should_build(spec)


def test_wrong_platform_is_no_doubt(
    store: RunningRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typo is told, and not taken for an image that may be there."""
    monkeypatch.setenv("FLYTE_IMG_FAST_FAIL", "false")
    with pytest.raises(FlyteBuildError, match="linux//amd64"):
        FlytekitBuilder().should_build(_spec(store, platform="linux//amd64"))


def test_forced_image_of_a_silent_registry_is_not_called_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is built as it was asked for; what the registry has, nobody knows."""
    spec = flytekit.ImageSpec(
        name="u", registry=f"127.0.0.1:{free_port()}", base_image="debian:12", builder="buildkit"
    ).force_push()
    assert FlytekitBuilder().should_build(spec)
    out = capsys.readouterr().out
    assert "not found" not in out
    assert "cannot be told" in out


def test_image_without_a_registry_is_looked_up_in_the_engine(
    store: RunningRegistry,
    base_image: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It goes into the Engine that builds, which has it the next time."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    fields = {"base_image": base_image, "requirements": _no_requirements(store)}
    spec = _spec(store, name=f"loaded-{os.getpid()}", registry=None, **fields)
    builder = FlytekitBuilder()
    assert builder.should_build(spec)
    assert builder.build_image(spec) is None
    assert "nothing can start it" not in capsys.readouterr().out
    assert not FlytekitBuilder().should_build(spec)
    assert "found. Skip building." in capsys.readouterr().out
    assert FlytekitBuilder().should_build(spec.force_push())


def test_wrong_spec_is_told_with_all_its_problems(store: RunningRegistry) -> None:
    """What flytekit lets through is refused before anything is built."""
    spec = _spec(store, packages=["numpy 1.0"], builder_options={"colour": "red"}, env={"A": True})
    with pytest.raises(FlyteBuildError) as caught:
        FlytekitBuilder().should_build(spec)
    assert "packages[0]" in caught.value.message
    assert "env.A" in caught.value.message
    assert "colour" in caught.value.message


def test_private_registry_is_used_with_the_users_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logins are those of ``docker login``; without one the check is an error."""
    with running_registry(
        tmp_path / "private",
        auth=htpasswd_auth(tmp_path),
        pushing={"Authorization": basic()},
    ) as private:
        spec = _spec(private)
        digest = _push(private, spec)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
        with pytest.raises(FlyteBuildError, match="login"):
            FlytekitBuilder().should_build(spec)
        (tmp_path / "config").mkdir()
        login = {"auths": {private.host: {"auth": basic().removeprefix("Basic ")}}}
        (tmp_path / "config" / "config.json").write_text(json.dumps(login))
        builder = FlytekitBuilder()
        builder.should_build(spec)
        assert (builder.build_image(spec) or "").endswith(digest)


def test_built_image_goes_to_a_private_registry(
    tmp_path: Path, base_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without asking whether to build; the name that comes back has the pushed digest."""
    with running_registry(
        tmp_path / "private", auth=htpasswd_auth(tmp_path), pushing={"Authorization": basic()}
    ) as private:
        login = {"auths": {private.host: {"auth": basic().removeprefix("Basic ")}}}
        (tmp_path / "config.json").write_text(json.dumps(login))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        spec = _spec(private, base_image=base_image, requirements=_no_requirements(private))
        name = FlytekitBuilder().build_image(spec)
        assert name is not None
        tag, _, digest = name.partition("@")
        path = f"/v2/me/{spec.name}/manifests/{tag.rpartition(':')[2]}"
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        response = private.call("GET", path, headers=accept)
        assert response.status == 200
        assert response.headers["Docker-Content-Digest"] == digest


@pytest.mark.parametrize("is_looked_up", [False, True])
def test_a_file_that_changes_before_the_build_ends_it(
    store: RunningRegistry, base_image: str, tmp_path: Path, is_looked_up: bool
) -> None:
    """Nothing goes under a tag that was made of other files, and none under a tag of ours."""
    (tmp_path / "a.py").write_text("one")
    spec = _spec(
        store,
        name=f"changing-{is_looked_up}",
        base_image=base_image,
        requirements=_no_requirements(store),
        source_root=str(tmp_path),
        source_copy_mode=CopyFileDetection.ALL,
    )
    builder, _ = FlytekitBuilder(), spec.tag
    if is_looked_up:
        assert builder.should_build(spec)
    (tmp_path / "a.py").write_text("two")
    with pytest.raises(FlyteBuildError, match="changed since"):
        builder.build_image(spec)
    assert store.call("GET", f"/v2/me/{spec.name}/tags/list").status == 404


def test_nothing_is_pushed_when_pushing_is_off(
    store: RunningRegistry, base_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``FLYTE_PUSH_IMAGE_SPEC`` off: the image is built, and its registry does not get it."""
    monkeypatch.setenv("FLYTE_PUSH_IMAGE_SPEC", "0")
    spec = _spec(store, base_image=base_image, requirements=_no_requirements(store), name="local")
    builder = FlytekitBuilder()
    assert builder.should_build(spec)
    assert builder.build_image(spec) is None
    assert store.call("GET", f"/v2/me/local/manifests/{spec.tag}").status == 404


# --- what the plugin costs and survives


def test_import_of_flytekit_loads_next_to_nothing_of_ours() -> None:
    """Only the entry point: no spec, no client, no pydantic for our sake."""
    code = "import flytekit, sys; print(*sorted(m for m in sys.modules if 'buildkit_spec' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = ["", "._lazy", "._version", ".plugins", ".plugins.flytekit"]
    assert done.stdout.split() == [f"buildkit_spec{name}" for name in own]


@pytest.mark.parametrize(
    ("text", "builder"),
    [
        ("flyte_default = true", "buildkit"),
        ("flyte_default = false\n", "default"),
        ('builder = "lab"\n# ours\nflyte_default=true # all\n[builders.lab]\n', "buildkit"),
    ],
)
def test_import_of_flytekit_reads_no_toml_for_one_line(
    tmp_path: Path, text: str, builder: str
) -> None:
    """The default builder costs next to nothing either: the file is not parsed for it."""
    file = tmp_path / "buildkit-spec" / "config.toml"
    file.parent.mkdir()
    file.write_text(text)
    code = "import flytekit as f, sys; print(f.ImageSpec().builder, 'tomllib' in sys.modules)"
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [builder, "False"]


def test_import_of_flytekit_survives_our_faults(tmp_path: Path) -> None:
    """A broken configuration is a warning; the builder is there by its name all the same."""
    file = tmp_path / "buildkit-spec" / "config.toml"
    file.parent.mkdir()
    file.write_text("flyte_default = maybe")
    code = "from flytekit import ImageSpec as I; print(I().builder, I(builder='buildkit').builder)"
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["default", "buildkit"]
    assert "config.toml" in done.stderr
    file.write_text("flyte_default = true")
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["buildkit", "buildkit"]


def test_a_failing_engine_of_flytekit_is_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever registering raises, nothing but a warning comes out."""

    def fail(*_: object) -> None:
        raise RuntimeError("another flytekit")

    monkeypatch.setattr(ImageBuildEngine, "register", fail)
    register({})
    assert "another flytekit" in caplog.text


def _no_requirements(store: RunningRegistry) -> str:
    """Return a file that names flytekit, so that it is not added, for no Python at all."""
    file = store.log.with_name("requirements.txt")
    file.write_text("flytekit @ https://example.com/none.whl ; python_version < '3'\n")
    return str(file)
