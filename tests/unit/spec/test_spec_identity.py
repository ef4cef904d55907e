"""`id`, `tag` and image name: what they cover, and that they never change by accident."""

from __future__ import annotations

import os
import random
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkit_spec.errors import SpecValidationError
from buildkit_spec.spec import ImageSpec
from buildkit_spec.spec.identity import short_hash

ALPHABET = set("abcdefghijklmnopqrstuvwxyz234567")


@pytest.fixture(autouse=True)
def _no_flyte(monkeypatch):
    monkeypatch.setenv("FLYTE_INTERNAL_IMAGE", "python:3.12-slim")


@pytest.fixture(name="project")
def _project(tmp_path):
    return make_project(tmp_path / "project")


def make_project(root: Path) -> Path:
    (root / "src" / "pkg").mkdir(parents=True)
    (root / "src" / "pkg" / "__init__.py").write_text("")
    (root / "src" / "main.py").write_text("import pkg\n")
    (root / "data").mkdir()
    (root / "data" / "a.csv").write_text("1,2\n")
    (root / "data" / "link").symlink_to("a.csv")
    (root / "registries.json").write_text('{"registries": []}')
    (root / "req").mkdir()
    (root / "req" / "base.txt").write_text("-c constraints.txt\nnumpy\n")
    (root / "req" / "constraints.txt").write_text("numpy<3\n")
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return root


def spec_in(root: Path, **fields: object) -> ImageSpec:
    before = Path.cwd()
    os.chdir(root)
    try:
        return ImageSpec(**fields)
    finally:
        os.chdir(before)


def full_spec(root: Path) -> ImageSpec:
    return spec_in(
        root,
        name="full",
        registry="ghcr.io/me",
        python_version="3.12",
        packages=["pandas>=2", "numpy"],
        requirements="req/base.txt",
        apt_packages=["git", "curl"],
        env={"A": "1", "B": "2"},
        copy=["data"],
        source_root="src",
        source_copy_mode="all",
        commands=["true"],
        base_image=ImageSpec(name="base", packages=["requests"], base_image="debian:12"),
        builder_options={"user": "app", "labels": {"x": "1", "y": "2"}},
    )


# --- golden: these must never change without a new BUILDER_EPOCH


GOLDEN = [
    ({}, "4a3jxzamq5g27nshn52ipvgojc", "p2syf6sjyodmrpbrka4vxghnuz"),
    (
        {"name": "x", "packages": ["pandas"], "registry": "ghcr.io/u"},
        "y7vbpaekothkv4akozsequfji6",
        "6buoc7dbwfabhqdatume4lnfgq",
    ),
    (
        {
            "base_image": ImageSpec(name="b", packages=["numpy"], base_image="debian:12"),
            "env": {"Z": "ü", "A": "b c"},
            "entrypoint": [],
            "platform": ["linux/arm64", "linux/amd64"],
            "builder_options": {"user": "app", "labels": {"k": "v"}},
            "pip_index": "https://user:secret@host/simple",
        },
        "5momtofrskpa7ihjptsziw4xhm",
        "2jsthlrhdyft244t3cllvr7jty",
    ),
]


@pytest.mark.parametrize(("fields", "id", "tag"), GOLDEN)
def test_identity_golden(fields, id, tag):
    """Id and tag of fixed specs are fixed: a release that changes one needs a new builder epoch."""
    spec = ImageSpec(**fields)

    assert (spec.id, spec.tag) == (id, tag)


def test_tag_golden_with_files(project):
    """The tag of a spec with files is fixed as well, whatever folder it is in."""
    assert full_spec(project).tag == "4dcnmx5fmjho7mevqhfq63eet6"


def test_hash_form():
    """A hash is 26 characters that are valid in a tag and in a host name."""
    assert set(short_hash({"a": 1})) <= ALPHABET
    assert len(short_hash({})) == 26


# --- laws: what does not matter


def test_tag_same_in_another_folder_at_another_time(project, tmp_path):
    """Folder, times and the place a spec is made in do not matter."""
    tag = full_spec(project).tag
    other = shutil.copytree(project, tmp_path / "else" / "where", symlinks=True)
    for index, path in enumerate(other.rglob("*")):
        os.utime(path, (index, index * 1000), follow_symlinks=False)

    assert full_spec(other).tag == tag


