// The page from a sentence to a film: anatomy and findings appear, then the image; the mask is changed by hand and drawn again.

const KEYS = [
  ["Enter", "in the sentence: draw a mask of it, and its image"], ["D", "draw the image of the mask, or another one of it"],
  ["N", "another mask of the sentence"], ["B, E, V", "brush, eraser, drag a part"], ["[ ]", "a smaller or larger brush"],
  ["1 – 8", "choose a structure"], ["U, Ctrl + Z", "take the last step back"], ["O", "outlines and boxes on the image, or not"],
  ["I", "the image below the mask, or black"], ["K", "keep this film in a folder"], ["W", "next window: all greys, dark parts, bright parts"],
  ["wheel", "zoom"], ["shift + drag", "move the film"], ["R, double click", "reset window and zoom"], ["/", "back to the sentence"], ["?", "this list"],
];
const APPEAR = 450; // ms that the anatomy stands alone
const BOX = "#ffffff";

class DrawPage extends RaterPage {
  constructor(root) {
    super(root, { smooth: true, outline: true, only: null });
    Object.assign(this, { tool: "brush", bit: 0, bits: [], radius: 2, mask: null, picture: null, below: false, drawn: null });
    this.below = false;
    document.addEventListener("keydown", (event) => this.press(event));
    this.open();
  }

  async open() {
    try {
      this.about = await askUntilAnswered("draw/start", null, (...what) => this.root.replaceChildren(what[0]));
      this.build();
    } catch (error) {
      this.root.replaceChildren(make("p", { class: "notice bad" }, error.message));
    }
  }

  build() {
    const { about } = this;
    this.bits = about.structures.map(([, bit]) => bit);
    this.buildFrame(KEYS, ["", ""]);
    this.backButton = pageButton("Undo", "U", () => this.undo());
    this.nextButton = pageButton("Draw the image", "D", () => this.drawImage());
    this.sentence = make("input", { type: "text", class: "sentence", "aria-label": "Findings with their sides", placeholder: "right pleural effusion and cardiomegaly", spellcheck: "false", autocomplete: "off" });
    const draw = make("button", { type: "submit", class: "primary", title: "Enter" }, "Draw");
    const form = make("form", { class: "ask", onsubmit: (event) => { event.preventDefault(); this.drawMask(0); } }, this.sentence, draw);
    this.another = pageButton("Another mask", "N", () => this.drawMask(this.number + 1));
    this.keepButton = pageButton("Keep", "K: write this film into a folder", () => this.keep());
    this.tiles = [this.buildTile("Mask", true), this.buildTile("Image", false)];
    this.films = make("div", { class: "films" }, ...this.tiles.map((tile) => tile.node));
    this.told = make("div", { class: "told" });
    this.assemble([this.another, this.keepButton, this.windowButton], [form], [this.films, this.buildTools(), this.told]);
    this.who.textContent = about.study;
    this.showOrigin(about.origin);
    this.count.textContent = `${about.side} pixels · seed ${about.seed}`;
    this.bar.parentElement.hidden = true;
    this.tell([["p", `Write findings and their sides: ${about.findings.join(", ")}; left, right or bilateral. Or: no finding.`], ...(about.origin ? [["p", `${about.origin}.`]] : []), ["p", "What a sentence draws is what models make of it. Nobody has said that it is right."]]);
    this.choose(this.bits[about.structures.findIndex(([, , , , anatomy]) => !anatomy)] || this.bits[0]);
    this.settleButtons();
    this.stage("empty");
    this.sentence.focus();
  }

  buildTile(title, mask) {
    const canvas = make("canvas", { role: "img", "aria-label": title });
    const readout = make("span", { class: "readout" });
    const name = make("b", {}, title);
    const kind = mask ? MaskViewer : Viewer;
    // The mask has outlines of its own; those on the image can be hidden.
    const viewer = new kind(canvas, readout, mask ? { ...this.options } : this.options, (moved) => this.follow(moved), this);
    return { node: make("section", { "aria-label": title }, make("div", { class: "film" }, canvas, name, readout)), canvas, name, viewer };
  }

  buildTools() {
    const tool = (name, words, title) => make("button", { type: "button", "data-tool": name, title, onclick: (event) => { event.currentTarget.blur(); this.use(name); } }, words);
    this.toolButtons = [tool("brush", "Brush", "B"), tool("erase", "Eraser", "E"), tool("move", "Drag", "V: drag a part")];
    this.size = make("input", { type: "range", min: 0.5, max: 12, step: 0.5, value: this.radius, "aria-label": "Size of the brush", oninput: () => { this.radius = Number(this.size.value); } });
    this.structureButtons = this.about.structures.map(([name, bit, colour, dash]) => make("button", { type: "button", "data-bit": bit, onclick: (event) => { event.currentTarget.blur(); this.choose(bit); } }, lineSample(colour, dash), name.replaceAll("_", " ")));
    this.toolRow = make("div", { class: "tools" }, ...this.toolButtons, this.size, ...this.structureButtons);
    return this.toolRow;
  }

  use(name) {
    this.tool = name;
    this.toolButtons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.tool === name));
    this.tiles[0].canvas.style.cursor = name === "move" ? "move" : "crosshair";
  }

  choose(bit) {
    this.bit = bit;
    this.structureButtons.forEach((button) => button.setAttribute("aria-pressed", Number(button.dataset.bit) === bit));
    this.use(this.tool);
  }

  stage(name) {
    this.root.dataset.stage = name;
    this.root.dataset.ready = ["empty", "shown", "edited", "refused"].includes(name);
  }

  // A new mask of the sentence: its anatomy, then its findings, then the image and what experts say.
  async drawMask(number) {
    const turn = this.newTurn();
    const prompt = this.sentence.value;
    this.say("");
    this.stage("asked");
    try {
      const made = await ask("draw/mask", { prompt, sample: number });
      if (turn !== this.turn) return;
      Object.assign(this, { prompt, number, condition: made.condition, repeat: 0, drawn: null, picture: null });
      this.mask = new EditedMask(fieldOf(made.runs, this.about.side));
      this.sentence.removeAttribute("aria-invalid");
      this.sentence.blur();
      const anatomy = this.about.structures.filter(([, , , , part]) => part).reduce((sum, [, bit]) => sum | bit, 0);
      const asked = this.about.structures.find(([name]) => name in made.told.asked);
      if (asked) this.choose(asked[1]);
      this.tiles[1].viewer.show(this.black(), []);
      this.tiles[1].node.classList.remove("stale");
      this.redraw(anatomy);
      this.tellFilm(made.told, null);
      this.stage("anatomy");
      await pause(APPEAR);
      if (turn !== this.turn) return;
      this.redraw();
      this.stage("findings");
      await this.fill(turn);
    } catch (error) {
      if (turn === this.turn) this.refuse(error);
    }
  }

  // The image of the mask as it is: of the same noise where the mask was changed, else another one.
  async drawImage() {
    if (!this.mask || this.root.dataset.ready !== "true") return;
    const turn = this.newTurn();
    if (!this.isChanged()) this.repeat += 1;
    this.say("");
    try {
      this.stage("asked");
      await this.fill(turn);
    } catch (error) {
      if (turn === this.turn) this.refuse(error);
    }
  }

  async fill(turn) {
    const runs = this.mask.runs();
    const body = { prompt: this.prompt, runs, condition: this.condition, sample: this.repeat };
    const made = await ask("draw/image", body);
    const picture = await decodePicture(made.image);
    if (turn !== this.turn) return;
    Object.assign(this, { drawn: body, picture });
    this.boxes = made.told.boxes;
    this.redraw();
    this.tiles[1].node.classList.remove("stale");
    this.settleButtons();
    this.tellFilm(made.told, null);
    this.stage("image");
    const votes = await ask("draw/votes", body);
    if (turn !== this.turn) return;
    this.tellFilm(made.told, votes);
    this.stage("shown");
  }

  async keep() {
    if (!this.drawn || this.isChanged()) return this.say("There is no image of this mask yet. Draw it first.", true);
    try {
      const { folder } = await ask("draw/keep", this.drawn);
      return this.say(`Kept in ${folder}`);
    } catch (error) {
      return this.say(error.message, true);
    }
  }

  refuse(error) {
    this.say(error.message, true);
    if (error.message.startsWith("prompt:")) this.sentence.setAttribute("aria-invalid", "true");
    this.stage("refused");
  }

  isChanged() {
    return !this.drawn || this.drawn.runs.join() !== this.mask.runs().join();
  }

  black() {
    const { side } = this.about;
    return { grey: new Uint8Array(side * side), columns: side, rows: side };
  }

  // Draw mask and image anew; `only`: the bits of the mask that are shown.
  redraw(only = 255) {
    if (!this.mask) return;
    const { field } = this.mask;
    const shown = this.about.structures.filter(([, bit]) => bit & only);
    const outlines = shown.map(([name, bit, colour, dash]) => [traceOutline(field, bit), colour, dash, name]);
    this.tiles[0].viewer.show(this.below && this.picture ? this.picture : this.black(), outlines);
    if (this.picture) this.tiles[1].viewer.show(this.picture, [...outlines, ...this.boxLines()]);
  }

  boxLines() {
    return (this.boxes || []).map(({ structure, box: [x0, y0, x1, y1] }) => {
      const path = new Path2D();
      path.rect(x0, y0, x1 - x0, y1 - y0);
      return [path, BOX, [1, 2], structure];
    });
  }

  // The person has changed the mask.
  changed() {
    this.redraw();
    this.settleButtons();
    if (this.isChanged()) {
      this.newTurn();
      this.tiles[1].node.classList.add("stale");
      this.stage("edited");
    } else {
      this.tiles[1].node.classList.remove("stale");
      this.stage("shown");
    }
  }

  undo() {
    if (this.mask && this.mask.undo()) this.changed();
  }

  settleButtons() {
    const changed = this.mask && this.isChanged();
    this.backButton.disabled = !this.mask || !this.mask.before.length;
    for (const button of [this.nextButton, this.another, this.keepButton]) button.disabled = !this.mask;
    this.nextButton.textContent = !this.mask || changed ? "Draw the image" : "Another image";
    this.nextButton.classList.toggle("primary", Boolean(changed));
  }

  tellFilm(told, votes) {
    const faults = told.faults.map((name) => name.replaceAll("_", " "));
    const lines = [["p", make("b", {}, "The mask shows "), told.shown_words, make("span", { class: told.as_asked ? "good" : "bad" }, told.as_asked ? " as asked" : " not what was asked for")]];
    if (faults.length) lines.push(["p", make("b", {}, "Unlike real masks: "), make("span", { class: "bad" }, faults.join(", ")), " (size or place)"]);
    if (votes === null) lines.push(["p", "Experts are asked…"]);
    else {
      const word = { true: "accepted", false: "refused", null: "neither accepted nor refused" }[String(votes.accepted)];
      lines.push(["p", make("b", {}, `The experts: ${word} `), `(${votes.note})`]);
      const said = votes.votes.map((one) => make("li", { "data-vote": String(one.vote) }, make("b", {}, `${one.expert}: ${{ true: "yes", false: "no", null: "no vote" }[String(one.vote)]} `), one.note));
      lines.push(["ul", ...said]);
    }
    this.tell(lines);
  }

  tell(lines) {
    this.told.replaceChildren(...lines.map(([tag, ...parts]) => make(tag, {}, ...parts)));
  }

  showStart() {
    this.sentence.focus();
  }

  follow(moved) {
    this.tiles.forEach(({ viewer }) => viewer !== moved && viewer.picture && viewer.copyFrom(moved));
  }

  press(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && document.activeElement !== this.sentence) {
      event.preventDefault();
      this.undo();
      return;
    }
    const key = keyOf(event);
    if (key === null || !this.sentence) return;
    if (document.activeElement === this.sentence) {
      if (key === "Escape") this.sentence.blur();
      return; // it is typed into
    }
    const size = (by) => () => { this.size.value = this.radius + by; this.radius = Number(this.size.value); };
    const actions = {
      d: () => this.drawImage(), n: () => this.mask && this.drawMask(this.number + 1), b: () => this.use("brush"), e: () => this.use("erase"),
      v: () => this.use("move"), u: () => this.undo(), "[": size(-0.5), "]": size(0.5), k: () => this.keep(), w: () => this.picture && this.nextWindow(this.tiles.slice(1)),
      o: () => { this.options.outline = !this.options.outline; this.redraw(); }, i: () => { this.below = !this.below; this.redraw(); },
      r: () => this.tiles[0].viewer.reset(), "/": () => this.sentence.focus(), "?": () => this.toggleHelp(), Escape: () => { this.help.hidden = true; },
    };
    const chosen = /^[1-8]$/.test(key) ? this.bits[Number(key) - 1] : null;
    if (!actions[key] && !chosen) return;
    event.preventDefault();
    if (event.repeat && key !== "[" && key !== "]") return;
    if (chosen) this.choose(chosen);
    else actions[key]();
  }
}

new DrawPage(document.querySelector(".desk"));
