"""Every number that a user's run prints, computed again with pandas from the user's own rows per case."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import locus
from locus.benchmark import records
from locus.benchmark.records import cases
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.core.frames import box_coverage
from tests.commands.pages import METHOD, NETWORK, typed_commands
from tests.oracles.boards import COLUMNS, IOBB, IOU, MAIN, check_line, markdown_tables, rows_per_case

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT.parent / "shared/nih-sample"
FINDINGS = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax")
pytestmark = pytest.mark.commands
needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="requires ../shared/nih-sample")

TINY = ["--suites", "suites", "--suite", "tiny", "--runs", "first", "--threads", "1"]
PROTOCOLS = ["--protocol", "single_box", "pointing", "classification"]


class Expected:
    """The scores of the rows per case in ``folder``: means over findings, by network and method."""

    def __init__(self, folder):
        rows = rows_per_case(folder).replace({"method": {"mine.py:Mine": "mine"}})  # a file's class has its name in tables
        self.of_findings = rows.groupby(["model_id", "method", "finding"])[COLUMNS].mean()
        self.means = self.of_findings.groupby(["model_id", "method"]).mean()
        first = self.means.index[0]
        self.n = rows[(rows["model_id"] == first[0]) & (rows["method"] == first[1])]["finding"].value_counts().to_dict()
        prior = self.of_findings.xs("prior", level="method")[MAIN].groupby("finding").first()
        self.solved = [finding for finding, share in prior.items() if share >= 0.9]
        self.rest = self.of_findings.drop(self.solved, level="finding").groupby(["model_id", "method"]).mean()[MAIN]
        self.rows = dict([*rows.groupby(["model_id", "method"])])
        self.models = dict.fromkeys(rows["model_id"])

    def first_row(self, model, method):
        """The shares of a row of the first table, in its order."""
        of = self.of_row(model, method)
        return [of[name] for name in ("hit@iou.1", MAIN, "hit@iou.5", "hit@iobb.5")]

    def of_row(self, model, method):
        """The shares of a row by their names; ``model`` None: of a baseline of any network."""
        model = model or next(name for name in self.models if (name, method) in self.means.index)
        return self.means.loc[(model, method)]

    def row(self, model, method):
        """The shares of a row of the table of all thresholds, in its order."""
        model = model or next(name for name in self.models if (name, method) in self.means.index)
        of = self.of_row(model, method)
        iou = [of[name] for name in IOU]
        iou[3:3] = [self.rest.loc[(model, method)]] * bool(self.solved)
        return [*iou, *(of[name] for name in IOBB), of["pointing"]]

    def over_baselines(self, model, method):
        mine = self.means.loc[(model, method), MAIN]
        return [mine - self.means.loc[(model, name), MAIN] for name in ("prior", "fixed_box")]


def network_names(folder):
    """Name of a network in a table -> its model."""
    return {record.cell.network: record.cell.model_id for record in records.load(folder) if record.cell.backbone}


def number(cell):
    """The first number of a cell, such as ``.061 [.000, .135]``; None for a dash."""
    found = re.search(r"[+−-]?\d*\.\d+", cell)
    return None if found is None else float(found[0].replace("−", "-"))


def same(printed, value):
    return printed is not None and abs(printed - value) <= 0.0005 + 1e-6


def check_first(lines, expected, names):
    """Check all numbers of a first table; return the names of its rows."""
    seen = []
    for network, method, *shares, difference, verdict in lines:
        model = model_of(network, names)
        check_shares((network, method), shares, expected.first_row(model, method))
        assert verdict in ("above", "below", "n.s.", "–")
        if model is not None and difference != "–":
            assert same(number(difference.partition(" ")[0]), min(expected.over_baselines(model, method)))
        seen.append(method)
    return seen


def check_all_thresholds(lines, expected, names):
    """Check all numbers of a table of all thresholds."""
    for network, method, *shares in lines:
        check_shares((network, method), shares, expected.row(model_of(network, names), method))


def model_of(network, names):
    """The model of the network that a cell names; None for baselines."""
    return next((model for name, model in names.items() if network.startswith(name)), None)


def check_shares(row, cells, values):
    assert len(cells) == len(values)
    wrong = [(cell, value) for cell, value in zip(cells, values, strict=True) if not same(number(cell), value)]
    assert not wrong, (row, wrong)


def check_findings(header, lines, expected, model):
    for method, *cells in lines:
        for finding, cell in zip(header[1:], cells, strict=True):
            if method == "n":
                assert int(cell) == expected.n[finding]
            else:
                of = model if (model, method, finding) in expected.of_findings.index else next(iter(expected.models))
                assert same(number(cell), expected.of_findings.loc[(of, method, finding), MAIN]), (method, finding)


def check_csv(path, expected):
    """Check the means and counts of a user's lines in ``leaderboard.csv``; return their number."""
    table = pd.read_csv(path)
    table = table[table["kind"].isin(["method", "baseline", "upper bound"]) & table["model_id"].isin(list(expected.models))]
    for line in table.to_dict("records"):
        check_line(line, expected.rows[line["model_id"], line["method"]])
    return len(table)


