// The rating page: one set of four images, their scores, and the way through the sets. Texts from the server enter
// the page as text only.

const SCORES = [0, 1, 2, 3, 4, 5];
const QUESTIONS = { text: "Text", mask: "Mask" };
const OPTIONS = "synthorax-rating"; // how the reader likes to look, kept by the browser

class Page extends RaterPage {
  constructor(root) {
    // Kept by the browser: how the reader likes to look. The outline is on in every set that has one.
    super(root, { smooth: true, linked: false, ...JSON.parse(localStorage.getItem(OPTIONS) || "{}"), outline: true, only: null });
    this.outbox = new Outbox((...what) => this.say(...what), (...answer) => this.confirmed(...answer), () => this.refresh());
    this.cells = []; // [position, aspect] in the order in which they are scored
    this.cursor = null; // the cell that the next key press scores
    this.training = null; // {number, set, of} while a training set is on the screen
    this.build();
    document.addEventListener("keydown", (event) => pressKey(this, event));
    document.addEventListener("keyup", (event) => releaseKey(this, event));
    window.addEventListener("blur", () => this.hideOutline(false)); // the key that is let go of elsewhere
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    this.go();
  }

  build() {
    this.buildFrame(HELP, ["All sets are scored", "Thank you. Every score is saved. You can go back and correct any of them."]);
    this.legend = make("div", { class: "legend", role: "group", "aria-label": "Structures of the outline" });
    this.outlineButton = this.buildHold();
    this.linkButton = pageButton("Together", "L", () => this.toggle("linked"));
    this.remarks = new Remarks(this);
    this.tiles = [0, 1, 2, 3].map((position) => this.buildTile(position));
    this.tabs = make("div", { class: "tabs", role: "group", "aria-label": "Images" }, ...this.tiles.map((_, position) =>
      pageButton(`${position + 1}`, `Image ${position + 1}`, () => this.point(position))));
    this.grid = make("div", { class: "grid" }, ...this.tiles.map((tile) => tile.node));
    this.start = new Start(this, () => this.go());
    this.assemble([this.outlineButton, this.windowButton, this.sizeButton, this.linkButton, this.guideButton], [this.prompt, this.legend],
      [this.tabs, this.grid, this.remarks.node, this.end, this.start.node]);
  }

  // The button that hides the outline for as long as it is held, by pointer or by key.
  buildHold() {
    const hold = make("button", { type: "button", title: "M, held down", "aria-pressed": "false" }, "Hold to hide outline");
    for (const name of ["pointerdown", "pointerup", "pointerleave", "pointercancel", "blur"]) {
      hold.addEventListener(name, () => this.hideOutline(name === "pointerdown"));
    }
    for (const [name, hidden] of [["keydown", true], ["keyup", false]]) {
      hold.addEventListener(name, (event) => {
        if (event.key === " " || event.key === "Enter") this.hideOutline(hidden);
      });
    }
    hold.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press of a finger
    return hold;
  }

  buildTile(position) {
    const canvas = make("canvas", { role: "img", "aria-label": `Image ${position + 1}` });
    const readout = make("span", { class: "readout" });
    const why = make("p", { class: "why" });
    const viewer = new Viewer(canvas, readout, this.options, (moved) => this.follow(moved));
    canvas.addEventListener("pointerdown", () => this.point(position));
    const panel = make("div", { class: "panel" });
    const film = make("div", { class: "film" }, canvas, make("b", {}, `${position + 1}`), why, readout);
    return { node: make("section", { "aria-label": `Image ${position + 1}` }, film, panel), panel, viewer, why, groups: [] };
  }

  go(place, known) {
    this.cursor = null;
    return super.go(place, known);
  }

  isUntouched(state) {
    return Object.values(state.scores).flat().every((one) => one === null);
  }

  welcome(say) {
    this.start.show(0).catch((error) => say(error.message, true));
  }

