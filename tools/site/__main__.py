"""Build the site: ``python -m tools.site [FOLDER]``, by default runs/site (``make docs``)."""

import subprocess
import sys
from pathlib import Path

from tools.site.source import ROOT, write

if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "runs" / "site").resolve()
    config = write(folder)
    done = subprocess.run(
        [Path(sys.executable).parent / "zensical", "build", "-f", config], check=False
    )
    print(
        f"open {folder / 'site' / 'index.html'}"
        if done.returncode == 0
        else "building the site failed"
    )
    sys.exit(done.returncode)