def check_run(folder, printed, board=""):
    """Check the answer of a user's own rows in the terminal, and their tables in ``leaderboard.md`` and the CSV.

    ``board``: how the titles of the user's tables begin.
    """
    expected, names = Expected(folder), network_names(folder)
    tables = markdown_tables((folder / "leaderboard.md").read_text())
    (title,) = [name for name in tables if name.startswith(board) and name.endswith("hits over IoU and IoBB thresholds")]
    _, lines = tables[title]
    shown = check_first(lines, expected, names)
    (complete,) = [name for name in tables if name.startswith(board) and name.endswith("all thresholds")]
    check_all_thresholds(tables[complete][1], expected, names)
    assert {"prior", "truth"} <= {*shown}
    (of_findings,) = [name for name in tables if name.startswith(board) and name.endswith("by finding")]
    (network,) = {*re.findall(r"^The best methods of (.+)\.$", (folder / "leaderboard.md").read_text(), re.MULTILINE)}
    check_findings(*tables[of_findings], expected, names[network])
    assert check_csv(folder / "leaderboard.csv", expected) >= len(lines)
    (best,) = re.findall(r"^(?:Best|Yours): (\S+) .*?: (\.\d+|1\.00) \[", printed, re.MULTILINE)
    values = [(expected.means.loc[key, MAIN], key[1]) for key in expected.means.index if key[1] in shown]
    ranked = [value for value, method in values if method not in BASELINES]
    assert same(float(best[1]), max(ranked))
    return expected


BASELINES = ("fixed_box", "prior", "center", "noise", "untrained", "truth")


