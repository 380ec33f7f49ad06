// The rating page: one set of four images, their scores, and the way through the sets. Texts from the server enter
// the page as text only. `element` at the end is the Gradio component that holds the page.

const SCORES = [0, 1, 2, 3, 4, 5];
const QUESTIONS = { text: "Text", mask: "Mask" };
const GUARD = 350; // ms after a new set in which no score is taken: the second half of a double press
const OPTIONS = "synthorax-rating"; // how the reader likes to look, kept by the browser

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

class Page {
  constructor(root) {
    this.root = root;
    this.options = { smooth: true, linked: false, ...JSON.parse(localStorage.getItem(OPTIONS) || "{}"), outline: false };
    this.sets = new Sets();
    this.outbox = new Outbox((...what) => this.say(...what), (...answer) => this.confirmed(...answer), () => this.refresh());
    this.cells = []; // [position, aspect] in the order in which they are scored
    this.cursor = null; // the cell that the next key press scores
    this.place = null; // null at the end and before the beginning
    this.build();
    document.addEventListener("keydown", (event) => pressKey(this, event));
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    this.go();
  }

  build() {
    const button = (text, title, act) => make("button", { type: "button", title, onclick: (event) => { event.currentTarget.blur(); act(); } }, text);
    this.count = make("span", { class: "count" });
    this.bar = make("i");
    this.prompt = make("div", { class: "prompt" });
    this.legend = make("div", { class: "legend" });
    this.notice = make("div", { class: "notice", role: "status" });
    this.outlineButton = button("Outline", "M", () => this.toggle("outline"));
    this.linkButton = button("Together", "L", () => this.toggle("linked"));
    this.backButton = button("Back", "Backspace", () => this.step(-1));
    this.nextButton = button("Next", "Enter", () => this.onward());
    this.help = make("div", { class: "help", hidden: "", onclick: () => this.toggleHelp() },
      make("table", {}, ...HELP.map(([keys, text]) => make("tr", {}, make("th", {}, keys), make("td", {}, text)))));
    this.tiles = [0, 1, 2, 3].map((position) => this.buildTile(position));
    this.grid = make("main", {}, ...this.tiles.map((tile) => tile.node));
    this.end = make("div", { class: "end", hidden: "" }, make("h1", {}, "All sets are scored"),
      make("p", {}, "Thank you. Every score is saved. You can go back and correct any of them."));
    this.root.replaceChildren(
      make("header", {}, make("div", { class: "progress" }, this.count, make("div", { class: "bar" }, this.bar)),
        make("div", { class: "task" }, this.prompt, this.legend),
        make("nav", {}, this.outlineButton, this.linkButton, button("Keys", "?", () => this.toggleHelp()), this.backButton, this.nextButton)),
      this.grid, this.end, this.notice, this.help);
  }

  buildTile(position) {
    const canvas = make("canvas", { "aria-label": `Image ${position + 1}` });
    const readout = make("span", { class: "readout" });
    const viewer = new Viewer(canvas, readout, this.options, (moved) => this.follow(moved));
    canvas.addEventListener("pointerdown", () => this.point(position));
    const panel = make("div", { class: "panel" });
    const film = make("div", { class: "film" }, canvas, make("b", {}, `${position + 1}`), readout);
    return { node: make("section", {}, film, panel), panel, viewer, groups: [] };
  }

  // Show a place (undefined: where the rater stopped); `known` is its state if the server has just told it.
  async go(place, known) {
    const turn = (this.turn = (this.turn || 0) + 1);
    const wanted = () => turn === this.turn;
    const say = (...what) => wanted() && this.say(...what);
    this.root.dataset.ready = "false";
    this.cursor = null;
    try {
      const path = place === undefined ? "rate/state" : `rate/state?place=${place}`;
      const state = known || (await askUntilAnswered(path, null, say, wanted));
      const set = state.place === null ? null : await this.sets.get(state.place, say);
      if (wanted()) set ? this.showSet(set, state) : this.showEnd(state);
    } catch (error) {
      say(error.message, true);
    }
  }

