"""A page per method and per protocol, made from what their classes and modules say of themselves."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import methods
from benchmark.scoring import protocols
from core.errors import NotAvailableError

LITERAL = re.compile(r"``(.+?)``")
"""Code in a docstring, which Markdown writes with one backtick."""


def pages() -> Iterator[tuple[str, str, str]]:
    """(folder, word, Markdown) of each method and protocol that can be imported here."""
    for word in methods.names():
        try:
            method = methods.get(word)
        except NotAvailableError:
            continue
        group = "fast" if method.is_fast() else "slow"
        about = f"`--method {word}` · group `{group}` · needs {', '.join(sorted(method.needs)) or 'nothing'}"
        yield "methods", word, page(word, method, about)
    for word in protocols.names():
        protocol = protocols.get(word)
        yield "protocols", word, page(word, protocol, f"`protocols: [{word}]` · main metric `{protocol.main}`")


def page(word: str, part: type[Any], about: str) -> str:
    """Title, how it is called, the class's docstring, its options and its file."""
    options = inspect.signature(part).parameters.values()
    file = f"{part.__module__.replace('.', '/')}.py"
    lines = [f"# `{word}`", about, markdown(inspect.cleandoc(part.__doc__ or ""))]
    if options:
        lines.append("Options: " + ", ".join(f"`{word}:{each.name}={each.default}`" for each in options) + ".")
        lines.append(markdown(inspect.cleandoc(part.__init__.__doc__ or "")))
    return "\n\n".join(line for line in [*lines, f"The code: `{file}`"] if line) + "\n"


def markdown(docstring: str) -> str:
    """A docstring's double backticks as Markdown's, its doctests as blocks of code.

    >>> markdown("the ``locus`` protocol")
    'the `locus` protocol'
    """
    parts = LITERAL.sub(r"`\1`", docstring).split("\n\n")
    return "\n\n".join(f"```pycon\n{part}\n```" if part.startswith(">>>") else part for part in parts)