@pytest.fixture(scope="module")
def published(write_suite, succeed, tmp_path_factory):
    """A folder in which a small suite was run and is published in ``results``."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "suites").mkdir()
    train = {"dataset": "phantom:train=64,val=16,test=40"}
    fields = {"models": [{"backbone": "custom", "global_pool": ["AVG", "PCAM"]}], "methods": ["cam", "layercam"]}
    write_suite(folder / "suites/tiny.yaml", train, **fields, protocols=["single_box", "pointing"])
    succeed("benchmark.run", *TINY, "--results", "results", cwd=folder)
    return folder


def other_weights(folder):
    """Change the weights of all training runs in a folder, as training on another machine would."""
    for n, checkpoint in enumerate(sorted(folder.glob("*/*/best.ckpt"))):
        saved, draw = torch.load(checkpoint, weights_only=True), torch.Generator().manual_seed(n)
        for value in saved["state_dict"].values():
            if value.is_floating_point():
                value.add_(0.02 * torch.randn(value.shape, generator=draw))
        torch.save(saved, checkpoint)


@pytest.fixture(scope="module")
def again(published, succeed, tmp_path_factory):
    """The same suite with other weights, run without ``--results`` beside the published one."""
    folder = tmp_path_factory.mktemp("again") / "user"
    shutil.copytree(published, folder)
    shutil.rmtree(folder / "first/tiny/maps")
    other_weights(folder / "first")
    return folder, succeed("benchmark.run", *TINY, cwd=folder)


def test_a_published_suite_run_again_with_other_weights_shows_the_users_own_numbers_alone(again, published):
    folder, done = again
    expected = check_run(folder / "runs/results/tiny", done.stdout)
    others = Expected(published / "results/tiny").means
    gaps = (expected.means - others).abs().max(1)
    assert (gaps.drop([*BASELINES], level="method") > 0).any(), "the weights did not change a score"
    text = (folder / "runs/results/tiny/leaderboard.md").read_text()
    assert "published)" not in text, "no published row of a network that was trained again"


@pytest.fixture(scope="module")
def with_method(published, succeed, tmp_path_factory):
    """The published suite, run by a user with a method of their own; a network of their own is in the folder too."""
    folder = tmp_path_factory.mktemp("with_method") / "user"
    shutil.copytree(published, folder)
    (folder / "mine.py").write_text(METHOD)
    (folder / "net.py").write_text(NETWORK)
    return folder, succeed("benchmark.run", *TINY, "--method", "mine.py:Mine", cwd=folder)


def test_an_added_method_stands_beside_the_published_rows_of_the_same_weights(with_method):
    folder, done = with_method
    own, given = (Expected(folder / at / "tiny") for at in ("runs/results", "results"))
    names = network_names(folder / "results/tiny")
    tables = markdown_tables((folder / "runs/results/tiny/leaderboard.md").read_text())
    _, lines = tables["phantom: hits over IoU and IoBB thresholds"]
    assert {line[1] for line in lines} >= {"mine", "layercam", "prior"}
    for line in lines:
        check_first([line], own if line[1] in ("mine", *BASELINES) else given, names)
        assert ("published" in line[0]) is (line[1] in ("cam", "layercam"))
    assert "Yours: mine on small CNN" in done.stdout


def test_every_command_on_the_page_of_a_users_run_can_be_typed(with_method, succeed, tmp_path):
    folder = tmp_path / "user"
    shutil.copytree(with_method[0], folder)
    commands = typed_commands(folder / "runs/results/tiny/index.html")
    assert {words[0] for words in commands} == {"benchmark.gallery", "benchmark.run"}
    (gallery,) = [words for words in commands if words[0] == "benchmark.gallery"]
    wanted = ["tiny", "--results", "runs/results", "--suites", "suites", "--runs", "first", "--trust", "True"]
    assert gallery[1:] == wanted
    for words in commands:
        succeed(*words, cwd=folder)


@pytest.fixture(scope="module")
def nih(tmp_path_factory):
    """nih(images, without, tables): a folder of NIH's layout with some boxed images of the official test list."""
    boxes, entries = pd.read_csv(SAMPLE / "BBox_List_2017.csv"), pd.read_csv(SAMPLE / "Data_Entry_2017_v2020.csv")

    def make(images, without=None, tables=True):
        root = tmp_path_factory.mktemp(f"nih{images}")
        (root / "images").mkdir()
        lacking = boxes[boxes["Finding Label"] == without]["Image Index"]
        marks = boxes[~boxes["Image Index"].isin(lacking)]
        turns = marks.assign(turn=marks.groupby("Finding Label").cumcount()).sort_values("turn", kind="stable")
        chosen = turns["Image Index"].drop_duplicates()[:images].tolist()
        for name in chosen:
            shutil.copy(SAMPLE / "images" / name, root / "images")
        if not tables:
            return root
        marks[marks["Image Index"].isin(chosen)].to_csv(root / "BBox_List_2017.csv", index=False)
        entries[entries["Image Index"].isin(chosen)].to_csv(root / "Data_Entry_2017_v2020.csv", index=False)
        (root / "test_list.txt").write_text("\n".join(chosen) + "\n")
        (root / "train_val_list.txt").write_text("")
        return root

    return make


