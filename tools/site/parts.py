"""Pages of the methods and protocols, from the docstrings and attributes of their classes."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from locus import methods
from locus.core.errors import NotAvailableError
from locus.scoring import protocols

LITERAL = re.compile(r"``(.+?)``")
"""Code in a docstring; Markdown has one backtick."""


def pages() -> Iterator[tuple[str, str, str]]:
    """Yield (folder, name, Markdown) of each method and protocol that can be imported."""
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
        yield (
            "protocols",
            word,
            page(word, protocol, f"`protocols: [{word}]` · main metric `{protocol.main}`"),
        )


def page(word: str, part: type[Any], about: str) -> str:
    """Return title, usage, docstring, options and file of a class as Markdown."""
    options = inspect.signature(part).parameters.values()
    file = f"{part.__module__.replace('.', '/')}.py"
    lines = [f"# `{word}`", about, markdown(inspect.cleandoc(part.__doc__ or ""))]
    if options:
        lines.append(
            "Options: "
            + ", ".join(f"`{word}:{option.name}={option.default}`" for option in options)
            + "."
        )
        lines.append(markdown(inspect.cleandoc(part.__init__.__doc__ or "")))
    return "\n\n".join(line for line in [*lines, f"Source: `{file}`"] if line) + "\n"


def markdown(docstring: str) -> str:
    """Convert a docstring to Markdown: single backticks, and doctests as code blocks.

    >>> markdown("the ``locus`` protocol")
    'the `locus` protocol'
    """
    parts = LITERAL.sub(r"`\1`", docstring).split("\n\n")
    return "\n\n".join(
        f"```pycon\n{part}\n```" if part.startswith(">>>") else part for part in parts
    )
