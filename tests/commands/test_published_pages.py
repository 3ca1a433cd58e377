"""Every command on a published page can be typed as it stands."""

from pathlib import Path

import pytest

from locus.benchmark.suite import plan
from tests.commands.pages import METHOD, NETWORK, typed_commands

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("results/*/index.html"))
pytestmark = pytest.mark.commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files of a reader."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "mine.py").write_text(METHOD)
    (folder / "net.py").write_text(NETWORK)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_command_on_a_published_page_can_be_typed(page, folder, run_command, sentence):
    """Runs are typed with ``--dry_run``; a command may end in the sentence that the data or the maps are not here."""
    suite = plan.load(page.parent.name)
    for command, *words in typed_commands(page):
        dry = ["--dry_run", "True"] if command == "benchmark.run" else []
        done = run_command(command, *words, *dry, cwd=folder)
        if done.returncode != 0:
            assert not Path(suite.train.get("data_root_dir", "data")).is_dir() or command == "benchmark.gallery"
            assert "is missing" in sentence(done) or "are not" in sentence(done)