def test_tag_same_in_another_process(project):
    """Neither hash seed nor environment nor user matter."""
    code = (
        "import sys, pathlib; sys.path[:0] = sys.argv[1:3]\n"
        "from test_spec_identity import full_spec\n"
        "spec = full_spec(pathlib.Path(sys.argv[3]))\n"
        "print(spec.id, spec.tag)"
    )
    package = Path(__file__).parents[3]
    expected = f"{full_spec(project).id} {full_spec(project).tag}"
    for seed in ("0", "1", "4711"):
        answer = subprocess.run(
            [sys.executable, "-c", code, package, Path(__file__).parent, project],
            env={"PYTHONHASHSEED": seed, "LC_ALL": "C", "HOME": f"/nonexistent/{seed}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.strip() == expected


def test_tag_same_under_another_umask(project):
    """Write permission for group and others comes from the umask and does not matter."""
    tag = full_spec(project).tag
    for path in project.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o775 if path.is_dir() else 0o664)

    assert full_spec(project).tag == tag


@pytest.mark.parametrize(
    "changes",
    [
        {"registry": "localhost:5000"},
        {"registry": None},
        {"builder": "other"},
        {"pip_secret_mounts": [("a", "/b")]},
        {"runtime_packages": ["numpy"]},
        {"registry_config": "registries.json"},
        {"packages": ["numpy", "pandas >= 2", "NumPy"]},
        {"apt_packages": ["curl", "git", "git"]},
        {"env": {"B": "2", "A": "1"}},
        {"copy": ["./data/"]},
        {"conda_packages": []},
        {"pip_extra_index_url": []},
        {"builder_options": {"labels": {"y": "2", "x": "1"}, "user": "app"}},
        {
            "builder_options": {
                "labels": {"y": "2", "x": "1"},
                "user": "app",
                "network": "host",
                "secrets": {"T": "env:T"},
                "ssh": True,
                "no_cache": True,
            }
        },
        {"builder_config": {"uv": "base"}},
        {"builder_config": {"uv_image": "x/uv:1"}},
    ],
)
def test_tag_does_not_cover(project, changes):
    """Order, spelling, destination, secrets, logins, tools and builder do not matter."""
    spec = full_spec(project)
    other = spec.replace(**changes)

    assert other != spec or "copy" in changes or "env" in changes or "builder_options" in changes
    assert (other.id, other.tag) == (spec.id, spec.tag)


def test_tag_ignores_the_login_of_an_index():
    """An index' login does not matter, its host does."""
    tags = [
        ImageSpec(pip_index=f"https://{host}/simple", pip_extra_index_url=[f"https://{host}/x"]).tag
        for host in ("a", "me:pw@a", "token@a", "b")
    ]

    assert tags[0] == tags[1] == tags[2] != tags[3]


def test_force_and_format_leave_the_hash_alone(project):
    """``force_push`` does not change the tag; ``tag_format`` changes it around the same hash."""
    spec = full_spec(project)

    assert spec.force_push().tag == spec.tag
    assert spec.replace(tag_format="{spec_hash}-dev").tag == f"{spec.tag}-dev"
    assert spec.replace(tag_format="v1-{spec_hash:.8}").tag == f"v1-{spec.tag[:8]}"
    assert spec.replace(tag_format="{spec_hash}-dev").id == spec.id


FIELD_VALUES = {
    "packages": st.lists(
        st.sampled_from(["a", "b>=1", "c[x]", "d ; python_version>'3'"]), max_size=4
    ),
    "apt_packages": st.lists(st.sampled_from(["git", "curl", "g++"]), max_size=3),
    "copy": st.lists(st.sampled_from(["data", "src", "req/base.txt"]), max_size=3),
    "env": st.dictionaries(st.sampled_from("ABC"), st.sampled_from("xyz"), max_size=3),
    "platform": st.lists(st.sampled_from(["linux/amd64", "linux/arm64"]), min_size=1, max_size=2),
    "commands": st.lists(st.sampled_from(["a", "b"]), max_size=2),
}


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.fixed_dictionaries({}, optional=FIELD_VALUES), st.randoms(use_true_random=False))
def test_order_matters_only_for_commands(fields, shuffler: random.Random):
    """Any order of packages, files, platforms and variables gives the same identity."""
    spec = ImageSpec(**fields)
    shuffled = dict(fields)
    for field in set(fields) - {"commands"}:
        items = list(fields[field].items() if field == "env" else fields[field])
        shuffler.shuffle(items)
        shuffled[field] = dict(items) if field == "env" else items

    assert ImageSpec(**shuffled).id == spec.id
    commands = fields.get("commands", [])
    if commands != commands[::-1]:
        assert spec.replace(commands=commands[::-1]).id != spec.id