def run_nih(succeed, folder, root):
    """Run the suite ``nih`` on a folder of images with a network of the user; return the results and the output."""
    (folder / "net.py").write_text(NETWORK)
    words = ["--suite", "nih", "--data_root_dir", root, "--model", "net.py:Net", "--img_size", "64", "--channels", "1"]
    words += ["--entry", "My net", "--findings", *FINDINGS, "--method", "cam", "gradcam", "--threads", "1"]
    done = succeed("benchmark.run", *words, *PROTOCOLS, cwd=folder)
    return folder / "runs/results/nih", done.stdout


@needs_sample
@pytest.mark.parametrize(("images", "without", "tables"), [(40, None, True), (38, "Infiltrate", True), (40, None, False)])
def test_a_network_on_some_images_of_nih_has_its_own_block_and_leaves_the_published_one(nih, succeed, tmp_path, images, without, tables):
    results, printed = run_nih(succeed, tmp_path, nih(images, without, tables))
    own = check_run(results, printed, board="NIH, your ")
    assert sum(own.n.values()) > images - 1
    assert (without is None) is ("Infiltration" in own.n)
    text, committed = (results / "leaderboard.md").read_text(), (ROOT / "results/nih/leaderboard.md").read_text()
    yours, theirs = markdown_tables(text), markdown_tables(committed)
    for title, table in theirs.items():
        assert yours[title.replace("NIH: ", "NIH, 984 cases of 880 images: ")] == table, title
    for line in (line for line in committed.splitlines() if line.startswith("**")):
        assert line in text, "the published answer stays"


def test_rows_of_one_network_on_different_cases_are_in_tables_of_their_own(published, tmp_path):
    folder = tmp_path / "results/tiny"
    shutil.copytree(published / "results/tiny", folder)
    held = records.load(folder)
    few = [r for r in held if (r.cell.method, r.cell.protocol, r.cell.global_pool) == ("cam", "single_box", "AVG")]
    for record in few:  # as after a second run on fewer images
        rows = cases.read(record.cell, folder).drop(columns=["key", *cases.CELL])
        cases.write(rows[rows["image"].isin(sorted({*rows["image"]})[::2])].to_dict("records"), record.cell, folder)
    cases.pack({record.key: record.cell.seed for record in held}, folder)
    boards = leaderboards(held, CaseFolders(folder))
    assert sorted(len(board.methods) for board in boards) == [1, 3]
    (alone,) = [board for board in boards if len(board.methods) == 1]
    assert f"your {sum(share.n for share in alone.methods[0].findings.values())} cases" in alone.title


OWN_DATA = "phantom:train=4,val=4,test=96"


def random_boxes(sample, count, rng):
    """Boxes (count,4) somewhere in the frame of an image."""
    height, width = sample.frame
    corners = rng.random((count, 2)) * (width / 2, height / 2)
    sizes = rng.uniform(0.1, 0.5, (count, 2)) * (width, height)
    return np.concatenate([corners, corners + sizes], 1)


