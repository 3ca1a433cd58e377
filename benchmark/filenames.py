"""Names of files made of what users call things."""

import re


def stem(*parts: str) -> str:
    """A file's name made of ``parts``, which may hold anything: the file stays in its folder.

    >>> stem("a.png", "Nodule/Mass"), stem("../../evil")
    ('a.png_Nodule_Mass', '.._.._evil')
    """
    return re.sub(r"[^\w.=-]+", "_", "_".join(parts))
