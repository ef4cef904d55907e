"""The traps of flytekit's `ImageSpec` that users fell into; each is closed here.

Numbers are those of the issue trackers of flyte and flytekit.
"""

from __future__ import annotations

import pytest

from buildkit_spec.errors import SpecValidationError
from buildkit_spec.spec import CopyMode, ImageSpec


def test_yaml_version_310_is_not_31():
    """YAML reads 3.10 as the number 3.1; the spec reads what was written."""
    assert ImageSpec.from_yaml("python_version: 3.10\n").python_version == "3.10"
    with pytest.raises(SpecValidationError, match=r"3\.10 and 3\.1 are the same"):
        ImageSpec(python_version=3.10)


def test_force_push_survives_every_change():
    """flytekit forgets ``force_push()`` at the next ``with_*``."""
    spec = ImageSpec(base_image="debian:12").force_push()
    changed = [
        spec.with_packages("a"),
        spec.with_apt_packages(["a1"]),
        spec.with_commands("a"),
        spec.with_copy("a"),
        spec.with_env({"A": "b"}),
        spec.with_requirements("a"),
        spec.with_conda_packages("a", "b"),
        spec.with_runtime_packages("a"),
        spec.with_builder_options({"ssh": True}),
        spec.replace(name="x"),
        spec.force_push(),
    ]

    assert all(one.is_forced for one in changed)
    assert spec.tag == ImageSpec(base_image="debian:12").tag


def test_string_for_a_list_is_not_one_letter_packages():
    """flyte#5632: ``packages="pandas"`` became p, a, n, d, a, s."""
    for field in ("packages", "apt_packages", "commands", "copy", "conda_channels", "entrypoint"):
        with pytest.raises(SpecValidationError, match="letter by letter"):
            ImageSpec(**{field: "pandas"})


def test_yaml_none_does_not_copy_everything():
    """flytekit takes the text ``none`` for a mode that copies everything."""
    assert ImageSpec.from_yaml("source_copy_mode: none\n").source_copy_mode is CopyMode.NO_COPY
    with pytest.raises(SpecValidationError, match="no copy mode"):
        ImageSpec.from_yaml("source_copy_mode: no\n")


def test_yaml_lists_are_pairs():
    """flytekit refuses the only way YAML has to write a pair."""
    spec = ImageSpec.from_yaml("pip_secret_mounts: [[a, /b]]\n")

    assert spec.pip_secret_mounts == (("a", "/b"),)


def test_environment_values_may_hold_anything():
    """flytekit writes values unquoted into a Dockerfile; here they stay values."""
    spec = ImageSpec(env={"X": "a b", "Y": "q\"'$HOME\n", "Z": ""})

    assert spec.env == {"X": "a b", "Y": "q\"'$HOME\n", "Z": ""}


def test_order_of_the_environment_is_not_identity():
    """flytekit makes another image when variables change places."""
    assert ImageSpec(env={"A": "1", "B": "2"}).id == ImageSpec(env={"B": "2", "A": "1"}).id


def test_empty_list_is_none():
    """flytekit makes another image for ``[]`` than for None, but an entrypoint is cleared by it."""
    assert ImageSpec(packages=[]).id == ImageSpec().id
    assert ImageSpec(entrypoint=[]).id != ImageSpec().id


def test_impossible_registry_and_name_are_refused():
    """flyte#5689: an impossible name was "found" and never built."""
    for fields in ({"name": "localhost:30000/x:1"}, {"registry": "ghcr.io/x:latest"}):
        with pytest.raises(SpecValidationError):
            ImageSpec(**fields)


def test_same_content_at_two_destinations_are_two_tags(tmp_path, monkeypatch):
    """flytekit hashes copied files relative to each entry, so destinations do not count."""
    monkeypatch.chdir(tmp_path)
    for folder in "ab":
        (tmp_path / folder / "d").mkdir(parents=True)
        (tmp_path / folder / "d" / "x").write_text("x")
    tags = {ImageSpec(copy=[f"{folder}/d"], base_image="debian:12").tag for folder in "ab"}

    assert len(tags) == 2


