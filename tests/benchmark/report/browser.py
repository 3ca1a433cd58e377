"""A page read by a browser without a window: one start answers all questions."""

import html
import json
import re
import shutil
import subprocess

import pytest

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


def answers(page, questions, folder):
    """Name -> what each script of ``questions`` returns on the page, and ``problems``: what went wrong there."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium is on the path")
    calls = "\n".join(f"await ask({json.dumps(name)}, async () => {{ {script} }});" for name, script in questions.items())
    before, body, after = page.read_text().replace("<head>", f"<head>{EARS}", 1).rpartition("</body>")
    (folder / "asked.html").write_text(before + ASK % calls + body + after)
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=60000"]
    line = [browser, *flags, "--dump-dom", (folder / "asked.html").as_uri()]
    dom = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True).stdout
    (found,) = re.findall(r'<pre id="answers">(.*?)</pre>', dom, re.DOTALL) or [""]
    return json.loads(html.unescape(found))
