"""Every command line that is shown to a reader is one that this command line takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from ci_files import FILES, ROOT
from command_lines import in_markdown, in_shell

from buildkit_spec.cli.group import commands

DOCS = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])


def parse(words: Sequence[str], *, is_whole: bool = True) -> None:
    """Look words up and parse them as click does, without calling or looking for a file.

    Raises:
        click.UsageError: There is no such command or flag, a value is none, or something lacks.
    """
    context = click.Context(commands, info_name="buildkit-spec")
    command: click.Command = commands
    rest = list(words)
    while isinstance(command, click.Group):
        if not rest:
            if is_whole:
                context.fail("a command is missing")
            return
        name = rest.pop(0)
        if name in ("-h", "--help", "--version"):
            return
        found = command.get_command(context, name)
        if found is None:
            context.fail(f"no command {name}")
        command = found
        context = click.Context(command, info_name=name, parent=context)
    values, left, _ = command.make_parser(context).parse_args(list(rest))
    if left:
        context.fail(f"nobody takes {left}")
    for one in command.params:
        value = values.get(one.name or "")
        is_given = value not in (None, (), []) and "UNSET" not in repr(value)
        if one.required and is_whole and not is_given:
            raise click.MissingParameter(ctx=context, param=one)
        if is_given and isinstance(one.type, (click.Choice, click.IntRange)):
            one.type_cast_value(context, value)


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_commands_of_docs_parse(file: Path) -> None:
    """Blocks hold whole commands; the text names commands and flags that there are."""
    for words, is_whole in in_markdown(file.read_text()):
        parse(words, is_whole=is_whole)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_commands_of_examples_parse(file: Path) -> None:
    """What scripts run, and what comments say to run."""
    for words in in_shell(file.read_text()):
        parse(words)


def test_many_commands_are_found() -> None:
    """The looking does not pass over what is there."""
    docs = [words for file in DOCS for words, _ in in_markdown(file.read_text())]
    examples = [words for file in FILES for words in in_shell(file.read_text())]

    assert len(docs) > 40
    assert len(examples) > 15
    assert ["builders", "inspect"] in docs
    assert ["build", "image.yaml", "--progress", "plain"] in examples
    assert ["certs", "client", "--dir", "$CERTS", "--days", "1"] in examples
    assert ["info"] in examples


@pytest.mark.parametrize(
    "line",
    [
        "buildkit-spec bild image.yaml",
        "buildkit-spec build image.yaml --tls-dir certs",
        "buildkit-spec build --progress plain",
        "buildkit-spec build image.yaml --progress loud",
        "buildkit-spec certs server --dir certs",
        "buildkit-spec certs init --dir certs --days many",
        "buildkit-spec info lab",
        "buildkit-spec build image.yaml --addr",
    ],
)
def test_wrong_command_is_found(line: str) -> None:
    """The check can fail: command, flag, value, what is missing and what is too much."""
    (words,) = in_shell(line)

    with pytest.raises(click.UsageError):
        parse(words)
