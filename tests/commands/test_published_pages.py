"""Every command on a published page can be typed as it stands."""

import re
from pathlib import Path

import pytest

from locus.benchmark.suite import plan
from tests.commands.pages import METHOD, NETWORK, typed_commands

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
PAGES = sorted(ROOT.glob("results/*/index.html"))
pytestmark = pytest.mark.commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the published results and the files of a reader, beside the optional data."""
    folder = tmp_path_factory.mktemp("around") / "checkout"
    folder.mkdir()
    (folder / "results").symlink_to(ROOT / "results")
    if SHARED.is_dir():
        (folder.parent / "shared").symlink_to(SHARED)
    (folder / "mine.py").write_text(METHOD)
    (folder / "net.py").write_text(NETWORK)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_command_on_a_published_page_can_be_typed(page, folder, run_command, sentence):
    """Runs are typed with ``--dry_run``; a command may end in the sentence that the data or the maps are not here."""
    data = Path(plan.load(page.parent.name).train.get("data_root_dir", "."))
    for command, *words in typed_commands(page):
        dry = ["--dry_run", "True"] if command == "benchmark.run" else []
        done = run_command(command, *words, *dry, cwd=folder)
        if done.returncode != 0:
            assert command == "benchmark.gallery" or not (folder / data).is_dir()
            assert re.search(r"is missing|is not there|has no maps", sentence(done))
