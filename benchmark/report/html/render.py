"""Renders a template as one file: styles, scripts and data inside, no address of anything outside."""

import functools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"


def render(template: str, folder: Path = FOLDER, **values: Any) -> str:
    """The text of a template with ``values``, all of them text, never markup; of another ``folder`` than this one's.

    There it may still use the parts that lie here.
    """
    return _environment(folder).get_template(template).render(**values).strip() + "\n"


@functools.cache
def _environment(folder: Path) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # a run that writes no page does without

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader([folder, FOLDER]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"marked": marked, "data": data}
    environment.globals |= {"file": functools.partial(file, folder=folder)}
    return environment


def file(name: str, folder: Path = FOLDER) -> Any:
    """A style or script as it is: of ``folder``, else of this one.

    Not escaped: it stands in the page as the file has it.
    """
    from markupsafe import Markup

    path = folder / name if (folder / name).is_file() else FOLDER / name
    return Markup(path.read_text(encoding="utf-8"))


def data(value: Any) -> Any:
    r"""JSON that can stand inside a script: no character of it ends one.

    >>> print(data(["<b>"]))
    ["\u003cb\u003e"]
    """
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def marked(text: str) -> Any:
    """Plain text with `code` marked as such, a --flag of it never broken; everything else is text.

    >>> str(marked("`a < b` & c"))
    '<code>a &lt; b</code> &amp; c'
    """
    from markupsafe import Markup, escape

    escaped = escape(text)
    return Markup(re.sub(r"`([^`]+)`", lambda m: f"<code>{_whole(m[1])}</code>", escaped)) if "`" in text else escaped


def _whole(code: str) -> str:
    return re.sub(r"--\w+", r'<span class="flag">\g<0></span>', code)
