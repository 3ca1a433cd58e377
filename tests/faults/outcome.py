"""Outcomes of a disturbed run."""


class Survived(Exception):  # noqa: N818
    """The run ended before the fault could reach it."""


class Refused(Exception):  # noqa: N818
    """The fault cannot be caused on this machine."""


def sentence(done, status=2):
    """Return the error line after checking that there is no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == status, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    assert len(lines) == 1, done.stderr[-2000:]
    return lines[0]
