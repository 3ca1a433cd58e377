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
    for name in methods.names():
        try:
            method = methods.get(name)
        except NotAvailableError:
            continue
        group = "fast" if method.is_fast() else "slow"
        about = f"`--method {name}` · group `{group}` · needs {', '.join(sorted(method.needs)) or 'nothing'}"
        yield "methods", name, page(name, method, about)
    for name in protocols.names():
        protocol = protocols.get(name)
        yield (
            "protocols",
            name,
            page(name, protocol, f"`protocols: [{name}]` · main metric `{protocol.main}`"),
        )


def page(name: str, documented_class: type[Any], about: str) -> str:
    """Return title, usage, docstring, options and file of a class as Markdown."""
    options = inspect.signature(documented_class).parameters.values()
    file = f"{documented_class.__module__.replace('.', '/')}.py"
    lines = [f"# `{name}`", about, markdown(inspect.cleandoc(documented_class.__doc__ or ""))]
    if options:
        lines.append(
            "Options: "
            + ", ".join(f"`{name}:{option.name}={option.default}`" for option in options)
            + "."
        )
        lines.append(markdown(inspect.cleandoc(documented_class.__init__.__doc__ or "")))
    return "\n\n".join(line for line in [*lines, f"Source: `{file}`"] if line) + "\n"


def markdown(docstring: str) -> str:
    """Convert a docstring to Markdown: single backticks, and doctests as code blocks.

    >>> markdown("the ``locus`` protocol")
    'the `locus` protocol'
    """
    paragraphs = LITERAL.sub(r"`\1`", docstring).split("\n\n")
    return "\n\n".join(
        f"```pycon\n{paragraph}\n```" if paragraph.startswith(">>>") else paragraph
        for paragraph in paragraphs
    )
