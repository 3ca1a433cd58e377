(() => {
  const part = (id) => document.getElementById(id);
  const made = (tag, values) => Object.assign(document.createElement(tag), values);
  let file = null, answer = null, asked = 0;

  async function ask() {
    if (!file) return;
    const words = [...document.querySelectorAll("input[name=method]:checked")].map((box) => ["method", box.value]);
    if (!words.length) return say("Choose a method.", true);
    if (file.size > LARGEST) return say(`The image has more than ${LARGEST / 2 ** 20} MiB.`, true);
    const suffix = /\.[^.]*$/.exec(file.name)?.[0] ?? "";
    const address = new URLSearchParams([["network", part("network").value], ["suffix", suffix], ...words]);
    const turn = (asked += 1);
    say("Explaining …");
    try {
      const reply = await fetch(`/explain?${address}`, {method: "POST", body: file});
      const given = await reply.json();
      if (turn !== asked) return;
      if (given.error) return say(given.error, true);
      answer = given;
      fill();
      say(`${file.name}: ${answer.frame[1]} × ${answer.frame[0]} pixels`);
    } catch (error) {
      say(`No answer: ${error.message}. Is the server still there?`, true);
    }
  }

  function say(text, isProblem = false) {
    part("state").textContent = text;
    part("state").classList.toggle("problem", isProblem);
    if (isProblem) part("answer").hidden = true;
  }

  function fill() {
    const order = answer.probabilities.map((p, k) => [p, k]).sort((a, b) => b[0] - a[0]);
    const rows = order.flatMap(([p, k]) => [made("span", {textContent: answer.findings[k]}), made("meter", {value: p, ariaLabel: answer.findings[k]}), made("span", {textContent: p.toFixed(3)})]);
    part("likely").replaceChildren(...rows);
    const before = part("finding").value, names = answer.findings;
    part("finding").replaceChildren(...order.map(([, k]) => made("option", {textContent: names[k]})));
    part("finding").value = names.includes(before) ? before : names[order[0][1]];
    part("without").replaceChildren(...answer.without.map((line) => made("li", {textContent: `n/a: ${line}`})));
    part("answer").hidden = false;
    draw();
  }

  function stageOf(label) {
    const stage = made("div", {className: "stage", role: "img", ariaLabel: label});
    stage.style.aspectRatio = `${answer.frame[1]} / ${answer.frame[0]}`;
    stage.style.backgroundImage = `url(${answer.picture})`;
    return stage;
  }

  function figure(stage, name, said) {
    const shown = document.createElement("figure"), caption = document.createElement("figcaption");
    caption.append(made("b", {textContent: name}), made("span", {className: "at", textContent: said}));
    shown.append(stage, caption);
    return shown;
  }

  async function panel({method, maps}, k) {
    const map = maps[k], stage = stageOf(`${method}, ${answer.findings[k]}`);
    if (!map) return figure(stage, method, "n/a: the map is not finite");
    const on = await picture.surfaceOf(map, answer.frame), isChosen = part("chosen").checked;
    const threshold = isChosen ? map.threshold : Number(part("threshold").value), boxes = geometry.boxes(on, threshold);
    picture.drawHeat(stage, on);
    picture.drawBoxes(stage, answer.frame, [["other", boxes.slice(1)], ["predicted", boxes.slice(0, 1)]]);
    stage.dataset.boxes = JSON.stringify(boxes);
    return figure(stage, method, `${boxes.length ? `box above ${threshold.toFixed(3)}` : on.flat ? "flat map" : "no box"}${isChosen ? ` (${map.threshold_source})` : ""}`);
  }

  async function draw() {
    const now = answer, k = answer.findings.indexOf(part("finding").value);
    part("level").textContent = part("chosen").checked ? "as chosen for each method" : Number(part("threshold").value).toFixed(2);
    document.body.classList.toggle("plain", !part("heat").checked);
    const panels = await Promise.all(answer.methods.map((each) => panel(each, k)));
    if (now === answer) part("panels").replaceChildren(figure(stageOf("the image"), "the image", ""), ...panels);
  }

  function take(files) {
    file = files[0] ?? null;
    ask();
  }

  part("file").addEventListener("change", () => take(part("file").files));
  for (const type of ["dragover", "dragleave", "drop"]) addEventListener(type, (event) => { event.preventDefault(); part("drop").classList.toggle("over", type === "dragover"); });
  addEventListener("drop", (event) => take(event.dataTransfer.files));
  part("settings").addEventListener("change", (event) => { if (event.target.id !== "file") ask(); });
  part("settings").addEventListener("submit", (event) => event.preventDefault());
  part("threshold").addEventListener("input", () => { part("chosen").checked = false; draw(); });
  for (const id of ["finding", "chosen", "heat"]) part(id).addEventListener("change", draw);
})();