def write_maps(samples, folder):
    """Write a map for each case: noise, with more of it inside the truth."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for sample in samples:
        for finding, boxes in sample.boxes.items():
            values = box_coverage(boxes, sample.frame, (8, 8)) + 1.5 * rng.random((8, 8))
            np.save(folder / f"{sample.image_id}_{finding}.npy", values.astype(np.float32))
    return ["--maps", folder, "--alignment", "conventional", "--entry", "Mine"]


def write_boxes(samples, file):
    """Write for each case a box somewhere, and for every third one the truth."""
    rng, lines = np.random.default_rng(0), ["image,finding,x0,y0,x1,y1,score"]
    for n, sample in enumerate(samples):
        for finding, boxes in sample.boxes.items():
            box = boxes[0] if n % 3 == 0 else random_boxes(sample, 1, rng)[0]
            lines.append(f"{sample.image_id},{finding},{','.join(map(str, box))},{rng.random():.3f}")
    file.write_text("\n".join(lines) + "\n")
    return ["--boxes", file, "--box_format", "xyxy", "--entry", "Mine"]


def check_entry(folder, printed, kind):
    """Check the answer and all tables of an entry of one's own ``kind`` (maps or boxes) against its rows per case."""
    expected = Expected(folder)
    (model,) = expected.models
    tables = markdown_tables((folder / "leaderboard.md").read_text())
    (title,) = [name for name in tables if name.endswith("hits over IoU and IoBB thresholds")]
    shown = check_first(tables[title][1], expected, {f"own {kind}": model})
    assert shown[0] == "Mine"
    assert {"prior", "fixed_box", "center", "noise", "truth"} <= {*shown}
    (of_findings,) = [name for name in tables if name.endswith("by finding")]
    check_findings(*tables[of_findings], expected, model)
    assert check_csv(folder / "leaderboard.csv", expected) == len(tables[title][1])
    (best,) = re.findall(r"^Yours: Mine: (\.\d+|1\.00) \[", printed, re.MULTILINE)
    assert same(float(best), expected.means.loc[(model, "Mine"), MAIN])


@pytest.mark.parametrize("kind", ["maps", "boxes"])
def test_own_maps_and_boxes_have_the_numbers_of_their_rows_per_case(succeed, tmp_path, kind):
    samples = [sample for sample in locus.load_dataset(OWN_DATA, img_size=64) if sample.boxes]
    flags = write_maps(samples, tmp_path / "maps") if kind == "maps" else write_boxes(samples, tmp_path / "boxes.csv")
    given = ["--dataset", OWN_DATA, "--img_size", "64", *flags, "--results", tmp_path / "out"]
    done = succeed("benchmark.score", *given, cwd=tmp_path)
    check_entry(tmp_path / "out/mine", done.stdout, kind)


def write_folder(samples, root):
    """Write a data set of one's own that has test images only."""
    root.mkdir()
    labels, boxes = [f"image,patient,split,{','.join(FINDINGS)}"], ["image,finding,x0,y0,x1,y1"]
    for sample in samples:
        Image.fromarray(sample.image).save(root / f"{sample.image_id}.png")
        values = ",".join(f"{value:.0f}" for value in sample.labels)
        labels.append(f"{sample.image_id}.png,{sample.patient_id},test,{values}")
        height, width = sample.frame
        scale = np.array([sample.image.shape[1] / width, sample.image.shape[0] / height] * 2)
        for finding, of_finding in sample.boxes.items():
            boxes += [f"{sample.image_id}.png,{finding},{','.join(map(str, box * scale))}" for box in of_finding]
    (root / "labels.csv").write_text("\n".join(labels) + "\n")
    (root / "boxes.csv").write_text("\n".join(boxes) + "\n")


def test_a_network_on_test_images_alone_has_the_numbers_of_its_rows_per_case(succeed, write_suite, tmp_path):
    write_folder([*locus.load_dataset(OWN_DATA, img_size=64)], tmp_path / "mine")
    (tmp_path / "suites").mkdir()
    train = {"dataset": "folder", "data_root_dir": "mine", "img_size": 64}
    write_suite(tmp_path / "suites/own.yaml", train, methods=["cam", "gradcam"], protocols=["single_box", "pointing"])
    (tmp_path / "net.py").write_text(NETWORK)
    flags = ["--suites", "suites", "--suite", "own", "--model", "net.py:Net", "--channels", "1", "--threads", "1"]
    done = succeed("benchmark.run", *flags, cwd=tmp_path)
    check_run(tmp_path / "runs/results/own", done.stdout)
