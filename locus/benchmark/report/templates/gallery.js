(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const control = (name) => document.getElementById(name);
  const [finding, slider, recorded, heat] = ["finding", "threshold", "recorded", "heat"].map(control);
  const sections = [...document.querySelectorAll(".finding")];
  const HIT = 0.3;

  // A heat map is drawn once, when it becomes visible: "all findings" has hundreds.
  const painter = new IntersectionObserver((entries) => entries.forEach(async ({isIntersecting, target}) => {
    if (!isIntersecting) return;
    painter.unobserve(target);
    picture.drawHeat(target, await target.surface);
  }), {rootMargin: "50%"});

  // Boxes and IoU of one picture at the selected threshold.
  async function show(stage) {
    const {frame, truth} = data.cases[stage.dataset.case];
    if (stage.dataset.map === undefined) {
      picture.drawBoxes(stage, frame, stage.dataset.method ? [] : [["truth", truth]]);
      return;
    }
    if (!stage.surface) {
      stage.surface = picture.surfaceOf(data.maps[stage.dataset.map], frame);
      painter.observe(stage);
    }
    const on = await stage.surface;
    const threshold = Number(recorded.checked ? stage.dataset.threshold : slider.value);
    const boxes = geometry.boxes(on, threshold), iou = boxes.length ? geometry.iou(boxes[0], truth) : 0;
    picture.drawBoxes(stage, frame, [["truth", truth], ["other", boxes.slice(1)], ["predicted", boxes.slice(0, 1)]]);
    stage.dataset.computed = iou;
    stage.dataset.box = JSON.stringify(boxes[0] ?? []);
    const current = recorded.checked ? Number(stage.dataset.iou) : iou, figure = stage.parentElement;
    figure.classList.toggle("hit", current > HIT);
    figure.querySelector(".iou").textContent = `IoU ${current.toFixed(3)}`;
    figure.querySelector(".verdict").textContent = current > HIT ? "hit" : "miss";
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
    control("summary").textContent = `${count(".method.hit")} of ${count(".method .iou")} visible boxes are hits`;
    document.documentElement.dataset.ready = address;
  }

  const address = new URLSearchParams(location.hash.slice(1));
  if (address.has("finding") && [...finding.options].some((option) => option.value === address.get("finding"))) {
    finding.value = address.get("finding");
  }
  if (address.has("t")) [slider.value, recorded.checked] = [address.get("t"), false];
  slider.addEventListener("input", () => { recorded.checked = false; update(); });
  [finding, recorded, heat].forEach((input) => input.addEventListener("change", update));
  control("settings").addEventListener("submit", (event) => event.preventDefault());
  update();
})();
