"""The local web page: its results equal those in Python, other hosts are refused, nothing is stored."""

import base64
import http.client
import json
import tempfile
import threading
import zlib
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from PIL import Image

from locus import backbones
from locus.backbones import weight_files
from locus.benchmark.training import runs
from locus.config import TrainConfig
from locus.core.frames import Grid
from locus.datasets.io import transforms
from locus.explaining.batch import explain
from locus.scoring.surface import bilinear, min_max
from tests.browser import answers
from tests.datasets.trees import write_dicom
from tools.serve import __main__ as run_command
from tools.serve import server as serve

FINDINGS = ("Mass", "<script>")
PIXELS = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
AT = """const slider = document.getElementById('threshold'); slider.value = %s; slider.dispatchEvent(new Event('input'));
    await wait(); await wait();
    return [...document.querySelectorAll('#panels [data-boxes]')].map(stage => JSON.parse(stage.dataset.boxes))"""
QUESTIONS = {
    "dropped": """const files = new DataTransfer(); files.items.add(new File(['any'], 'a.png'));
        dispatchEvent(new DragEvent('drop', {dataTransfer: files})); for (let n = 0; n < 20; n++) await wait();
        const select = document.getElementById('finding');
        return {finding: select.value, findings: [...select.options].map(option => option.textContent)}""",
    "at 0.5": AT % 0.5,
    "at 0.8": AT % 0.8,
}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return backbones.build("custom", num_classes=2, global_pool="PCAM", pretrained=False).eval()