  showSet(set, state) {
    this.place = state.place;
    this.filling = !state.complete;
    this.cells = set.images.flatMap((_, position) => set.aspects.map((aspect) => [position, aspect]));
    this.prompt.textContent = set.prompt === null ? "No text: the mask alone" : set.prompt;
    this.prompt.classList.toggle("none", set.prompt === null);
    this.structures = set.mask ? set.mask.structures : [];
    this.legend.replaceChildren(...this.structures.map(([name, , colour, dash]) => make("button", {
      type: "button", title: "alone, or all", "data-structure": name, onclick: (event) => { event.currentTarget.blur(); this.showAlone(name); },
    }, lineSample(colour, dash), name.replaceAll("_", " "))));
    this.outlineButton.hidden = !set.mask;
    this.options.only = null;
    this.options.outline = true; // nobody can score a mask that is not on the screen
    this.tiles.forEach((tile, position) => {
      tile.node.hidden = position >= set.images.length;
      if (tile.node.hidden) return;
      tile.groups = set.aspects.map((aspect) => this.buildScores(position, aspect));
      tile.why.textContent = "";
      tile.panel.replaceChildren(...tile.groups, ...(this.training ? [] : [this.remarks.buttons(position)]));
      tile.viewer.show(set.pictures[position], set.outlines);
    });
    this.tabs.childNodes.forEach((tab, position) => { tab.hidden = position >= set.images.length; });
    this.showOnly(this.grid);
    this.showState(state);
    this.cursor = this.cells.find((cell) => this.scoreAt(cell) === null) || this.cells[0];
    this.mark();
    this.settle(state);
  }

  buildScores(position, aspect) {
    const buttons = SCORES.map((score) => make("button", {
      type: "button", "data-image": position, "data-aspect": aspect, "data-score": score,
      "aria-label": `Image ${position + 1}, ${QUESTIONS[aspect]}: ${score}`,
      onclick: (event) => { event.currentTarget.blur(); this.rate([position, aspect], score); },
    }, `${score}`));
    return make("div", { class: "scores", role: "group", "data-image": position, "data-aspect": aspect }, make("em", { title: "0 low quality, 5 high quality" }, QUESTIONS[aspect]), ...buttons);
  }

  showState(state) {
    Object.assign(this, { scores: state.scores, complete: state.complete, next: state.next, places: state.places });
    const { training } = this;
    if (training) this.showProgress(`Training ${training.number + 1} of ${training.of}`, state, "not counted");
    else this.showProgress(`Set ${state.place + 1} of ${state.places}`, state);
    this.backButton.disabled = state.place === 0 || Boolean(training);
    this.remarks.show(state.remarks);
    this.nextButton.classList.toggle("primary", state.complete);
    this.mark();
  }

  showEnd(state) {
    this.cursor = null;
    super.showEnd(state, `${state.places} sets`);
  }

  // One of: the grid of a set, the end, the start page; with what belongs to it.
  showOnly(node) {
    const set = node === this.grid;
    for (const one of [this.grid, this.end, this.start.node]) one.hidden = one !== node;
    for (const one of [this.tabs, this.nextButton, ...this.tools]) one.hidden = !set;
    this.guideButton.hidden = node === this.start.node;
    this.backButton.hidden = node === this.start.node;
    this.outlineButton.hidden = !set || !this.structures.length;
    this.remarks.node.hidden = !set || Boolean(this.training);
    if (set) return;
    this.prompt.textContent = "";
    this.legend.replaceChildren();
    this.place = node === this.end ? null : this.place;
    this.cursor = null;
  }

  showStart() {
    this.remarks.leave();
    this.training = null;
    const turn = this.newTurn();
    this.start.show(Number(this.root.dataset.done || 1)).catch((error) => turn === this.turn && this.say(error.message, true));
  }

  scoreAt([position, aspect]) {
    const waiting = this.outbox.find(this.place, position, aspect);
    return waiting ? waiting.score : this.scores[aspect][position];
  }

  // Draw which cell is next, what is scored, and what the server has not confirmed.
  mark() {
    const [here, wanted] = this.cursor || [];
    this.tiles.forEach((tile, position) => {
      if (tile.node.hidden) return;
      tile.node.classList.toggle("active", position === here);
      for (const group of tile.groups) {
        const aspect = group.dataset.aspect;
        const score = this.scoreAt([position, aspect]);
        group.classList.toggle("active", position === here && aspect === wanted);
        group.classList.toggle("waiting", Boolean(this.outbox.find(this.place, position, aspect)));
        group.querySelectorAll("button").forEach((button, value) => button.setAttribute("aria-pressed", value === score));
      }
    });
    this.tabs.childNodes.forEach((tab, position) => {
      tab.setAttribute("aria-pressed", position === here);
      const open = this.cells.some((cell) => cell[0] === position && this.scoreAt(cell) === null);
      tab.classList.toggle("scored", !open);
    });
    this.legend.classList.toggle("off", !this.options.outline);
    for (const one of this.legend.children) one.setAttribute("aria-pressed", this.options.only === one.dataset.structure);
    this.outlineButton.setAttribute("aria-pressed", !this.options.outline);
    this.linkButton.setAttribute("aria-pressed", this.options.linked);
  }

