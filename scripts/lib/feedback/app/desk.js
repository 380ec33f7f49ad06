// What both rating pages share: the frame around what is judged, the way through the places, and the tools of the viewers.

const GUARD = 350; // ms after a new place in which nothing is taken: the second half of a double press

function pageButton(text, title, act) {
  return make("button", { type: "button", title, onclick: (event) => { event.currentTarget.blur(); act(); } }, text);
}

// The key that was pressed, letters small; null where a modifier is held, or the button that has the focus takes it.
function keyOf(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const onButton = document.activeElement && document.activeElement.tagName === "BUTTON";
  if (onButton && (event.key === "Enter" || event.key === " ")) return null;
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

// A page has besides: showSet(set, state), showEnd(state), welcome(say), isUntouched(state), onward(), step(by), showStart().
class RaterPage {
  constructor(root, options) {
    Object.assign(this, { root, options });
    this.sets = new Sets();
    this.place = null; // null at the end and before the beginning
    this.window = 0; // which of WINDOWS
    this.fresh = true; // nothing has been shown yet
  }

  // The parts around what is judged; `keys` is the list of the help, `ended` what is said when all is done.
  buildFrame(keys, ended) {
    this.who = make("span", { class: "who" });
    this.origin = make("b", { class: "origin", hidden: "" });
    this.count = make("span", { class: "count" });
    this.left = make("span", { class: "left" });
    this.bar = make("i");
    this.prompt = make("h1", { class: "prompt" });
    this.notice = make("div", { class: "notice", role: "status" });
    this.backButton = pageButton("Back", "Backspace", () => this.step(-1));
    this.nextButton = pageButton("Next", "Enter", () => this.onward());
    this.windowButton = pageButton("Window", "W", () => this.nextWindow());
    this.sizeButton = pageButton("1:1", "P: one pixel of the image is one pixel of the screen", () => this.trueSize());
    this.guideButton = pageButton("Guide", "G", () => this.showStart());
    this.help = make("div", { class: "help", role: "dialog", "aria-label": "Keys", hidden: "", onclick: () => this.toggleHelp() },
      make("table", {}, ...keys.map(([names, text]) => make("tr", {}, make("th", { scope: "row" }, names), make("td", {}, text)))));
    this.end = make("div", { class: "end", hidden: "" }, make("h2", {}, ended[0]), make("p", {}, ended[1]));
  }

  // Put the page together: tools of the header, what stands in its middle, and the main part.
  assemble(tools, task, main) {
    this.tools = tools;
    this.root.replaceChildren(
      make("header", {}, make("div", { class: "progress" }, this.origin, this.who, this.count, this.left, make("div", { class: "bar" }, this.bar)),
        make("div", { class: "task" }, ...task),
        make("nav", {}, ...tools, pageButton("Keys", "?", () => this.toggleHelp()), this.backButton, this.nextButton)),
      make("main", {}, ...main), this.notice, this.help);
  }

  // Whatever was asked for before this is no longer wanted.
  newTurn() {
    this.turn = (this.turn || 0) + 1;
    return this.turn;
  }

  // Show a place (undefined: where the rater stopped); `known` is its state if the server has just told it.
  async go(place, known) {
    const turn = this.newTurn();
    const wanted = () => turn === this.turn;
    const say = (...what) => wanted() && this.say(...what);
    this.root.dataset.ready = "false";
    try {
      const path = place === undefined || place === null ? "rate/state" : `rate/state?place=${place}`;
      const state = known || (await askUntilAnswered(path, null, say, wanted));
      const set = state.place === null ? null : await this.sets.get(state.place, say);
      if (!wanted()) return;
      const untouched = this.fresh && set && state.done === 0 && this.isUntouched(state);
      this.fresh = false;
      if (untouched) this.welcome(say);
      else if (set) this.showSet(set, state);
      else this.showEnd(state);
    } catch (error) {
      say(error.message, true);
    }
  }

  // A place is on the screen: draw it, take answers soon, and fetch the next one.
  settle(state) {
    this.say("");
    this.tiles.forEach((tile) => tile.node.hidden || tile.viewer.draw());
    this.root.dataset.place = this.place;
    const { turn } = this;
    setTimeout(() => { if (turn === this.turn) this.root.dataset.ready = "true"; }, GUARD);
    if (state.next !== null && state.next !== this.place) this.sets.get(state.next).catch(() => {});
  }

  showProgress(text, state, note = `${state.done} done`) {
    this.who.textContent = `${state.study} · ${state.rater}`;
    this.showOrigin(state.origin);
    this.count.replaceChildren(make("b", {}, text), ` ${note}`);
    const minutes = state.minutes === null || state.done === state.places ? null : Math.max(1, Math.round(state.minutes));
    this.left.textContent = minutes === null ? "" : `about ${minutes} min left`;
    this.bar.style.width = `${(100 * state.done) / state.places}%`;
    this.root.dataset.done = state.done;
  }

  // "PHANTOM: ..." stands on every screen of a study of phantom films: the word, and all of it in words on the first page.
  showOrigin(line) {
    this.origin.hidden = !line;
    this.origin.textContent = line.split(":")[0];
    this.origin.title = line;
  }

  showEnd(state, text) {
    Object.assign(this, { place: null, places: state.places });
    this.newTurn();
    this.showProgress(text, state);
    this.showOnly(this.end);
    this.backButton.disabled = false;
    Object.assign(this.root.dataset, { place: "end", ready: "true" });
  }

  // One place on or back, from the end to the last one.
  move(by) {
    const place = (this.place === null ? this.places : this.place) + by;
    if (place >= 0) this.go(place < this.places ? place : undefined);
  }

  say(text, bad = false) {
    this.notice.textContent = text;
    this.notice.classList.toggle("bad", bad);
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
  }

  nextWindow(tiles = this.tiles) {
    const names = Object.keys(WINDOWS);
    this.window = (this.window + 1) % names.length;
    tiles.forEach((tile) => tile.node.hidden || tile.viewer.change(WINDOWS[names[this.window]]));
    this.say(`Window: ${names[this.window]}`);
  }

  trueSize() {
    this.tiles.forEach((tile) => tile.node.hidden || tile.viewer.trueSize());
  }
}