@pytest.fixture(scope="module")
def serving(model, tmp_path_factory):
    """Serve one finished run with random weights on a free port."""
    run = tmp_path_factory.mktemp("runs") / "one"
    run.mkdir()
    recipe = TrainConfig(backbone="custom", global_pool="PCAM", pretrained=False, img_size=64)
    state = {weight_files.PREFIX + name: value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "locus": runs.stamp(recipe, model, FINDINGS), "history": []}, run / "best.ckpt")
    (run / "metrics.json").write_text("{}")
    with serve.PageServer(run.parent, 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def ask(serving, path, body=None, **headers):
    """Return status and text of a response."""
    own = {} if body is None else {"Origin": f"http://localhost:{serving.server_port}"}
    reply = request(serving, "GET" if body is None else "POST", path, body, own | headers)
    return reply.status, reply.read().decode()


def request(serving, method, path, body=None, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", serving.server_port, timeout=60)
    connection.request(method, path, body, dict(headers))
    return connection.getresponse()


@pytest.fixture
def png(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    return (tmp_path / "a.png").read_bytes()


def explanation(**asked):
    return f"/explain?{urlencode({'network': 0, 'suffix': '.png', 'method': ['cam', 'gradcam'], **asked}, doseq=True)}"


def unpacked(packed):
    return np.frombuffer(zlib.decompress(base64.b64decode(packed["values"])), "<f2").reshape(packed["shape"])


def test_an_image_has_the_probabilities_and_maps_that_python_gives_and_leaves_no_file(serving, model, png, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "left"))
    (tmp_path / "left").mkdir()
    status, text = ask(serving, explanation(), png)
    answer = json.loads(text)
    assert (status, answer["frame"], answer["findings"]) == (200, [64, 64], list(FINDINGS))
    maps = explain(model, transforms.evaluation()(torch.from_numpy(PIXELS)[None]), methods=["cam", "gradcam"])
    assert answer["probabilities"] == pytest.approx(maps.logits[0].sigmoid().tolist(), abs=1e-6)
    for given in answer["methods"]:
        for k, packed in enumerate(given["maps"]):
            raw = maps[given["method"]][0, k].numpy()
            np.testing.assert_allclose(unpacked(packed), raw / np.abs(raw).max(), atol=1e-3)
            assert packed["grid"]["stride"] == list(maps.grids[given["method"]].stride)
            assert packed["threshold"] == 0.5
    assert list((tmp_path / "left").iterdir()) == []


def test_the_page_lists_the_networks_without_loading_them(serving):
    status, text = ask(serving, "/")
    assert (status, "one</option>" in text) == (200, True)
    assert 'value="gradcam" checked' in text
    assert not any(word in text for word in ("src=", "@import", "http://1", "https://"))


def test_without_a_finished_run_the_error_says_what_to_do(tmp_path, capsys):
    assert run_command.main(["--runs", str(tmp_path)]) == 2
    assert "--runs FOLDER" in capsys.readouterr().err


def test_requests_from_other_or_malformed_hosts_and_pages_are_refused(serving, png):
    assert serving.server_address[0] == "127.0.0.1"
    assert ask(serving, "/", Host="evil.example")[0] == 403
    assert ask(serving, explanation(), png, Origin="http://evil.example")[0] == 403
    assert ask(serving, explanation(), png)[0] == 200
    assert request(serving, "POST", explanation(), png).status == 403  # without Origin
    for headers in ({"Host": "[::1"}, {"Origin": "http://[::1"}):
        status, text = ask(serving, "/", **headers)
        assert (status, "malformed" in json.loads(text)["error"]) == (400, True)


@pytest.mark.parametrize("suffix", [".png", ".dcm"])
def test_a_large_image_is_refused_by_its_header(serving, tmp_path, suffix):
    file = tmp_path / f"large{suffix}"
    if suffix == ".png":
        Image.new("L", (6000, 5000)).save(file)
    else:
        write_dicom(file, np.zeros((2, 2), np.uint16), Rows=6000, Columns=5000)
    status, text = ask(serving, explanation(suffix=suffix), file.read_bytes())
    assert (status, "at most 25 megapixels" in text) == (400, True), text


@pytest.mark.parametrize(
    ("path", "headers", "status", "said"),
    [
        (explanation(), {"Content-Length": str(serve.MAX_UPLOAD_BYTES + 1)}, 413, "64 MiB"),
        (explanation(), {"Content-Length": "-1"}, 411, "Length"),
        (explanation(), {}, 400, "image.png"),
        (explanation(suffix=".exe"), {}, 400, "one of .png"),
        (explanation(network=7), {}, 404, "unknown network"),
        (explanation(network="9" * 5000), {}, 404, "unknown network"),
        (explanation(), {"Content-Length": "9" * 5000}, 411, "Length"),
        ("/../../etc/passwd", {}, 404, "/explain"),
    ],
)
def test_an_image_that_cannot_be_explained_gives_a_clear_error(serving, path, headers, status, said):
    answered, text = ask(serving, path, b"no image", **headers)
    assert (answered, said in json.loads(text)["error"]) == (status, True), text
    assert tempfile.gettempdir() not in text


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("PUT", 501), ("OPTIONS", 501), ("DELETE", 501), ("TRACE", 501)])
def test_every_response_has_the_security_headers(serving, method, status):
    reply = request(serving, method, "/")
    assert (reply.status, reply.read() == b"") == (status, method == "HEAD")
    assert {name: reply.getheader(name) for name in serve.HEADERS} == serve.HEADERS


def test_a_browser_shows_the_answer_and_its_slider_moves_the_boxes(serving, png, tmp_path):
    text = ask(serving, explanation(), png)[1]
    given = text.replace("<", "\\u003c")
    reply = f"<script>window.fetch = async () => ({{json: async () => ({given})}});</script>"
    (tmp_path / "page.html").write_text(ask(serving, "/")[1].replace("<head>", f"<head>{reply}", 1))
    shown, answer = answers(tmp_path / "page.html", QUESTIONS, tmp_path), json.loads(text)
    assert shown["problems"] == []
    assert sorted(shown["dropped"]["findings"]) == sorted(FINDINGS)
    finding = FINDINGS.index(shown["dropped"]["finding"])
    maps = [method["maps"][finding] for method in answer["methods"]]
    for threshold in (0.5, 0.8):
        for packed, boxes in zip(maps, shown[f"at {threshold}"], strict=True):
            grid = Grid(**{name: tuple(pair) for name, pair in packed["grid"].items()})
            expected = bilinear.boxes(min_max(unpacked(packed)), threshold, (64, 64), grid)
            np.testing.assert_allclose(boxes, expected, atol=1e-6)
    assert shown["at 0.5"] != shown["at 0.8"]
