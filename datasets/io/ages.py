"""Parse a patient's age from a table or a DICOM header."""

import functools
import math
import re

OLDEST = 120
"""Maximum age in years; larger values are typing errors."""
IN_A_YEAR = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
"""Units of a DICOM age string (value representation AS), and a plain number of years."""


@functools.cache
def years(text: str) -> float:
    """Return an age in years; nan if it is invalid or above 120.

    >>> years("061Y"), years("18M"), years(" 44 "), years("unknown"), years("411Y")
    (61.0, 1.5, 44.0, nan, nan)
    """
    match = re.fullmatch(r"(\d{1,4}(?:\.\d*)?)([YMWD]?)", text.strip().upper())
    age = float(match[1]) / IN_A_YEAR[match[2]] if match else math.nan
    return age if age <= OLDEST else math.nan
