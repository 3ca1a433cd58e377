"""What README says about the repository itself."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SIZES = re.compile(r"git clone --depth 1 .*# (\d+) MB to download, (\d+) MB on disk; with history, (\d+) MB to download")
pytestmark = pytest.mark.freshness


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def sizes():
    """The three sizes in README, in MB."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    found = SIZES.search((ROOT / "README.md").read_text())
    assert found, "README does not say how large a clone is"
    return [int(size) for size in found.groups()]


def packed(*revisions):
    """The size in MB of the compressed objects of some revisions: what a clone downloads."""
    objects = git("rev-list", "--objects", "--no-object-names", *revisions)
    command = ["git", "cat-file", "--batch-check=%(objectsize:disk)"]
    listed = subprocess.run(command, cwd=ROOT, input=objects, capture_output=True, text=True, check=True).stdout
    return sum(map(int, listed.split())) / 1e6


def test_the_readme_says_how_large_a_clone_of_the_last_commit_is(sizes):
    downloaded, on_disk, _ = sizes
    compressed = packed("--no-walk", "HEAD")
    files = [ROOT / name for name in git("ls-files", "-z").split("\0") if name]
    checked_out = sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink()) / 1e6
    assert downloaded == pytest.approx(compressed, rel=0.1)
    assert on_disk == pytest.approx(compressed + checked_out, rel=0.1)


def test_the_readme_says_how_large_a_clone_with_history_is(sizes):
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("a shallow clone has no history")
    assert sizes[2] == pytest.approx(packed("HEAD"), rel=0.1)
