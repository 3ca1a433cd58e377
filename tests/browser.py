"""Open a page in a headless browser and run scripts on it."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is on the path")

EARS = """<script>window.problems = [];
addEventListener("error", event => problems.push(event.message));
addEventListener("unhandledrejection", event => problems.push(String(event.reason)));
console.error = (...words) => problems.push(words.join(" "));</script>"""
ASK = """<script>addEventListener("load", () => setTimeout(async () => {
const alive = setInterval(() => {}, 1); // without a timer the browser's clock would jump to its end while others work
const answers = {}, wait = () => new Promise(done => setTimeout(done, 50));
const ask = async (name, question) => { try { answers[name] = await question(); } catch (error) { problems.push(`${name}: ${error}`); } };
%s
clearInterval(alive);
answers.problems = problems;
document.body.append(Object.assign(document.createElement("pre"), {id: "answers", textContent: JSON.stringify(answers)}));
}, 100))</script>"""


def dom(page: Path, address: str = "") -> str:
    """Return the document after its scripts have run; ``address``: the part after #."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--allow-file-access-from-files"]
    command = [BROWSER, *flags, "--virtual-time-budget=60000", "--dump-dom", f"{page.resolve().as_uri()}#{address}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


def answers(page: Path, questions: dict[str, str], folder: Path) -> dict[str, Any]:
    """Return name -> result of each script of ``questions``, and ``problems``: errors on the page."""
    if BROWSER is None:
        pytest.skip("no chromium or chrome is on the path")
    calls = "\n".join(f"await ask({json.dumps(name)}, async () => {{ {script} }});" for name, script in questions.items())
    before, body, after = page.read_text().replace("<head>", f"<head>{EARS}", 1).rpartition("</body>")
    (folder / "asked.html").write_text(before + ASK % calls + body + after)
    (found,) = re.findall(r'<pre id="answers">(.*?)</pre>', dom(folder / "asked.html"), re.DOTALL)
    return json.loads(html.unescape(found))
