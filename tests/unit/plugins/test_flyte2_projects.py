"""Arguments of `uv sync` and `poetry install` as groups and extras."""

from __future__ import annotations

import pytest

from buildkit_spec.plugins.flyte2_projects import Wish, poetry_wish, uv_wish

UV = {
    "project": {"optional-dependencies": {"gpu": [], "tables": []}},
    "dependency-groups": {"dev": [], "docs": [], "lint": []},
}
POETRY = {
    "tool": {"poetry": {"group": {"dev": {}, "docs": {"optional": True}}, "extras": {"x": []}}}
}


@pytest.mark.parametrize(
    ("arguments", "groups"),
    [
        ("", {"dev"}),
        ("--no-dev", set()),
        ("--no-default-groups --group docs", {"docs"}),
        ("--group=docs", {"dev", "docs"}),
        ("--all-groups --no-group lint", {"dev", "docs"}),
        ("--frozen --locked", {"dev"}),
    ],
)
def test_uv_sync_takes_its_default_groups(arguments: str, groups: set[str]) -> None:
    """`dev` unless the project or the arguments say otherwise."""
    wish = uv_wish(UV, arguments)
    assert wish.groups == groups
    assert not wish.rest


def test_uv_default_groups_of_the_project_count() -> None:
    """Those that are there; `all` is every one."""
    assert uv_wish({**UV, "tool": {"uv": {"default-groups": ["lint", "x"]}}}, "").groups == {"lint"}
    assert uv_wish({**UV, "tool": {"uv": {"default-groups": "all"}}}, "").groups == {
        "dev",
        "docs",
        "lint",
    }
    assert uv_wish({"project": {}}, "").groups == set()


def test_uv_extras_and_other_arguments_are_told_apart() -> None:
    """What is about indexes goes to the installer."""
    wish = uv_wish(UV, "--extra gpu --index-strategy=first-index --no-install-project")
    assert wish.extras == {"gpu"}
    assert wish.rest == ["--index-strategy=first-index"]
    assert wish.is_without_project
    assert uv_wish(UV, "--all-extras").extras == {"gpu", "tables"}


@pytest.mark.parametrize(
    ("arguments", "groups"),
    [
        ("", {"dev"}),
        ("--without dev", set()),
        ("--with docs", {"dev", "docs"}),
        ("--with=docs,more --without dev", {"docs", "more"}),
        ("--only main", set()),
        ("--all-groups", {"dev", "docs"}),
    ],
)
def test_poetry_install_takes_groups_that_are_not_optional(
    arguments: str, groups: set[str]
) -> None:
    """As poetry does."""
    wish = poetry_wish(POETRY, arguments)
    assert wish.groups == groups
    assert not wish.rest


def test_poetry_arguments_without_counterpart_are_left() -> None:
    """They are refused, rather than forgotten."""
    assert poetry_wish(POETRY, "--sync -E x --no-root").rest == ["--sync"]
    assert poetry_wish(POETRY, "--only docs").rest == ["--only=docs"]


def test_project_itself_is_installed_unless_an_argument_says_not() -> None:
    """`install_project` of the builder options."""
    assert Wish(set()).options(True)["install_project"] == "normal"
    assert Wish(set()).options(False)["install_project"] == "none"
    assert Wish(set(), is_without_project=True).options(True)["install_project"] == "none"
