"""What a disturbed run said."""


class Survived(Exception):  # noqa: N818
    """The run ended before the fault could reach it."""


class Refused(Exception):  # noqa: N818
    """This machine does not let anybody make the fault."""


def sentence(done, status=2):
    """The one line of an error, after checking that there is no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == status, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    assert len(lines) == 1, done.stderr[-2000:]
    return lines[0]
