"use strict";
// The exact geometry of a heat map's bilinear surface, as in locus/scoring/surface (bilinear.py).
const geometry = (() => {
  // Box coordinates of the vertices along one axis; without a grid those of interpolate(align_corners=False).
  function centres(count, side, grid, axis) {
    const size = grid ? grid.size[axis] : side;
    const stride = grid ? grid.stride[axis] : side / count;
    const offset = grid ? grid.offset[axis] : (stride - 1) / 2;
    return Array.from({length: count}, (_, i) => (offset + stride * i + 0.5) * (side / size));
  }

  // The vertices inside the frame, and the two map positions around each.
  function cropped(at, side) {
    const kept = [...new Set(at.map((c) => Math.min(Math.max(c, 0), side)))].sort((a, b) => a - b);
    if (kept.length === at.length && kept.every((c, i) => c === at[i])) return {at, mix: null};
    return {at: kept, mix: kept.map((c) => between(at, c))};
  }

  // [position, share of the next one] of a point; constant beyond the outermost positions.
  function between(at, point) {
    let low = 0;
    while (low < at.length - 2 && at[low + 1] <= point) low += 1;
    if (at.length === 1) return [0, 0];
    return [low, Math.min(Math.max((point - at[low]) / (at[low + 1] - at[low]), 0), 1)];
  }

  function mixed(get, count, mix) {
    if (!mix) return Array.from({length: count}, (_, i) => get(i));
    return mix.map(([low, part]) => (part ? (1 - part) * get(low) + part * get(low + 1) : get(low)));
  }

  // Min-max scaled over the positions to [0, 1]; a flat map is 0 everywhere.
  function minMax(values) {
    let low = Infinity, high = -Infinity;
    for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
    return Float64Array.from(values, (v) => (high > low ? (v - low) / (high - low) : 0));
  }

  // A map of shape [h, w] on its grid as a surface over the frame [H, W].
  function surface(values, shape, frame, grid) {
    const [h, w] = shape;
    const y = cropped(centres(h, frame[0], grid, 0), frame[0]);
    const x = cropped(centres(w, frame[1], grid, 1), frame[1]);
    let low = Infinity, high = -Infinity;
    for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
    const columns = Array.from({length: w}, (_, j) => mixed((i) => values[i * w + j], h, y.mix));
    const f = new Float64Array(y.at.length * x.at.length);
    for (let i = 0; i < y.at.length; i += 1) {
      const row = mixed((j) => columns[j][i], w, x.mix);
      for (let j = 0; j < row.length; j += 1) f[i * row.length + j] = Math.min(Math.max(row[j], low), high);
    }
    const order = Array.from(f.keys()).sort((a, b) => f[b] - f[a]);  // stable: first in row-major order on ties
    return {f, y: y.at, x: x.at, frame, order, flat: f[order[0]] === f[order[order.length - 1]]};
  }

  // Exact outer boxes of the components of {surface > t}, by highest vertex; the first is that of the peak.
  function boxes(on, t) {
    const out = [];
    if (on.flat) return out;
    const seen = new Uint8Array(on.f.length);
    for (const start of on.order) {
      if (on.f[start] <= t) break;
      if (!seen[start]) out.push(flood(on, t, start, seen));
    }
    return out;
  }

  function flood({f, y, x, frame}, t, start, seen) {
    const h = y.length, w = x.length, box = [frame[1], frame[0], 0, 0], stack = [start];
    const push = (at) => { if (!seen[at]) { seen[at] = 1; stack.push(at); } };
    seen[start] = 1;
    while (stack.length) {
      const at = stack.pop(), i = Math.floor(at / w), j = at % w, here = f[at], above = here - t;
      const up = i > 0, down = i < h - 1, left = j > 0, right = j < w - 1;
      const north = up ? f[at - w] : -Infinity, south = down ? f[at + w] : -Infinity;
      const west = left ? f[at - 1] : -Infinity, east = right ? f[at + 1] : -Infinity;
      // along the grid lines: the surface falls to t before the neighbour, or continues to the frame's edge
      if (west > t) push(at - 1);
      else box[0] = Math.min(box[0], left ? x[j] - above / (here - west) * (x[j] - x[j - 1]) : 0);
      if (east > t) push(at + 1);
      else box[2] = Math.max(box[2], right ? x[j] + above / (here - east) * (x[j + 1] - x[j]) : frame[1]);
      if (north > t) push(at - w);
      else box[1] = Math.min(box[1], up ? y[i] - above / (here - north) * (y[i] - y[i - 1]) : 0);
      if (south > t) push(at + w);
      else box[3] = Math.max(box[3], down ? y[i] + above / (here - south) * (y[i + 1] - y[i]) : frame[0]);
      // across a patch with neither other corner above: connected exactly if the saddle is above
      const across = (to, one, other) => {
        if (one > t || other > t || !(f[to] > t)) return;
        if (above * (f[to] - t) > (one - t) * (other - t)) push(to);
      };
      if (up && left) across(at - w - 1, north, west);
      if (up && right) across(at - w + 1, north, east);
      if (down && left) across(at + w - 1, south, west);
      if (down && right) across(at + w + 1, south, east);
    }
    return box;
  }

  // The largest IoU of a box with a truth box.
  function iou(box, truth) {
    const each = truth.map((one) => {
      const width = Math.min(box[2], one[2]) - Math.max(box[0], one[0]);
      const height = Math.min(box[3], one[3]) - Math.max(box[1], one[1]);
      if (!(width > 0 && height > 0)) return 0;
      const overlap = width * height;
      return overlap / ((box[2] - box[0]) * (box[3] - box[1]) + (one[2] - one[0]) * (one[3] - one[1]) - overlap);
    });
    return Math.max(0, ...each);
  }

  // The surface at the centres of rows × columns pixels laid over the frame.
  function painted(on, rows, columns) {
    const w = on.x.length, out = new Float32Array(rows * columns);
    const at = (knots, n, side) => Array.from({length: n}, (_, i) => between(knots, (i + 0.5) * side / n));
    const ys = at(on.y, rows, on.frame[0]), xs = at(on.x, columns, on.frame[1]);
    ys.forEach(([i, p], r) => xs.forEach(([j, q], c) => {
      const a = i * w + j, down = on.y.length > 1 ? w : 0, next = w > 1 ? 1 : 0;
      const top = (1 - q) * on.f[a] + q * on.f[a + next], bottom = (1 - q) * on.f[a + down] + q * on.f[a + down + next];
      out[r * columns + c] = (1 - p) * top + p * bottom;
    }));
    return out;
  }

  // Maps in half or single precision, or shown smaller with one byte a number.
  function numbers(bytes, count) {
    if (bytes.byteLength === 4 * count) return Float64Array.from(new Float32Array(bytes.slice().buffer));
    return bytes.byteLength === count ? Float64Array.from(bytes) : halves(bytes);
  }

  function halves(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Float64Array.from({length: bytes.byteLength / 2}, (_, n) => {
      const bits = view.getUint16(2 * n, true), exponent = (bits >> 10) & 31, part = bits & 1023;
      const size = exponent ? (1 + part / 1024) * 2 ** (exponent - 15) : part * 2 ** -24;
      return bits & 0x8000 ? -size : size;
    });
  }

  return {minMax, surface, boxes, iou, painted, halves, numbers};
})();
