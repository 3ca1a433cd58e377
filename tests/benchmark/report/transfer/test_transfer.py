"""Conclusions about the rankings of two suites follow from the numbers."""

import pytest

from benchmark.records import pack
from benchmark.report import index
from tests.benchmark.report.made_up import training

UP = {"cam": 2, "gradcam": 6, "hirescam": 10, "xgradcam": 14, "layercam": 18}
LOW = {"cam": 0, "gradcam": 2, "hirescam": 4, "xgradcam": 6, "layercam": 9}
DOWN = dict(zip(UP, [*UP.values()][::-1], strict=True))
FEW = {"cam": 2, "layercam": 18}


def suite(folder, name, seeds=(0, 1, 2), **networks):
    """A suite whose networks, by pooling, hit so often by each method."""
    for pooling, methods in networks.items():
        for method, count in methods.items():
            for seed in seeds:
                training(folder / name, method, seed, count, pooling, dataset={"nih-sample": "NIH"}.get(name, name))
    pack(folder / name)


def text(folder):
    index.index(folder)
    return (folder / "transfer.md").read_text()


@pytest.mark.planted
def test_five_methods_can_agree_but_two_networks_are_too_few(tmp_path):
    for name in ("phantom", "nih-sample"):
        suite(tmp_path, name, PCAM=UP, AVG=LOW)
    page = text(tmp_path)
    assert "**From `phantom` to `nih-sample`: In part.**" in page
    assert "- which of the common methods scores highest: it is the same on each network;" in page
    assert "| custom PCAM | 5 | 1.00 [1.00, 1.00] | 0.017 | layercam | 0 of 10 | 3 | 20 |" in page  # 2 of the 120 orders
    order = "custom PCAM, custom AVG"
    orders = f"(order by the mean over common methods, not by `rank_methods`: {order} on `phantom`; {order} on `nih-sample`)"
    assert f"- which of 2 networks is better: they are too few for a rank correlation {orders};" in page
    assert "| mean over common methods | 2 | – | – |" in page


@pytest.mark.planted
def test_reverse_order_is_a_no_and_lists_swapped_pairs(tmp_path):
    suite(tmp_path, "phantom", PCAM=UP)
    suite(tmp_path, "nih-sample", PCAM=DOWN, AVG=UP)
    page = text(tmp_path)
    assert "**From `phantom` to `nih-sample`: No.**" in page
    assert "- how methods rank on custom PCAM (τ -1.00 [-1.00, -1.00], p 0.017): no agreement is shown;" in page
    assert "pairs swap significantly (the first of a pair is better on `phantom`: custom PCAM: " in page
    assert "layercam > cam" in page
    assert "- more than that: the two suites have too few networks or methods in common;" in page


def test_page_lists_suites_with_one_run(tmp_path):
    suite(tmp_path, "phantom", PCAM=FEW, AVG=FEW)
    suite(tmp_path, "nih-sample", seeds=[0], PCAM=FEW)
    page = text(tmp_path)
    assert "- what another training run would give: there is one training run of custom PCAM on `nih-sample`, so intervals" in page
    assert "- anything about custom AVG, which `nih-sample` does not have." in page
    assert "| custom PCAM | 2 | – | – | layercam | 0 of 1 | 3, 1 | 20 |" in page


def test_missing_suite_is_listed_and_a_single_suite_has_no_page(tmp_path):
    suite(tmp_path, "phantom", seeds=[0], PCAM=FEW)
    (tmp_path / "transfer.md").write_text("of earlier records")
    index.index(tmp_path)
    assert not (tmp_path / "transfer.md").exists()
    assert "transfer" not in (tmp_path / "README.md").read_text()
    suite(tmp_path, "implanted", seeds=[0], PCAM=FEW)
    page = text(tmp_path)
    assert "The suite `nih-sample` (radiographs) has no records and is not compared." in page
    assert "[transfer.md](transfer.md)" in (tmp_path / "README.md").read_text()
