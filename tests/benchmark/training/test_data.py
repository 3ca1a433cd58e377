"""Images of a run."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from locus import datasets
from locus.benchmark import opening, training
from locus.benchmark.training import data
from locus.core.errors import DataError
from locus.datasets import load_split

pytestmark = pytest.mark.planted


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_train_on_filters_the_training_side_only(tiny, split):
    sides = {word: data.decode(tiny(train_on=word), load_split(tiny(), split)) for word in ("all", "boxed", "unboxed")}
    counts = {word: len(side) for word, side in sides.items()}
    if split == "test":
        assert counts["boxed"] == counts["unboxed"] == counts["all"]
    else:
        assert 0 < counts["boxed"] < counts["all"] == counts["boxed"] + counts["unboxed"]
        assert all(boxed for _, _, boxed in sides["boxed"].ids)
        assert not sides["unboxed"].labels.any()


def test_a_batch_holds_the_pixels_and_labels_of_its_images(tiny):
    source = load_split(tiny(), "train")
    side = data.decode(tiny(train_on="boxed"), source)
    pixels, labels = side[np.array([0, 2])]
    wanted = [i for i in range(len(source)) if source[i].boxes]
    assert np.array_equal(pixels[1].numpy(), source[wanted[2]].image)
    assert np.array_equal(labels[1].numpy(), source[wanted[2]].labels)


def test_nothing_left_to_train_on_is_an_error(tiny):
    config = tiny(dataset="phantom:train=8,val=8,test=8,prevalence=0.0", train_on="boxed")
    with pytest.raises(DataError, match=r"phantom:train=8.*train.*--train_on boxed"):
        data.decode(config, load_split(config, "train"))


def test_training_requires_known_labels(tiny, tmp_path):
    for name in "ab":
        Image.fromarray(np.full((32, 32), ord(name), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_text("image,split,Mass,Nodule\na.png,train,,\nb.png,test,1,0\n")
    config = tiny(dataset="folder", data_root_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"labels.* 1 train images of folder"):
        data.decode(config, load_split(config, "train"))


@pytest.fixture
def unreadable(tiny, tmp_path):
    """unreadable(**flags) -> the flags of a folder with drawn images; the second image of each split is cut off."""
    folder, lines = tmp_path / "in", ["image,split,Mass,Nodule"]
    folder.mkdir()
    for i, sample in enumerate(datasets.load("phantom:train=120,val=1,test=1", split="train", img_size=32)):
        Image.fromarray(sample.image).save(path := folder / f"{i:03}.png")
        lines.append(f"{path.name},{('train', 'val', 'test')[i % 3]},{i // 3 % 2},{i // 6 % 2}")
        if i in (3, 4, 5):
            path.write_bytes(path.read_bytes()[:60])
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    places = {"dataset": "folder", "data_root_dir": str(folder), "cache_dir": str(tmp_path / "cache"), "img_size": 32}
    return lambda **flags: tiny(**{**places, "max_bad_images": 0.05, "num_workers": 1, **flags})


def test_unreadable_images_are_handled_equally_in_later_runs(unreadable, tmp_path, caplog):
    runs = [training.fit(unreadable(), tmp_path / name) for name in ("cold", "warm")]
    assert caplog.text.count("skipped: ") == 6  # three of each run
    assert opening.checkpoint(runs[0] / "last.ckpt").digest == opening.checkpoint(runs[1] / "last.ckpt").digest
    assert (runs[0] / "predictions.csv").read_bytes() == (runs[1] / "predictions.csv").read_bytes()
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in runs]
    assert [m["train"]["data"]["unreadable"] for m in metrics] == [1, 1]
    assert [(m["train"]["n"], m["val"]["n"], m["test"]["n"]) for m in metrics] == [(39, 39, 39)] * 2


def test_an_unreadable_image_of_a_training_batch_is_replaced_from_the_batch_itself(unreadable):
    split = data.decode(unreadable(), load_split(unreadable(), "train"))
    batch = np.array([7, 1, 5])  # 1 cannot be read
    split.decode_in_order(batch)
    images, labels = split[batch]
    expected, _ = split.pixels.read(split.rows[[7, 5, 7]])
    split.pixels.close()
    assert torch.equal(images, torch.from_numpy(expected))
    assert torch.equal(labels, split.labels[[7, 5, 7]])


def test_training_stops_when_too_many_images_cannot_be_read(unreadable, tmp_path):
    with pytest.raises(DataError, match=r"1 of 40 .*--max_bad_images .* 0\.01.*003\.png"):
        training.fit(unreadable(max_bad_images=0.01), tmp_path / "run")
    assert not (tmp_path / "run").exists()