# --- laws: what does matter


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"python_version": "3.11"},
        {"packages": ["pandas>=2"]},
        {"packages": None},
        {"requirements": None},
        {"requirements": "req/constraints.txt"},
        {"conda_packages": ["numpy"]},
        {"conda_channels": ["conda-forge"]},
        {"builder_options": {"apt_snapshot": "https://h.test/{archive}/20260101T000000Z"}},
        {"apt_packages": ["git"]},
        {"cuda": "12"},
        {"cuda": "12.4", "cudnn": "8"},
        {"base_image": "debian:12"},
        {"base_image": None},
        {"base_image": ImageSpec(name="base", packages=["requests>=2"], base_image="debian:12")},
        {"base_image": ImageSpec(name="base", packages=["requests"], base_image="debian:11")},
        {"platform": "linux/arm64"},
        {"pip_index": "https://host/simple"},
        {"pip_extra_index_url": ["https://host/simple"]},
        {"pip_extra_args": "--pre"},
        {"entrypoint": []},
        {"entrypoint": ["python"]},
        {"commands": ["false"]},
        {"commands": ["true", "true"]},
        {"env": {"A": "1", "B": "3"}},
        {"env": {"A": "1"}},
        {"copy": ["data", "src"]},
        {"copy": ["data/a.csv"]},
        {"source_root": "data"},
        {"source_copy_mode": "none"},
        {"python_exec": "/usr/bin/python3"},
        {"builder_options": {"user": "root", "labels": {"x": "1", "y": "2"}}},
        {"builder_options": {"plain": True, "run_in": "/a", "copy_to": "/b", "image_id": "c"}},
        {"builder_options": {"uv_path": "/usr/bin/uv"}},
        {"builder_options": {"user": "app", "labels": {"x": "1"}}},
        {"builder_options": {"user": "app", "labels": {"x": "1", "y": "2"}, "workdir": "/app"}},
        {"builder_config": {"uv_version": "0.5.1"}},
    ],
    ids=str,
)
def test_tag_covers(project, changes):
    """Everything that makes another image makes another tag."""
    spec = full_spec(project)

    assert spec.replace(**changes).tag != spec.tag


def edit(path: str, content: str):
    return lambda root: (root / path).write_text(content)


def move(old: str, new: str):
    return lambda root: (root / old).rename(root / new)


def relink(root: Path) -> None:
    (root / "data" / "link").unlink()
    (root / "data" / "link").symlink_to("b.csv")


def unlink(root: Path) -> None:
    (root / "data" / "link").unlink()
    (root / "data" / "link").write_text("1,2\n")


@pytest.mark.parametrize(
    "change",
    [
        edit("data/a.csv", "1,3\n"),
        edit("data/b.csv", ""),
        edit("src/main.py", "import pkg \n"),
        edit("src/pkg/__init__.py", "x"),
        edit("req/base.txt", "-c constraints.txt\nnumpy==2\n"),
        edit("req/constraints.txt", "numpy<2\n"),
        move("data/a.csv", "data/b.csv"),
        move("src/main.py", "src/pkg/main.py"),
        relink,
        unlink,
        lambda root: (root / "data" / "a.csv").chmod(0o755),
        lambda root: (root / "data" / "a.csv").chmod(0o600),
        lambda root: (root / "src" / "pkg").chmod(0o700),
        lambda root: (root / "data" / "link").unlink(),
    ],
)
def test_tag_covers_contents(project, change):
    """Content, name, mode, kind and link target of every file matter; the id stays."""
    spec = full_spec(project)
    before = (spec.id, spec.tag)
    change(project)

    assert spec.tag != before[1]
    assert spec.id == before[0]


names = st.text(string.ascii_lowercase, min_size=1, max_size=3)
trees = st.dictionaries(
    names,
    st.one_of(names, st.dictionaries(names, names, min_size=1, max_size=3)),
    min_size=1,
    max_size=4,
)


def write_tree(root: Path, tree: dict[str, object]) -> Path:
    root.mkdir(parents=True)
    for name, content in tree.items():
        if isinstance(content, dict):
            write_tree(root / name, content)
        else:
            (root / name).write_text(content)
    return root


@settings(deadline=None, max_examples=100)
@given(trees, trees)
def test_tag_is_equal_only_for_equal_trees(tmp_path_factory, one, other):
    """Two folders have the same digest only if they hold the same: no separator is missed."""
    folder = tmp_path_factory.mktemp("trees")
    tags = [
        spec_in(write_tree(folder / str(index), tree), copy=["."]).tag
        for index, tree in enumerate((one, other))
    ]

    assert (tags[0] == tags[1]) == (one == other)


def test_tag_covers_locks_with_their_project(project):
    """A lock's ``pyproject.toml`` is part of the tag."""
    for lock in ("uv.lock", "poetry.lock"):
        (project / lock).write_text("version = 1\n")
        (project / "pyproject.toml").write_text("[project]\nname = 'a'\n")
        spec = spec_in(project, requirements=lock)
        before = spec.tag
        (project / "pyproject.toml").write_text("[project]\nname = 'b'\n")

        assert spec.tag != before


