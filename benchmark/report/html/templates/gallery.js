(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const control = (name) => document.getElementById(name);
  const [finding, slider, recorded, heat] = ["finding", "threshold", "recorded", "heat"].map(control);
  const sections = [...document.querySelectorAll(".finding")];
  const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const SIDE = 160;
  const HIT = 0.3;

  async function surfaceOf(number, frame) {
    const {values, shape, grid} = data.maps[number];
    const packed = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const map = geometry.halves(new Uint8Array(await new Response(stream).arrayBuffer()));
    return geometry.surface(geometry.minMax(map), shape, frame, grid);
  }

  function colour(value) {
    const at = Math.min(Math.max(value, 0), 1) * (RAMP.length - 1), low = Math.min(Math.floor(at), RAMP.length - 2);
    return RAMP[low].map((c, n) => c + (at - low) * (RAMP[low + 1][n] - c));
  }

  function drawHeat(stage, on) {
    const canvas = document.createElement("canvas"), side = Math.max(...on.frame);
    [canvas.height, canvas.width] = on.frame.map((length) => Math.max(1, Math.round(length / side * SIDE)));
    const context = canvas.getContext("2d"), picture = context.createImageData(canvas.width, canvas.height);
    geometry.painted(on, canvas.height, canvas.width).forEach((value, n) => {
      picture.data.set([...colour(value), 230 * value ** 0.7], 4 * n);  // what is low shows the image
    });
    context.putImageData(picture, 0, 0);
    stage.prepend(canvas);
  }

  function drawBoxes(stage, frame, groups) {
    stage.querySelector("svg")?.remove();
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${frame[1]} ${frame[0]}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const draw = (kind, [x0, y0, x1, y1]) => {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      Object.entries({class: kind, x: x0, y: y0, width: x1 - x0, height: y1 - y0}).forEach((pair) => rect.setAttribute(...pair));
      svg.append(rect);
    };
    for (const [kind, boxes] of groups) {
      if (kind !== "other") boxes.forEach((box) => draw("casing", box));
      boxes.forEach((box) => draw(kind, box));
    }
    stage.append(svg);
  }

  // Boxes and IoU of one picture at the threshold that the controls ask for.
  async function show(stage) {
    const {frame, truth} = data.cases[stage.dataset.case];
    if (stage.dataset.map === undefined) {
      drawBoxes(stage, frame, stage.dataset.method ? [] : [["truth", truth]]);
      return;
    }
    if (!stage.surface) {
      stage.surface = surfaceOf(Number(stage.dataset.map), frame);
      drawHeat(stage, await stage.surface);
    }
    const on = await stage.surface;
    const threshold = Number(recorded.checked ? stage.dataset.threshold : slider.value);
    const boxes = geometry.boxes(on, threshold), iou = boxes.length ? geometry.iou(boxes[0], truth) : 0;
    drawBoxes(stage, frame, [["truth", truth], ["other", boxes.slice(1)], ["predicted", boxes.slice(0, 1)]]);
    stage.dataset.computed = iou;
    stage.dataset.box = JSON.stringify(boxes[0] ?? []);
    const shown = recorded.checked ? Number(stage.dataset.iou) : iou, figure = stage.parentElement;
    figure.classList.toggle("hit", shown > HIT);
    figure.querySelector(".iou").textContent = `IoU ${shown.toFixed(3)}`;
    figure.querySelector(".verdict").textContent = shown > HIT ? "hit" : "miss";
    figure.querySelector(".at").textContent = boxes.length ? `at ${threshold.toFixed(3)}` : (on.flat ? "flat map" : "no box");
  }

  async function update() {
    const address = new URLSearchParams({finding: finding.value});
    if (!recorded.checked) address.set("t", slider.value);
    history.replaceState(null, "", `#${address}`);
    control("level").textContent = recorded.checked ? "as recorded" : Number(slider.value).toFixed(2);
    document.body.classList.toggle("plain", !heat.checked);
    sections.forEach((section) => { section.hidden = finding.value !== "" && section.dataset.finding !== finding.value; });
    const visible = sections.filter((section) => !section.hidden);
    await Promise.all(visible.flatMap((section) => [...section.querySelectorAll(".stage")]).map(show));
    const count = (selector) => visible.reduce((sum, section) => sum + section.querySelectorAll(selector).length, 0);
    control("summary").textContent = `${count(".method.hit")} of ${count(".method .iou")} shown boxes hit`;
    document.documentElement.dataset.ready = address;
  }

  const asked = new URLSearchParams(location.hash.slice(1));
  if (asked.has("finding") && [...finding.options].some((option) => option.value === asked.get("finding"))) {
    finding.value = asked.get("finding");
  }
  if (asked.has("t")) [slider.value, recorded.checked] = [asked.get("t"), false];
  slider.addEventListener("input", () => { recorded.checked = false; update(); });
  [finding, recorded, heat].forEach((one) => one.addEventListener("change", update));
  control("settings").addEventListener("submit", (event) => event.preventDefault());
  update();
})();
