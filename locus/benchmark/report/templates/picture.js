"use strict";
// Drawings over an image: a packed map as colours, boxes as rectangles.
const picture = (() => {
  const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const SIDE = 160, SHADES = 256;

  async function surfaceOf({values, shape, grid}, frame) {
    const packed = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const map = geometry.numbers(new Uint8Array(await new Response(stream).arrayBuffer()), shape[0] * shape[1]);
    return geometry.surface(geometry.minMax(map), shape, frame, grid);
  }

  function colour(value) {
    const at = Math.min(Math.max(value, 0), 1) * (RAMP.length - 1), low = Math.min(Math.floor(at), RAMP.length - 2);
    return RAMP[low].map((c, n) => c + (at - low) * (RAMP[low + 1][n] - c));
  }

  const COLOURS = Array.from({length: SHADES}, (_, n) => colour(n / (SHADES - 1)));

  function drawHeat(stage, on) {
    const canvas = document.createElement("canvas"), side = Math.max(...on.frame);
    [canvas.height, canvas.width] = on.frame.map((length) => Math.max(1, Math.round(length / side * SIDE)));
    const context = canvas.getContext("2d"), picture = context.createImageData(canvas.width, canvas.height);
    geometry.painted(on, canvas.height, canvas.width).forEach((value, n) => {
      const [red, green, blue] = COLOURS[Math.round(value * (SHADES - 1))], at = 4 * n;
      picture.data[at] = red;
      picture.data[at + 1] = green;
      picture.data[at + 2] = blue;
      picture.data[at + 3] = 230 * value ** 0.7;  // low values are transparent
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

  return {surfaceOf, drawHeat, drawBoxes};
})();
