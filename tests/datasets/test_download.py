"""``--download`` with a small program instead of Kaggle's client, which copies a generated archive or fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from locus import datasets
from locus.core.errors import DataError, NotAvailableError
from locus.datasets.io import download
from locus.datasets.io.download import Kaggle, fetch
from tests.datasets.trees import covid_radiography, write

WORD, NAME = "covid_radiography:val=1,test=1", "tawsifurrahman/covid19-radiography-database"
CLIENT = """#!{python}
import os, pathlib, shutil, signal, sys
kind, verb, name, flag, folder = sys.argv[1:]
assert (kind, verb, name, flag) == {words}, sys.argv
calls = pathlib.Path({calls!r})
calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
if not (pathlib.Path.home() / ".kaggle" / "access_token").is_file():
    sys.exit("Authentication required")
place = pathlib.Path(folder) / (name.split("/")[-1] + ".zip")
content = pathlib.Path({archive!r}).read_bytes()
{end}
"""
WHOLE = "place.write_bytes(content)"
KILLED = "place.write_bytes(content[:500]); os.kill(os.getppid(), signal.SIGKILL)"
FETCH = "import logging, sys; from locus.datasets.io.download import fetch; fetch(sys.argv[1], sys.argv[2])"


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Put a program ``kaggle`` on the path and its key into an empty home; return the file that counts its calls."""
    tree = write(tmp_path / "tree", covid_radiography(images=4))
    archive = Path(shutil.make_archive(str(tmp_path / "published"), "zip", tree))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def program(end=WHOLE, words=("datasets", "download", NAME, "-p"), key=True):
        script, calls, token = tmp_path / "bin" / "kaggle", tmp_path / "calls", tmp_path / "home" / ".kaggle" / "access_token"
        for path in (script, token):
            path.parent.mkdir(parents=True, exist_ok=True)
        token.write_text("secret") if key else token.unlink(missing_ok=True)
        script.write_text(CLIENT.format(python=sys.executable, words=words, calls=str(calls), archive=str(archive), end=end))
        script.chmod(0o755)
        return calls

    return program


@pytest.mark.parametrize("name", ["covid", None], ids=["given", "default"])
def test_the_archive_is_unpacked_to_a_new_or_the_default_folder_and_read(client, tmp_path, monkeypatch, name):
    monkeypatch.setenv("LOCUS_DATA", str(tmp_path / "data"))
    client()
    fetch(WORD, name and tmp_path / "data" / name)
    assert len(datasets.load(WORD, name and tmp_path / "data" / name, "train")) == 8
    assert [path.name for path in (tmp_path / "data").iterdir()] == [name or "covid_radiography"]


def test_an_empty_folder_is_filled_and_one_with_files_is_unchanged(client, tmp_path):
    calls, root = client(), tmp_path / "covid"
    root.mkdir()
    fetch(WORD, root)
    (root / "mine.txt").write_text("mine")
    fetch(WORD, root)
    assert (calls.read_text(), (root / "mine.txt").read_text()) == ("x", "mine")


@pytest.mark.parametrize("word", ["siim_covid", "rsna_pneumonia", "vindr_cxr"])
def test_competitions_are_downloaded_by_their_own_command(client, tmp_path, word):
    origin = datasets.REGISTRY.get(word).origin
    client(words=("competitions", "download", origin.name, "-p"))
    fetch(word, tmp_path / "data")
    assert any((tmp_path / "data").iterdir())


def test_a_killed_download_leaves_no_folder_and_the_next_one_completes(client, tmp_path):
    root = tmp_path / "covid"
    client(KILLED)
    environment = {**os.environ, "PYTHONPATH": str(Path(datasets.__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", FETCH, WORD, root], env=environment).returncode == -9
    assert not root.exists()
    stale = tmp_path / ".covid.download" / "unpacked" / "COVID" / "stale.png"  # left by a run killed while unpacking
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    client()
    fetch(WORD, root)
    assert len(datasets.load(WORD, root, "train")) == 8
    assert not list(tmp_path.rglob("stale.png"))


def test_a_broken_archive_raises_a_clear_error_and_is_removed(client, tmp_path):
    client("place.write_bytes(content[:-500])")
    with pytest.raises(DataError, match=r"covid19-radiography-database\.zip.*removed"):
        fetch(WORD, tmp_path / "covid")
    assert not (tmp_path / "covid").exists()
    assert not list(tmp_path.glob(".covid.download/*.zip"))


def test_the_error_of_a_failed_download_names_the_file_of_the_key(client, tmp_path, capfd):
    client(key=False)
    with pytest.raises(NotAvailableError, match=r"status 1.*/settings/api.*~/\.kaggle/access_token.*kaggle\.json"):
        fetch(WORD, tmp_path / "covid")
    assert "Authentication required" in capfd.readouterr().err
    assert not (tmp_path / "covid").exists()


def test_without_the_client_the_error_says_how_to_install_it(client, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(NotAvailableError, match="pip install kaggle"):
        fetch(WORD, tmp_path / "new" / "covid")
    assert not (tmp_path / "new").exists()


@pytest.mark.contract
@pytest.mark.parametrize("word", datasets.names())
def test_a_data_set_that_cannot_be_downloaded_says_how_to_get_it(word, tmp_path):
    origin = datasets.REGISTRY.get(word).origin
    if isinstance(origin, Kaggle):
        assert f"kaggle {origin.kind} download" in str(origin)
        return
    with pytest.raises(NotAvailableError, match=f"'{word}'.*(https://|nothing)"):
        download.fetch(word, tmp_path)