def test_same_content_elsewhere_is_another_tag(project):
    """Equal files copied from two places go to two places, so they are two images."""
    shutil.copytree(project / "data", project / "more" / "data", symlinks=True)

    assert spec_in(project, copy=["data"]).tag != spec_in(project, copy=["more/data"]).tag


def test_nested_spec_counts_with_its_contents(project):
    """A file of a base spec changes the tag of what is built on it."""
    spec = ImageSpec(base_image=spec_in(project, name="base", copy=["data"]))
    before = spec.tag
    (project / "data" / "a.csv").write_text("other")

    assert spec.tag != before


def test_base_with_a_fixed_tag_counts_with_its_contents():
    """A base spec whose tag is always the same still counts with what it holds."""
    tags = {
        ImageSpec(
            base_image=ImageSpec(tag_format="latest", packages=[name], base_image="debian:12")
        ).tag
        for name in ("numpy", "pandas")
    }

    assert len(tags) == 2


def test_default_base_image_counts(monkeypatch):
    """A spec without a base image is another image when the default is another."""
    before = ImageSpec()
    tag = before.tag
    monkeypatch.setenv("FLYTE_INTERNAL_IMAGE", "python:3.13-slim")

    assert before.tag != tag
    assert ImageSpec().id == before.id


# --- names, and the id inside the container


def test_image_name():
    """The name is registry, name and tag, valid as a reference."""
    spec = ImageSpec(name="App", registry="LOCALHOST:30000/Team")

    assert spec.image_name() == f"localhost:30000/team/app:{spec.tag}"
    assert ImageSpec(name="app").image_name() == f"app:{ImageSpec(name='app').tag}"


def test_id_is_the_same_inside_the_container(project, tmp_path, monkeypatch):
    """The spec made in an image, with other folders and no files, has the id that was baked."""
    outside = spec_in(
        project,
        requirements=str(project / "req" / "base.txt"),
        source_root=str(project / "src"),
        copy=["data"],
        registry="localhost:30000",
    )
    (tmp_path / "root").mkdir()
    inside = spec_in(
        tmp_path / "root",
        requirements=str(tmp_path / "root" / "req" / "base.txt"),
        copy=["data"],
        registry="ghcr.io/me",
    )

    assert inside.id == outside.id
    monkeypatch.setenv("_F_IMG_ID", outside.id)
    assert inside.is_container()
    assert not inside.with_packages("numpy").is_container()


def test_missing_files_are_told_all_at_once(project):
    """The tag of a spec whose files are missing is an error that names them all."""
    spec = spec_in(
        project,
        requirements="nope.txt",
        copy=["data", "nope", "data/nope.csv"],
        source_root="nope",
        registry_config="nope.json",
        base_image=spec_in(project, copy=["nope"]),
    )

    with pytest.raises(SpecValidationError) as caught:
        spec.image_name()
    assert [problem.field for problem in caught.value.problems] == [
        "base_image.copy[0]",
        "source_root",
        "copy[1]",
        "copy[2]",
        "requirements",
        "registry_config",
    ]


def test_made_in_python_needs_no_files():
    """A spec whose files are nowhere can be made, compared and asked for its id."""
    spec = ImageSpec(requirements="nope.txt", copy=["nope"], source_root="/nope")

    assert spec.id
    assert spec.is_container()


def test_hashing_does_not_change_with_the_interpreter_switches():
    """The id is the same in optimised mode."""
    code = "from buildkit_spec.spec import ImageSpec; print(ImageSpec(packages=['a']).id)"
    package = str(Path(__file__).parents[3])
    answers = {
        subprocess.run(
            [sys.executable, *switch, "-c", code],
            env={"PYTHONPATH": package},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for switch in ([], ["-OO"], ["-X", "utf8=0"])
    }

    assert answers == {f"{ImageSpec(packages=['a']).id}\n"}


def test_spec_as_found_is_of_the_files_that_were_there(tmp_path, monkeypatch):
    """Tag and build are of one look at the folders; a later edit is told, a mere touch is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    source, copied = tmp_path / "src/a.py", tmp_path / "b.txt"
    source.write_text("one")
    copied.write_text("one")
    base = ImageSpec(name="base", copy=["b.txt"])
    spec = ImageSpec(source_root="src", source_copy_mode="all", base_image=base).as_found()
    tag = spec.tag

    assert tag == ImageSpec(source_root="src", source_copy_mode="all", base_image=base).tag
    assert spec.is_still(tag)
    for file in (source, copied):
        file.touch()
        assert spec.is_still(tag)
        file.write_text("two")
        assert (spec.tag, spec.is_still(tag)) == (tag, False)
        file.write_text("one")
        assert spec.is_still(tag)
    source.write_text("two")

    assert spec.replace(env={"A": "b"}).source_selection() is not spec.source_selection()
    assert spec.as_found() is spec
