"""A page as a browser without a window shows it."""

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is on the path")


def dom(page: Path, address: str = "") -> str:
    """The document after its scripts have run; ``address`` is what stands behind the #."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--virtual-time-budget=60000"]
    command = [str(BROWSER), *flags, "--dump-dom", f"{page.resolve().as_uri()}#{address}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout
