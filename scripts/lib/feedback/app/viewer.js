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

// Windows for films of 8 bits: all grey values, the dark third (lungs, air), the bright half (mediastinum, bones).
const WINDOWS = { "all greys": FULL_WINDOW, "dark parts": { center: 70, width: 140 }, "bright parts": { center: 175, width: 150 } };

class Viewer {
  // `options` is shared by the four viewers: {smooth, outline, only: the structure that is shown alone, or null};
  // `changed(viewer)` is called when the reader moved it. Window and zoom stay from one set to the next.
  constructor(canvas, readout, options, changed) {
    Object.assign(this, { canvas, readout, options, changed });
    this.picture = null;
    this.outlines = [];
    this.pointers = new Map();
    this.drawnOutline = false; // whether the outline of this picture has been on the screen
    new ResizeObserver(() => this.draw()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => this.reset());
  }

  show(picture, outlines) {
    const before = this.picture;
    this.picture = picture;
    this.outlines = outlines;
    this.drawnOutline = false;
    this.grey = new OffscreenCanvas(picture.columns, picture.rows);
    this.painted = null;
    const same = before && before.columns === picture.columns && before.rows === picture.rows;
    if (!same) Object.assign(this, this.home());
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

  // Screen pixels (of the device) for one pixel of the image when all of it is shown, and now.
  fit() {
    return Math.min(this.canvas.width / this.picture.columns, this.canvas.height / this.picture.rows);
  }

  scale() {
    return this.zoom * this.fit();
  }

  // One pixel of the image is one pixel of the screen.
  trueSize() {
    if (this.picture) this.change({ zoom: 1 / this.fit(), x: this.picture.columns / 2, y: this.picture.rows / 2 });
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
    if (this.options.outline) this.drawOutlines(context, dense / scale);
    const shown = scale >= 10 ? scale.toFixed(0) : scale.toFixed(1);
    this.readout.textContent = `Level ${Math.round(this.center)}  Window ${Math.round(this.width)}  Scale ${shown}:1`;
  }

  drawOutlines(context, unit) {
    for (const [path, colour, dash, name] of this.outlines) {
      if (this.options.only !== null && this.options.only !== name) continue;
      context.lineCap = "butt";
      context.setLineDash([]);
      context.strokeStyle = "rgba(0, 0, 0, 0.55)";
      context.lineWidth = 4.5 * unit;
      context.stroke(path);
      context.setLineDash(dash.map((part) => part * 2 * unit));
      context.strokeStyle = colour;
      context.lineWidth = 2.5 * unit;
      context.stroke(path);
      this.drawnOutline ||= !document.hidden && this.canvas.clientWidth > 0;
    }
    context.setLineDash([]);
  }

  // Dragging changes the window (right: wider, down: darker); with shift, or the middle or right button, it pans. A finger
  // pans what is enlarged, two fingers zoom.
  press(event) {
    const touch = event.pointerType === "touch";
    const pan = event.shiftKey || event.button !== 0 || (touch && this.zoom > 1);
    const { canvas } = this;
    canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (event.button === 1) event.preventDefault();
    const move = (now) => {
      if (!this.picture || now.pointerId !== event.pointerId) return;
      if (this.pointers.size > 1) return this.pinch(now);
      this.pointers.set(now.pointerId, now);
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
    const release = (now) => {
      if (now.pointerId !== event.pointerId) return;
      this.pointers.delete(event.pointerId);
      canvas.removeEventListener("pointermove", move);
      canvas.removeEventListener("pointerup", release);
      canvas.removeEventListener("pointercancel", release);
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
  }

  pinch(now) {
    const others = [...this.pointers.values()].filter((one) => one.pointerId !== now.pointerId);
    const before = this.pointers.get(now.pointerId);
    const apart = (one) => Math.hypot(one.clientX - others[0].clientX, one.clientY - others[0].clientY);
    this.pointers.set(now.pointerId, now);
    if (apart(before) > 0) this.zoomBy(apart(now) / apart(before));
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
    this.zoom = Math.min(ZOOM_LIMIT, Math.max(Math.min(1, 1 / this.fit()), this.zoom * factor));
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
