// A mask that a person changes: a bit field with a brush, an eraser, and parts that are dragged; every step can be taken back.

const STEPS_BACK = 60;

class EditedMask {
  // `field` {grey: Uint8Array, columns, rows}; bit c of a pixel = structure c.
  constructor(field) {
    this.field = field;
    this.before = [];
  }

  // Remember the mask as it is, before a step changes it.
  remember() {
    this.before.push(this.field.grey.slice());
    if (this.before.length > STEPS_BACK) this.before.shift();
  }

  undo() {
    const last = this.before.pop();
    if (last) this.field.grey = last;
    return Boolean(last);
  }

  // Drop what was remembered last, if nothing has changed since.
  forgetIdle() {
    const last = this.before[this.before.length - 1];
    if (last && last.every((value, k) => value === this.field.grey[k])) this.before.pop();
  }

  // Paint (or wipe out) a structure along a line between two points of the image, `radius` in pixels of the mask.
  stroke(bit, from, to, radius, wipe) {
    const { grey, columns, rows } = this.field;
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) * 2));
    for (let step = 0; step <= steps; step++) {
      const [x, y] = [0, 1].map((k) => from[k] + ((to[k] - from[k]) * step) / steps);
      for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(rows - 1, y + radius); row++) {
        for (let column = Math.max(0, Math.floor(x - radius)); column <= Math.min(columns - 1, x + radius); column++) {
          // The pixel under the point always counts, so that the smallest brush paints one.
          const inside = Math.hypot(column + 0.5 - x, row + 0.5 - y) <= radius || (Math.floor(x) === column && Math.floor(y) === row);
          if (inside) grey[row * columns + column] = wipe ? grey[row * columns + column] & ~bit : grey[row * columns + column] | bit;
        }
      }
    }
  }

  // The connected part of a structure at a pixel, as places in the field; empty where it is not.
  partAt(bit, x, y) {
    const { grey, columns, rows } = this.field;
    const start = Math.floor(y) * columns + Math.floor(x);
    if (x < 0 || y < 0 || x >= columns || y >= rows || !(grey[start] & bit)) return [];
    const found = new Set([start]);
    for (const place of found) {
      const column = place % columns;
      for (const next of [column > 0 && place - 1, column < columns - 1 && place + 1, place - columns, place + columns]) {
        if (next !== false && next >= 0 && next < grey.length && grey[next] & bit) found.add(next);
      }
    }
    return [...found];
  }

  // Put a part elsewhere: `dx`, `dy` in pixels from where it lay in `original`; it stays inside the film.
  movePart(bit, part, original, dx, dy) {
    const { columns, rows } = this.field;
    const [xs, ys] = [part.map((place) => place % columns), part.map((place) => Math.floor(place / columns))];
    const bounds = (all, size) => [-all.reduce((a, b) => Math.min(a, b)), size - 1 - all.reduce((a, b) => Math.max(a, b))];
    const within = (step, [low, high]) => Math.min(high, Math.max(low, Math.round(step)));
    const by = within(dy, bounds(ys, rows)) * columns + within(dx, bounds(xs, columns));
    const grey = original.slice();
    for (const place of part) grey[place] &= ~bit;
    for (const place of part) grey[place + by] |= bit;
    this.field.grey = grey;
  }

  // As the server takes it: bits and lengths of runs, row by row.
  runs() {
    const runs = [];
    for (const value of this.field.grey) {
      if (runs.length && runs[runs.length - 2] === value) runs[runs.length - 1] += 1;
      else runs.push(value, 1);
    }
    return runs;
  }
}

function fieldOf(runs, side) {
  const grey = new Uint8Array(side * side);
  for (let k = 0, place = 0; k < runs.length; k += 2) grey.fill(runs[k], place, (place += runs[k + 1]));
  return { grey, columns: side, rows: side };
}

// A viewer of a mask: its parts are filled, and the pointer changes them. `page` has tool, bit, radius, mask and changed().
class MaskViewer extends Viewer {
  constructor(canvas, readout, options, changed, page) {
    super(canvas, readout, options, changed);
    this.page = page;
  }

  drawOutlines(context, unit) {
    context.globalAlpha = 0.3;
    for (const [path, colour] of this.outlines) {
      context.fillStyle = colour;
      context.fill(path);
    }
    context.globalAlpha = 1;
    super.drawOutlines(context, unit);
  }

  // Where the pointer is, in pixels of the image.
  pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const dense = window.devicePixelRatio || 1;
    return [
      this.x + ((event.clientX - box.left - box.width / 2) * dense) / this.scale(),
      this.y + ((event.clientY - box.top - box.height / 2) * dense) / this.scale(),
    ];
  }

  press(event) {
    const { mask } = this.page;
    if (!mask || event.button !== 0 || event.shiftKey) return super.press(event);
    const from = this.pointOf(event);
    const step = this.page.tool === "move" ? this.dragging(mask, from) : this.painting(mask, from);
    if (!step) return undefined;
    this.canvas.setPointerCapture(event.pointerId);
    const move = (now) => { if (now.pointerId === event.pointerId) { step(this.pointOf(now)); this.page.redraw(); } };
    const release = (now) => {
      if (now.pointerId !== event.pointerId) return;
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", release);
      this.canvas.removeEventListener("pointercancel", release);
      mask.forgetIdle();
      this.page.changed();
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", release);
    this.canvas.addEventListener("pointercancel", release);
    this.page.redraw();
    return undefined;
  }

  painting(mask, from) {
    const { bit, radius, tool } = this.page;
    let last = from;
    mask.remember();
    const paint = (to) => { mask.stroke(bit, last, to, radius, tool === "erase"); last = to; };
    paint(from);
    return paint;
  }

  // The chosen structure is taken where it lies under the pointer, else the last one in the list that does.
  dragging(mask, from) {
    const candidates = [this.page.bit, ...this.page.bits.toReversed()];
    const bit = candidates.find((one) => mask.partAt(one, ...from).length);
    if (!bit) return null;
    this.page.choose(bit);
    const part = mask.partAt(bit, ...from);
    mask.remember();
    const original = mask.field.grey.slice();
    return (to) => mask.movePart(bit, part, original, to[0] - from[0], to[1] - from[1]);
  }
}