def test_copy_and_source_root_are_separate(tmp_path, monkeypatch):
    """flytekit stages both in one folder called src, so ``copy=["src"]`` leaks into the source."""
    monkeypatch.chdir(tmp_path)
    for folder in ("src", "app"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.py").write_text("")
    spec = ImageSpec(copy=["src"], source_root="app", source_copy_mode="all")
    copied, source = spec.copy_selection(), spec.source_selection()

    assert copied is not None
    assert source is not None
    assert [one.path for one in copied.files()] == ["src", "src/src.py"]
    assert [one.path for one in source.files()] == ["app.py"]
    assert (copied.root, source.root) == (tmp_path, tmp_path / "app")


def test_project_beside_a_lock_counts(tmp_path, monkeypatch):
    """flytekit ignores a changed ``pyproject.toml`` beside ``uv.lock``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uv.lock").write_text("")
    tags = set()
    for name in "ab":
        (tmp_path / "pyproject.toml").write_text(name)
        tags.add(ImageSpec(requirements="uv.lock", base_image="debian:12").tag)

    assert len(tags) == 2


def test_included_requirements_count(tmp_path, monkeypatch):
    """flytekit hashes only the file that is named, not what it includes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.txt").write_text("-r more.txt\n")
    tags = set()
    for name in ("numpy\n", "pandas\n"):
        (tmp_path / "more.txt").write_text(name)
        tags.add(ImageSpec(requirements="r.txt", base_image="debian:12").tag)

    assert len(tags) == 2


def test_modes_count(tmp_path, monkeypatch):
    """flytekit does not see that a script became executable."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").write_text("")
    spec = ImageSpec(copy=["run"], base_image="debian:12")
    (tmp_path / "run").chmod(0o644)
    before = spec.tag
    (tmp_path / "run").chmod(0o755)

    assert spec.tag != before


def test_missing_files_are_told_before_a_build(tmp_path, monkeypatch):
    """flytekit hashes a missing copied path as nothing and fails late."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecValidationError, match="'nope' does not exist"):
        _ = ImageSpec(copy=["nope"], base_image="debian:12").tag


def test_links_are_not_silently_empty(tmp_path, monkeypatch):
    """A path that leads through a link would be sent without what it points to; it is refused."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_text("")
    (tmp_path / "link").symlink_to("real")
    for path in ("link", "link/x"):
        with pytest.raises(SpecValidationError, match="leads through the link 'link'"):
            _ = ImageSpec(copy=[path], base_image="debian:12").tag
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecValidationError, match="has no files"):
        _ = ImageSpec(copy=["empty"], base_image="debian:12").tag


def test_reading_the_tag_early_does_not_freeze_it(tmp_path, monkeypatch):
    """flytekit caches the tag, so a file edited in a notebook never makes another image."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("1")
    spec = ImageSpec(copy=["x"], base_image="debian:12")
    before = spec.tag
    (tmp_path / "x").write_text("2")

    assert spec.tag != before


def test_unset_python_is_not_this_machines():
    """flytekit gives one tag to images with two Pythons, that of whoever builds first."""
    assert ImageSpec().default_base_image({}).split(":py")[1].startswith("3.12-")


def test_secrets_and_logins_are_in_no_identity():
    """Secrets, mounts and logins change neither id nor tag, and are shown by neither."""
    one = ImageSpec(base_image="a", pip_index="https://h/s", pip_secret_mounts=[("a", "/b")])
    other = ImageSpec(
        base_image="a",
        pip_index="https://me:pw@h/s",
        builder_options={"secrets": {"T": "env:T"}},
    )

    assert (one.id, one.tag) == (other.id, other.tag)


def test_from_env_does_not_change_the_callers_list():
    """flytekit appends the pinned packages to the list it was given."""
    packages = ["pandas"]
    ImageSpec.from_env(packages=packages, pinned_packages=["pydantic"])

    assert packages == ["pandas"]


def test_unknown_yaml_key_is_no_type_error():
    """flytekit answers an unknown key with a raw TypeError."""
    with pytest.raises(SpecValidationError, match="did you mean packages"):
        ImageSpec.from_yaml("packges: [a]\n")
