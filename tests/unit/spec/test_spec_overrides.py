"""``--set key=value``."""

from __future__ import annotations

import pytest

from buildkit_spec.errors import SpecError, SpecValidationError
from buildkit_spec.spec import ImageSpec, apply_overrides

BASE = ImageSpec(
    packages=["a"],
    env={"A": "1"},
    builder_options={"user": "app"},
    base_image=ImageSpec(name="base", packages=["x"], base_image="debian:12"),
)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("registry=localhost:5000", {"registry": "localhost:5000"}),
        ("python_version=3.10", {"python_version": "3.10"}),
        ("name=123", {"name": "123"}),
        ("env.MODE=test", {"env": {"A": "1", "MODE": "test"}}),
        ("env.MODE=true", {"env": {"A": "1", "MODE": "true"}}),
        ("env.MODE=007", {"env": {"A": "1", "MODE": "007"}}),
        ("env.MODE=", {"env": {"A": "1", "MODE": ""}}),
        ("env.MODE=a=b", {"env": {"A": "1", "MODE": "a=b"}}),
        ("env.a.b=1", {"env": {"A": "1", "a.b": "1"}}),
        ("env={B: x}", {"env": {"B": "x"}}),
        ("env+={B: x}", {"env": {"A": "1", "B": "x"}}),
        ("env=null", {"env": None}),
        ("packages=[b, c==1]", {"packages": ["b", "c==1"]}),
        ("packages+=b", {"packages": ["a", "b"]}),
        ("packages+=[b, c]", {"packages": ["a", "b", "c"]}),
        ("apt_packages+=git", {"apt_packages": ["git"]}),
        ("builder_options.no_cache=true", {"builder_options": {"user": "app", "no_cache": True}}),
        (
            "builder_options.labels.org.example.team=a",
            {"builder_options": {"user": "app", "labels": {"org.example.team": "a"}}},
        ),
        ("base_image=debian:12", {"base_image": "debian:12"}),
        ("source_copy_mode=none", {"source_copy_mode": "none"}),
        ("platform=[linux/amd64, linux/arm64]", {"platform": "linux/amd64,linux/arm64"}),
    ],
)
def test_override_sets(override, expected):
    """A key and a YAML value set a field; numbers and booleans are text where text belongs."""
    assert apply_overrides(BASE, [override]) == BASE.replace(**expected)


def test_override_reaches_into_the_base_spec():
    """A base spec's fields are reached through ``base_image``."""
    spec = apply_overrides(BASE, ["base_image.packages+=y", "base_image.env.B=1"])

    assert isinstance(spec.base_image, ImageSpec)
    assert spec.base_image.packages == ("x", "y")
    assert spec.base_image.env == {"B": "1"}
    assert spec.base_image.base_image == "debian:12"


def test_overrides_are_applied_in_order():
    """The last one wins, appending counts from what is there."""
    spec = apply_overrides(BASE, ["packages=[b]", "packages+=c", "name=x", "name=y"])

    assert (spec.packages, spec.name) == (("b", "c"), "y")
    assert apply_overrides(BASE, []) is BASE


def test_overrides_keep_the_wish_to_be_forced_and_the_folder(tmp_path, monkeypatch):
    """``force_push`` and the folder of relative paths survive."""
    monkeypatch.chdir(tmp_path)
    forced = ImageSpec().force_push()
    monkeypatch.chdir("/")

    spec = apply_overrides(forced, ["name=x"])

    assert spec.is_forced
    assert spec.root == tmp_path


def test_problems_of_overrides_come_at_once():
    """Wrong values and unknown fields are told together, with what was meant."""
    with pytest.raises(SpecValidationError) as caught:
        apply_overrides(BASE, ["pakages=[a]", "packages=a", "env.B={x: y}"])

    assert [one.field for one in caught.value.problems] == ["env.B", "packages", "pakages"]
    assert "--set: 3 problems" in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("packages", "no key=value"),
        ("=x", "no key=value"),
        ("packages=[a", "not YAML"),
        ("pip_index+=x", "no list to append to"),
        ("env+=x", "takes {key: value}"),
        ("pip_index.x=1", "has no parts"),
        ("packages.0=x", "has no parts"),
        ("name=!x y", "YAML tag"),
        ("pip_index+=https://me:hunter2@h", "no list"),
    ],
)
def test_override_of_another_form_says_so(override, message):
    """What is no override is an error with the override in it, logins hidden."""
    spec = BASE.replace(pip_index="https://h/simple")
    with pytest.raises(SpecError) as caught:
        apply_overrides(spec, [override])

    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