  // The server has one score more; when it has every one, on to the next set, if that completes the one being filled.
  confirmed({ state, then }, last) {
    if (state.place !== this.place) return;
    const finished = last && this.filling && state.complete;
    this.showState(state);
    if (finished) then ? this.go(then.place, then) : this.showEnd(state);
  }

  // Another tab may have scored this place.
  async refresh() {
    const { place } = this;
    if (place === null || this.training || this.onStart) return;
    const state = await ask(`rate/state?place=${place}`).catch(() => null);
    if (state && place === this.place && !this.outbox.waiting.length) this.showState(state);
  }

  rate(cell, score) {
    if (this.place === null || this.root.dataset.ready !== "true") return;
    const at = this.cells.findIndex(([position, aspect]) => position === cell[0] && aspect === cell[1]);
    if (at < 0) return;
    const seen = this.tiles[cell[0]].viewer.drawnOutline;
    if (this.training) this.scores[cell[1]][cell[0]] = score;
    const sent = this.training ? null : this.outbox.send({ place: this.place, image: cell[0], aspect: cell[1], score, outline_seen: seen });
    const open = [...this.cells.slice(at + 1), ...this.cells.slice(0, at)].find((other) => this.scoreAt(other) === null);
    this.cursor = open || (this.filling ? null : this.cells[Math.min(at + 1, this.cells.length - 1)]);
    this.say("");
    if (this.training && !open) this.start.explain();
    this.nextButton.classList.toggle("primary", !open);
    this.mark();
    return sent;
  }

  point(position) {
    const own = this.cells.filter((cell) => cell[0] === position);
    if (this.place === null || !own.length) return;
    const same = this.cursor && own.find((cell) => cell[1] === this.cursor[1]);
    this.cursor = (this.cursor && this.cursor[0] === position && same) || own.find((cell) => this.scoreAt(cell) === null) || same || own[0];
    this.mark();
  }

  switchAspect() {
    const [position, aspect] = this.cursor || [];
    this.cursor = this.cells.find((cell) => cell[0] === position && cell[1] !== aspect) || this.cursor;
    this.mark();
  }

  onward() {
    if (this.place === null) return;
    this.remarks.leave();
    const missing = this.cells.filter((cell) => this.scoreAt(cell) === null).length;
    if (missing) this.say(`${missing} of ${this.cells.length} scores missing. Page Down goes on without them.`, true);
    else if (this.training) this.start.train(this.training.number + 1);
    else if (this.next !== null) this.go(this.next);
    else this.step(1);
  }

  step(by) {
    if (this.training) return by > 0 ? this.start.train(this.training.number + 1) : undefined;
    this.remarks.leave();
    return this.move(by);
  }

  get onStart() {
    return !this.start.node.hidden;
  }

  hideOutline(hidden) {
    if (this.outlineButton.hidden || this.options.outline === !hidden) return;
    this.options.outline = !hidden;
    this.tiles.forEach((tile) => tile.viewer.draw());
    this.mark();
  }

  showAlone(name) {
    this.options.only = this.options.only === name ? null : name;
    this.tiles.forEach((tile) => tile.viewer.draw());
    this.mark();
  }

  // Each structure alone, one after the other, then all.
  nextStructure() {
    const names = [...(this.structures || []).map(([name]) => name), null];
    if (names.length > 1) this.showAlone(names[(names.indexOf(this.options.only) + 1) % names.length] || this.options.only);
  }

  toggle(option) {
    this.options[option] = !this.options[option];
    const { smooth, linked } = this.options;
    localStorage.setItem(OPTIONS, JSON.stringify({ smooth, linked }));
    this.tiles.forEach((tile) => tile.viewer.draw());
    this.mark();
  }

  follow(moved) {
    if (!this.options.linked) return;
    for (const { viewer } of this.tiles) if (viewer !== moved) viewer.copyFrom(moved);
  }

  enlarge() {
    const alone = this.grid.classList.toggle("alone");
    if (alone && !this.cursor) this.point(0);
  }
}

new Page(document.querySelector(".desk"));
