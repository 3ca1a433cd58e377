"""Tables as an Excel workbook; the same tables give the same bytes."""

import io
import re
import zipfile
from collections.abc import Sequence

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from benchmark.report.table import Table

MOMENT = (1980, 1, 1, 0, 0, 0)
"""Date of all files in the zip archive of a workbook."""


def workbook(tables: Sequence[Table]) -> bytes:
    """Return a workbook with one sheet per table: title, notes, header, rows; numbers as numbers.

    No cell is a formula. Titles are cut to the 31 characters that Excel allows.
    """
    book = Workbook()
    book.remove(book.active)
    for table in tables:
        sheet = book.create_sheet(re.sub(r"[\\/*?:\[\]]", "", table.title)[:31])
        for line in ([table.title], *([text] for text in table.intro.splitlines()), table.header, *table.rows):
            sheet.append([_value(cell) for cell in line])
            for cell in sheet[sheet.max_row]:
                cell.data_type = "s" if cell.data_type == "f" else cell.data_type  # never a formula
    raw = io.BytesIO()
    book.save(raw)
    return _undated(raw.getvalue())


def _value(cell: str) -> float | str:
    return float(cell) if re.fullmatch(r"-?\d+(\.\d+)?", cell) else ILLEGAL_CHARACTERS_RE.sub("", cell)


def _undated(content: bytes) -> bytes:
    """Return the file with fixed dates, so that equal tables are equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"1980-01-01T00:00:00Z", data)
            new.writestr(zipfile.ZipInfo(name, MOMENT), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()
