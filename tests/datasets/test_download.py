"""``--download``: Kaggle's client as a real little program, that checks its words and brings a generated tree's archive, or dies."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import datasets
from core.errors import BadValueError, DataError, NotAvailableError
from datasets.io import download
from datasets.io.download import KEYS, Kaggle, fetch, has_key
from tests.datasets.trees_covid import write_covid

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
FETCH = "import logging, sys; from datasets.io.download import fetch; fetch(sys.argv[1], sys.argv[2])"
Client = Callable[..., Path]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Puts a ``kaggle`` on the path that ends as told, and its key into an empty home; gives the file that counts its calls."""
    tree = write_covid(tmp_path / "tree", images=4)
    archive = Path(shutil.make_archive(str(tmp_path / "published"), "zip", tree))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def write(end: str = WHOLE, words: tuple[str, ...] = ("datasets", "download", NAME, "-p"), key: bool = True) -> Path:
        program, calls, token = tmp_path / "bin" / "kaggle", tmp_path / "calls", tmp_path / "home" / ".kaggle" / "access_token"
        for path in (program, token):
            path.parent.mkdir(parents=True, exist_ok=True)
        token.write_text("secret") if key else token.unlink(missing_ok=True)
        program.write_text(CLIENT.format(python=sys.executable, words=words, calls=str(calls), archive=str(archive), end=end))
        program.chmod(0o755)
        return calls

    return write


def test_the_archive_is_unpacked_into_an_absent_folder_and_read(client: Client, tmp_path: Path):
    client()
    fetch(WORD, tmp_path / "data" / "covid")
    assert len(datasets.load(WORD, tmp_path / "data" / "covid", "train")) == 8
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["covid"]


def test_an_empty_folder_is_filled_and_one_with_files_is_left_as_it_is(client: Client, tmp_path: Path):
    calls, root = client(), tmp_path / "covid"
    root.mkdir()
    fetch(WORD, root)
    (root / "mine.txt").write_text("mine")
    fetch(WORD, root)
    assert (calls.read_text(), (root / "mine.txt").read_text()) == ("x", "mine")


@pytest.mark.parametrize("word", ["siim_covid", "rsna_pneumonia", "vindr_cxr"])
def test_challenges_are_asked_for_by_their_own_command(client: Client, tmp_path: Path, word: str):
    origin = datasets.REGISTRY.get(word).origin
    client(words=("competitions", "download", origin.name, "-p"))
    fetch(word, tmp_path / "data")
    assert any((tmp_path / "data").iterdir())


def test_a_download_that_was_killed_leaves_no_folder_and_the_next_one_ends_well(client: Client, tmp_path: Path):
    root = tmp_path / "covid"
    client(KILLED)
    done = subprocess.run(
        [sys.executable, "-c", FETCH, WORD, root], env={**os.environ, "PYTHONPATH": str(Path(datasets.__file__).parents[1])}
    )
    assert done.returncode == -9
    assert not root.exists()
    stale = tmp_path / ".covid.download" / "unpacked" / "COVID" / "stale.png"  # killed while it unpacked
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    client()
    fetch(WORD, root)
    assert len(datasets.load(WORD, root, "train")) == 8
    assert not list(tmp_path.rglob("stale.png"))


def test_a_broken_archive_is_a_sentence_and_is_not_kept(client: Client, tmp_path: Path):
    client("place.write_bytes(content[:-500])")
    with pytest.raises(DataError, match=r"covid19-radiography-database\.zip.*removed"):
        fetch(WORD, tmp_path / "covid")
    assert not (tmp_path / "covid").exists()
    assert not list(tmp_path.glob(".covid.download/*.zip"))


def test_names_in_an_archive_that_lead_out_of_the_folder_stay_in_it(client: Client, tmp_path: Path):
    write = "file.writestr('../../out.txt', 'x'); file.writestr('/abs.txt', 'x')"
    client(f"import zipfile\nwith zipfile.ZipFile(place, 'w') as file: {write}")
    fetch(WORD, tmp_path / "covid")
    assert sorted(path.name for path in (tmp_path / "covid").iterdir()) == ["abs.txt", "out.txt"]
    assert not list(tmp_path.glob("out.txt"))


def test_without_a_key_the_sentence_says_which_file(client: Client, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    client(key=False)
    with pytest.raises(NotAvailableError, match=r"status 1.*/settings/api.*~/\.kaggle/access_token.*kaggle\.json"):
        fetch(WORD, tmp_path / "covid")
    assert "Authentication required" in capfd.readouterr().err
    assert not (tmp_path / "covid").exists()


def test_with_a_key_a_refusal_is_about_the_rules(client: Client, tmp_path: Path):
    client("sys.exit('403 - Forbidden')", ("competitions", "download", "siim-covid19-detection", "-p"))
    with pytest.raises(NotAvailableError, match=r"status 1.*https://.*/competitions/siim-covid19-detection/rules"):
        fetch("siim_covid", tmp_path / "siim")


def test_without_the_client_the_sentence_says_how_to_install_it(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(NotAvailableError, match="pip install kaggle"):
        fetch(WORD, tmp_path / "new" / "covid")
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_place_of_the_folder_is_told_before_anything_is_fetched(tmp_path: Path):
    (tmp_path / "covid").touch()
    with pytest.raises(BadValueError, match=f"--download .*{tmp_path}/covid"):
        fetch(WORD, tmp_path / "covid")


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    ("variable", "folder"), [("HOME", ".kaggle"), ("HOME", ".config/kaggle"), ("KAGGLE_CONFIG_DIR", ""), ("XDG_CONFIG_HOME", "kaggle")]
)
def test_every_place_of_a_key_counts(tmp_path: Path, variable: str, folder: str, name: str):
    home = tmp_path if variable == "HOME" else tmp_path / "home"
    environment = {} if variable == "HOME" else {variable: str(tmp_path)}
    assert not has_key(environment, home)
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / name).write_text("secret")
    assert has_key(environment, home)


def test_a_key_in_the_environment_counts_when_it_is_whole(tmp_path: Path):
    assert has_key({"KAGGLE_API_TOKEN": "x"}, tmp_path)
    assert has_key({"KAGGLE_USERNAME": "x", "KAGGLE_KEY": "x"}, tmp_path)
    assert not has_key({"KAGGLE_USERNAME": "x"}, tmp_path)


def test_without_a_folder_the_data_sets_own_is_filled(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCUS_DATA", str(tmp_path))
    client()
    fetch(WORD, None)
    assert len(datasets.load(WORD, split="train")) == 8


@pytest.mark.contract
@pytest.mark.parametrize("word", datasets.names())
def test_what_has_no_public_command_says_how_to_get_it(word: str, tmp_path: Path):
    origin = datasets.REGISTRY.get(word).origin
    if isinstance(origin, Kaggle):
        assert f"kaggle {origin.kind} download" in str(origin)
        return
    with pytest.raises(NotAvailableError, match=f"'{word}'.*(https://|nothing)"):
        download.fetch(word, tmp_path)
