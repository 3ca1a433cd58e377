"""Render a template as one self-contained HTML file with inlined styles, scripts and data."""

import functools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"


def render(template: str, folder: Path = FOLDER, **values: Any) -> str:
    """Render a template of ``folder`` with ``values``, which are escaped. It may include templates of this package."""
    return _environment(folder).get_template(template).render(**values).strip() + "\n"


@functools.cache
def _environment(folder: Path) -> "Environment":
    """Return the template environment for pages in ``folder``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # slow to import, and only needed for pages

    loader = FileSystemLoader([folder, FOLDER])
    environment = Environment(
        autoescape=True, loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"marked": marked, "data": data}
    environment.globals["file"] = lambda name: Markup(loader.get_source(environment, name)[0])  # a style or script
    return environment


def data(value: Any) -> Markup:
    r"""Return JSON for use inside a ``<script>`` element; its characters cannot end the element.

    >>> print(data(["<b>"]))
    ["\u003cb\u003e"]
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def marked(text: str) -> Markup:
    """Escape plain text and mark up its `code`; a --flag in it is never broken.

    >>> str(marked("`a < b` & c"))
    '<code>a &lt; b</code> &amp; c'
    """
    escaped = escape(text)
    return Markup(re.sub(r"`([^`]+)`", lambda m: f"<code>{_whole(m[1])}</code>", escaped)) if "`" in text else escaped


def link_documents(page: str, checkout: Path | None) -> str:
    """Link the names of documents in the text of an HTML page. ``checkout``: relative path of the checkout, or None.

    >>> link_documents("<p>see <code>docs/score.md</code></p>", Path("../.."))
    '<p>see <code><a href="../../docs/score.md">docs/score.md</a></code></p>'
    """
    if checkout is None:
        return page
    parts = re.split(r"(<script.*?</script>|<a .*?</a>|<[^>]*>)", page, flags=re.DOTALL)
    link = rf'<a href="{checkout.as_posix()}/\g<0>">\g<0></a>'
    parts[::2] = [re.sub(r"(?<![\w/])(?:docs|results)/\w+\.md\b", link, text) for text in parts[::2]]
    return "".join(parts)


def _whole(code: str) -> str:
    return re.sub(r"--\w+", r'<span class="flag">\g<0></span>', code)
