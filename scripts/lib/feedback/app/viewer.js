// One image on a canvas: window and level, zoom and pan, and the outline of its mask. Plain canvas, no library.
// Pixels are 8-bit grey. `center` and `width` are the window; `zoom` 1 fits the tile; `x`, `y` is the image point
// (in pixels of the image) that lies at the middle of the tile.

const FULL_WINDOW = { center: 127.5, width: 255 };
const ZOOM_LIMIT = 24;

async function decodePicture(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const grey = new Uint8Array(canvas.width * canvas.height);
  for (let k = 0; k < grey.length; k++) grey[k] = rgba[4 * k];
  return { grey, columns: canvas.width, rows: canvas.height };
}

// The border of one structure as straight pieces between pixels, in pixels of the image; runs are joined.
function traceOutline(field, bit) {
  const { grey, columns, rows } = field;
  const inside = (x, y) => x >= 0 && y >= 0 && x < columns && y < rows && (grey[y * columns + x] & bit) !== 0;
  const path = new Path2D();
  for (let y = 0; y <= rows; y++) {
    let start = -1;
    for (let x = 0; x <= columns; x++) {
      const edge = x < columns && inside(x, y) !== inside(x, y - 1);
      if (edge && start < 0) start = x;
      if (!edge && start >= 0) { path.moveTo(start, y); path.lineTo(x, y); start = -1; }
    }
  }
  for (let x = 0; x <= columns; x++) {
    let start = -1;
    for (let y = 0; y <= rows; y++) {
      const edge = y < rows && inside(x, y) !== inside(x - 1, y);
      if (edge && start < 0) start = y;
      if (!edge && start >= 0) { path.moveTo(x, start); path.lineTo(x, y); start = -1; }
    }
  }
  return path;
}

class Viewer {
  // `options` is shared by the four viewers: {smooth, outline}; `changed(viewer)` is called when the reader moved it.
  constructor(canvas, readout, options, changed) {
    Object.assign(this, { canvas, readout, options, changed });
    this.picture = null;
    this.outlines = [];
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => this.reset());
  }

  show(picture, outlines) {
    this.picture = picture;
    this.outlines = outlines;
    this.grey = new OffscreenCanvas(picture.columns, picture.rows);
    this.painted = null;
    Object.assign(this, this.home());
    this.draw();
  }

  home() {
    const { columns, rows } = this.picture;
    return { ...FULL_WINDOW, zoom: 1, invert: false, x: columns / 2, y: rows / 2 };
  }

  change(view) {
    Object.assign(this, view);
    this.changed(this);
    this.draw();
  }

  reset() {
    if (this.picture) this.change(this.home());
  }

  copyFrom(other) {
    for (const name of ["center", "width", "invert", "zoom", "x", "y"]) this[name] = other[name];
    this.draw();
  }

  scale() {
    return this.zoom * Math.min(this.canvas.width / this.picture.columns, this.canvas.height / this.picture.rows);
  }

  paint() {
    const key = `${this.center} ${this.width} ${this.invert}`;
    if (this.painted === key) return;
    this.painted = key;
    const low = this.center - this.width / 2;
    const table = new Uint8ClampedArray(256).map((_, value) => ((value - low) / this.width) * 255);
    if (this.invert) for (let k = 0; k < 256; k++) table[k] = 255 - table[k];
    const { grey, columns, rows } = this.picture;
    const pixels = new ImageData(columns, rows);
    const words = new Uint32Array(pixels.data.buffer);
    for (let k = 0; k < grey.length; k++) words[k] = 0xff000000 | (table[grey[k]] * 0x010101);
    this.grey.getContext("2d").putImageData(pixels, 0, 0);
  }

  draw() {
    const { canvas } = this;
    const dense = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * dense));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * dense));
    if (!this.picture) return;
    this.paint();
    const context = canvas.getContext("2d");
    const scale = this.scale();
    context.imageSmoothingEnabled = this.options.smooth;
    context.imageSmoothingQuality = "high";
    context.setTransform(scale, 0, 0, scale, canvas.width / 2 - this.x * scale, canvas.height / 2 - this.y * scale);
    context.drawImage(this.grey, 0, 0);
    if (this.options.outline) {
      for (const [path, colour] of this.outlines) {
        for (const [style, width] of [["rgba(0, 0, 0, 0.5)", 4], [colour, 2]]) {
          context.strokeStyle = style;
          context.lineWidth = (width * dense) / scale;
          context.lineCap = "square";
          context.stroke(path);
        }
      }
    }
    const zoomed = this.zoom > 1 ? ` · ${this.zoom.toFixed(1)}×` : "";
    this.readout.textContent = `L ${Math.round(this.center)}  W ${Math.round(this.width)}${zoomed}`;
  }

  // Dragging changes the window (right: wider, down: darker); with shift, or the middle or right button, it pans.
  press(event) {
    const pan = event.shiftKey || event.button !== 0;
    const { canvas } = this;
    canvas.setPointerCapture(event.pointerId);
    if (event.button === 1) event.preventDefault();
    const move = (now) => {
      if (!this.picture) return;
      if (pan) {
        const dense = window.devicePixelRatio || 1;
        this.moveTo(this.x - (now.movementX * dense) / this.scale(), this.y - (now.movementY * dense) / this.scale());
      } else {
        this.width = Math.min(510, Math.max(4, this.width + now.movementX));
        this.center = Math.min(255, Math.max(0, this.center + now.movementY / 2));
      }
      this.changed(this);
      this.draw();
    };
    const release = () => {
      canvas.removeEventListener("pointermove", move);
      canvas.removeEventListener("pointerup", release);
      canvas.removeEventListener("pointercancel", release);
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
  }

  wheel(event) {
    event.preventDefault();
    const box = this.canvas.getBoundingClientRect();
    const dense = window.devicePixelRatio || 1;
    const fromMiddle = [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
    this.zoomBy(Math.exp(-event.deltaY / 400), fromMiddle[0] * dense, fromMiddle[1] * dense);
  }

  // Zoom so that the image point `right`, `down` device pixels from the middle stays where it is.
  zoomBy(factor, right = 0, down = 0) {
    if (!this.picture) return;
    const before = this.scale();
    this.zoom = Math.min(ZOOM_LIMIT, Math.max(1, this.zoom * factor));
    const shift = 1 / before - 1 / this.scale();
    this.moveTo(this.x + right * shift, this.y + down * shift);
    this.changed(this);
    this.draw();
  }

  // No part of the tile that could show image stays empty: the middle keeps its distance from the image's border.
  moveTo(x, y) {
    const { columns, rows } = this.picture;
    const clamp = (value, size, shown) => {
      const margin = Math.min(size, shown / this.scale()) / 2;
      return Math.min(size - margin, Math.max(margin, value));
    };
    this.x = clamp(x, columns, this.canvas.width);
    this.y = clamp(y, rows, this.canvas.height);
  }
}