  showSet(set, state) {
    this.place = state.place;
    this.filling = !state.complete;
    this.cells = set.images.flatMap((_, position) => set.aspects.map((aspect) => [position, aspect]));
    this.prompt.textContent = set.prompt === null ? "No text: the mask alone" : set.prompt;
    this.prompt.classList.toggle("none", set.prompt === null);
    this.legend.replaceChildren(...(set.mask ? set.mask.structures : []).map(([name, , colour]) => {
      const dot = make("i");
      dot.style.background = colour;
      return make("span", {}, dot, name.replaceAll("_", " "));
    }));
    this.outlineButton.hidden = !set.mask;
    this.options.outline = set.aspects.includes("mask"); // nobody can score a mask that is not on the screen
    this.tiles.forEach((tile, position) => {
      tile.node.hidden = position >= set.images.length;
      if (tile.node.hidden) return;
      tile.groups = set.aspects.map((aspect) => this.buildScores(position, aspect));
      tile.panel.replaceChildren(...tile.groups);
      tile.viewer.show(set.pictures[position], set.outlines);
    });
    this.grid.hidden = this.nextButton.hidden = false;
    this.end.hidden = true;
    this.showState(state);
    this.cursor = this.cells.find((cell) => this.scoreAt(cell) === null) || this.cells[0];
    this.mark();
    this.say("");
    this.tiles.forEach((tile) => tile.viewer.draw());
    this.root.dataset.place = this.place;
    const turn = this.turn;
    setTimeout(() => { if (turn === this.turn) this.root.dataset.ready = "true"; }, GUARD);
    if (state.next !== null && state.next !== this.place) this.sets.get(state.next).catch(() => {});
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
    this.showProgress(`Set ${state.place + 1} of ${state.places}`, state);
    this.backButton.disabled = state.place === 0;
    this.nextButton.classList.toggle("primary", state.complete);
    this.mark();
  }

  showProgress(text, state) {
    this.count.replaceChildren(make("b", {}, text), ` ${state.done} done`);
    this.bar.style.width = `${(100 * state.done) / state.places}%`;
    this.root.dataset.done = state.done;
  }

  showEnd(state) {
    Object.assign(this, { place: null, cursor: null, places: state.places });
    this.turn += 1;
    this.showProgress(`${state.places} sets`, state);
    this.prompt.textContent = "";
    this.legend.replaceChildren();
    this.grid.hidden = this.outlineButton.hidden = this.nextButton.hidden = true;
    this.end.hidden = this.backButton.disabled = false;
    Object.assign(this.root.dataset, { place: "end", ready: "true" });
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
    this.legend.classList.toggle("off", !this.options.outline);
    this.outlineButton.setAttribute("aria-pressed", this.options.outline);
    this.linkButton.setAttribute("aria-pressed", this.options.linked);
  }

  say(text, bad = false) {
    this.notice.textContent = text;
    this.notice.classList.toggle("bad", bad);
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
    if (place === null) return;
    const state = await ask(`rate/state?place=${place}`).catch(() => null);
    if (state && place === this.place && !this.outbox.waiting.length) this.showState(state);
  }

  rate(cell, score) {
    if (this.place === null || this.root.dataset.ready !== "true") return;
    const at = this.cells.findIndex(([position, aspect]) => position === cell[0] && aspect === cell[1]);
    if (at < 0) return;
    const sent = this.outbox.send({ place: this.place, image: cell[0], aspect: cell[1], score, outline: this.options.outline });
    const open = [...this.cells.slice(at + 1), ...this.cells.slice(0, at)].find((other) => this.scoreAt(other) === null);
    this.cursor = open || (this.filling ? null : this.cells[Math.min(at + 1, this.cells.length - 1)]);
    this.say("");
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
    const missing = this.cells.filter((cell) => this.scoreAt(cell) === null).length;
    if (missing) this.say(`${missing} of ${this.cells.length} scores missing. Page Down goes on without them.`, true);
    else if (this.next !== null) this.go(this.next);
    else this.step(1);
  }

  step(by) {
    const place = (this.place === null ? this.places : this.place) + by;
    if (place >= 0) this.go(place < this.places ? place : undefined);
  }

  toggle(option) {
    this.options[option] = !this.options[option];
    localStorage.setItem(OPTIONS, JSON.stringify(this.options));
    this.tiles.forEach((tile) => tile.viewer.draw());
    this.mark();
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
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

new Page(element.querySelector(".desk") || element);
