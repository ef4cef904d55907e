"""Every `buildkit-spec …` in a text, as the words of a command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

_OPERATORS = ("|", "&&", "||", ";", "(", ")", "<", ">", ">>", "&", "<<<")


def in_shell(text: str) -> Iterator[list[str]]:
    """Find commands in what is for a shell, also where something else is around it."""
    for line in text.replace("\\\n", " ").splitlines():
        for match in re.finditer(r"\bbuildkit-spec (?=[a-z-])", line):
            rest = line[match.end() :].partition("`")[0]  # of prose, in a comment
            yield _words(re.sub(r"\b[12](?=>)", "", rest))


def in_markdown(text: str) -> Iterator[tuple[list[str], bool]]:
    """Find commands in code, each with whether it is a whole one: blocks are, words may not be."""
    fence = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for block in fence.findall(text):
        for words in in_shell(block):
            yield words, True
    for span in re.findall(r"`(buildkit-spec [^`\n]+)`", fence.sub("", text)):
        for one in _alternatives(span):
            plain = re.sub(r"\[|\]|…", " ", one).replace(" FILE ", " ")
            for words in in_shell(plain):
                yield words, False


def _alternatives(span: str) -> list[str]:
    for word in span.split():
        if "\\|" in word:
            return [span.replace(word, one) for one in word.split("\\|")]
    return [span]


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.wordchars += ":+@%,[]"
    words: list[str] = []
    try:
        for word in lexer:
            if word in _OPERATORS:
                break
            words.append(word)
    except ValueError:  # the quote is closed, in which all of the command stands
        return _words(text[: max(text.rfind("'"), text.rfind('"'))])
    return words
