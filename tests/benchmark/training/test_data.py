"""Images of a run and their order."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import datasets
from benchmark import training
from benchmark.training import data, load
from benchmark.training.batches import Batches
from benchmark.training.listing import load_split
from core.errors import DataError


@pytest.mark.byhand
def test_every_image_comes_once_per_epoch_and_no_batch_has_one_image_by_chance():
    batches = list(Batches(33, 16, seed=0))
    assert [len(batch) for batch in batches] == [11, 11, 11]
    assert sorted(np.concatenate(batches).tolist()) == list(range(33))


@pytest.mark.byhand
def test_the_order_depends_on_seed_and_epoch_alone():
    first, again, other = Batches(20, 5, seed=3), Batches(20, 5, seed=3), Batches(20, 5, seed=4)
    first.set_epoch(0)
    list(first)
    first.set_epoch(2)
    again.set_epoch(2)
    other.set_epoch(2)
    assert np.array_equal(list(first), list(again))
    assert not np.array_equal(list(first), list(other))
    again.set_epoch(1)
    assert not np.array_equal(list(first), list(again))


@pytest.mark.byhand
def test_without_a_seed_the_order_is_the_data_s():
    assert np.concatenate(list(Batches(7, 3))).tolist() == list(range(7))


@pytest.mark.byhand
def test_processes_share_the_images_without_overlap():
    parts = [np.concatenate(list(Batches(20, 4, seed=0, rank=rank, world_size=2))) for rank in (0, 1)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(20))
    assert len(Batches(20, 4, world_size=2)) == 3


@pytest.mark.planted
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


@pytest.mark.planted
def test_a_batch_holds_the_pixels_and_labels_of_its_images(tiny):
    source = load_split(tiny(), "train")
    side = data.decode(tiny(train_on="boxed"), source)
    pixels, labels = side[np.array([0, 2])]
    wanted = [i for i in range(len(source)) if source[i].boxes]
    assert np.array_equal(pixels[1].numpy(), source[wanted[2]].image)
    assert np.array_equal(labels[1].numpy(), source[wanted[2]].labels)


@pytest.mark.planted
def test_nothing_left_to_train_on_is_an_error(tiny):
    config = tiny(dataset="phantom:train=8,val=8,test=8,prevalence=0.0", train_on="boxed")
    with pytest.raises(DataError, match=r"phantom:train=8.*train.*--train_on boxed"):
        data.decode(config, load_split(config, "train"))


@pytest.mark.planted
def test_training_requires_known_labels(tiny, tmp_path):
    for name in "ab":
        Image.fromarray(np.full((32, 32), ord(name), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_text("image,split,Mass,Nodule\na.png,train,,\nb.png,test,1,0\n")
    config = tiny(dataset="folder", data_root_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"labels.* 1 train images of folder"):
        data.decode(config, load_split(config, "train"))


def folder_with_an_unreadable_image(folder, count=40):
    """Drawn files as a user's folder; the second image of each split is cut off."""
    drawn = [datasets.load(f"phantom:train={3 * count},val=1,test=1", split="train", img_size=32)[i] for i in range(3 * count)]
    lines = ["image,split,Mass,Nodule"]
    for i, sample in enumerate(drawn):
        Image.fromarray(sample.image).save(folder / f"{i:03}.png")
        lines.append(f"{i:03}.png,{('train', 'val', 'test')[i % 3]},{i // 3 % 2},{i // 6 % 2}")
    for i in (3, 4, 5):
        path = folder / f"{i:03}.png"
        path.write_bytes(path.read_bytes()[:60])
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.planted
def test_unreadable_images_are_handled_equally_in_later_runs(tiny, tmp_path, caplog):
    (tmp_path / "in").mkdir()
    folder_with_an_unreadable_image(tmp_path / "in")
    places = {"dataset": "folder", "data_root_dir": str(tmp_path / "in"), "cache_dir": str(tmp_path / "cache")}
    config = tiny(**places, img_size=32, max_bad_images=0.05, num_workers=1)
    runs = [training.fit(config, tmp_path / name) for name in ("cold", "warm")]
    assert caplog.text.count("skipped: ") == 6  # three of each run
    states = [load.checkpoint(folder / "last.ckpt").content["state_dict"] for folder in runs]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert (runs[0] / "predictions.csv").read_bytes() == (runs[1] / "predictions.csv").read_bytes()
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in runs]
    assert [m["train"]["data"]["unreadable"] for m in metrics] == [1, 1]
    assert [(m["train"]["n"], m["val"]["n"], m["test"]["n"]) for m in metrics] == [(39, 39, 39)] * 2


@pytest.mark.planted
def test_an_unreadable_image_of_a_training_batch_is_replaced_from_the_batch_itself(tiny, tmp_path):
    (tmp_path / "in").mkdir()
    folder_with_an_unreadable_image(tmp_path / "in")
    places = {"dataset": "folder", "data_root_dir": str(tmp_path / "in"), "cache_dir": str(tmp_path / "cache")}
    config = tiny(**places, img_size=32, max_bad_images=0.05, num_workers=1)
    split = data.decode(config, load_split(config, "train"))
    batch = np.array([7, 1, 5])  # 1 cannot be read
    split.decode_in_order(batch)
    images, labels = split[batch]
    expected, _ = split.pixels.read(split.rows[[7, 5, 7]])
    split.pixels.close()
    assert torch.equal(images, torch.from_numpy(expected))
    assert torch.equal(labels, split.labels[[7, 5, 7]])


@pytest.mark.planted
def test_training_stops_when_too_many_images_cannot_be_read(tiny, tmp_path):
    (tmp_path / "in").mkdir()
    folder_with_an_unreadable_image(tmp_path / "in")
    places = {"dataset": "folder", "data_root_dir": str(tmp_path / "in"), "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(DataError, match=r"1 of 40 .*--max_bad_images .* 0\.01.*003\.png"):
        training.fit(tiny(**places, img_size=32), tmp_path / "run")
    assert not (tmp_path / "run").exists()
