// The page of the questionnaire: one film, or original, edited film and difference, with the questions about them. Of a reading the
// outline of the mask, and the questions about it, appear once those without it are answered. An answer counts as saved when the
// server says so.

const KEYS = [
  ["0 – 9", "answer of the marked question: the number of a scale, else its place; the mark moves on"], ["↑ ↓", "choose a question"],
  ["Enter", "next form, when this one is complete"], ["Backspace, Page Up", "one form back, to look or to correct"],
  ["Page Down", "one form on, without answering"], ["W", "next window: all greys, dark parts, bright parts"],
  ["P", "1:1, one pixel of the film is one of the screen"], ["R, double click", "reset window and zoom"],
  ["drag", "window: sideways its width, up and down its level"], ["wheel", "zoom"], ["shift + drag", "move the film"],
  ["M, held down", "hides the outline, where there is one"], ["G", "the first page: what is asked"], ["?", "this list"],
];

class FormPage extends RaterPage {
  constructor(root) {
    super(root, { smooth: true, outline: false, only: null });
    this.outbox = new Outbox((...what) => this.say(...what), (state) => this.confirmed(state), () => this.go(this.place), "rate/answer");
    this.active = 0; // the question that the next key answers
    this.build();
    document.addEventListener("keydown", (event) => this.press(event));
    document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "m") this.outline(this.part === 2); });
    this.go();
  }

  build() {
    this.buildFrame(KEYS, ["All forms are answered", "Thank you. Every answer is saved. You can go back and correct any of them."]);
    this.tiles = [0, 1, 2].map(() => this.buildTile());
    this.films = make("div", { class: "films" }, ...this.tiles.map((tile) => tile.node));
    this.questions = make("div", { class: "questions" });
    this.legend = make("div", { class: "legend", hidden: "" });
    this.start = make("article", { class: "start", hidden: "" });
    this.assemble([this.windowButton, this.sizeButton, this.guideButton], [this.prompt, this.legend], [this.films, this.questions, this.end, this.start]);
  }

  buildTile() {
    const canvas = make("canvas", { role: "img", "aria-label": "Film" });
    const readout = make("span", { class: "readout" });
    const name = make("b");
    // The film and its edit are looked at alike; the difference has a window of its own.
    const viewer = new Viewer(canvas, readout, this.options, (moved) => this.follow(moved));
    return { node: make("section", {}, make("div", { class: "film" }, canvas, name, readout)), canvas, name, viewer };
  }

  isUntouched(state) {
    return Object.values(state.answers).every((one) => one === null);
  }

  welcome() {
    this.showStart();
  }

  showSet(form, state) {
    Object.assign(this, { place: state.place, form });
    this.prompt.textContent = form.heading || "What do you see?";
    this.showOnly(this.films);
    this.options.outline = false; // until showStep says otherwise, so that no film is seen with it before
    this.tiles.forEach((tile, position) => {
      tile.node.hidden = position >= form.images.length;
      if (tile.node.hidden) return;
      tile.name.textContent = form.names[position];
      tile.canvas.setAttribute("aria-label", form.names[position]);
      tile.node.setAttribute("aria-label", form.names[position]);
      tile.viewer.show(form.pictures[position], position ? [] : form.outlines);
    });
    this.groups = form.questions.map((question, number) => this.buildQuestion(question, number));
    this.questions.replaceChildren(...this.groups);
    this.legend.replaceChildren(...(form.mask ? form.mask.structures : []).map(([name, , colour, dash]) => make("span", {}, lineSample(colour, dash), name.replaceAll("_", " "))));
    this.showState(state);
    const open = form.questions.findIndex((question) => this.answerOf(question.id) === null);
    this.active = open < 0 ? 0 : open;
    this.mark();
    this.settle(state);
  }

  buildQuestion(question, number) {
    const buttons = question.options.map(([answer, words]) => make("button", {
      type: "button", "data-question": question.id, "data-answer": answer, "aria-label": `${question.text} ${words}`,
      onclick: (event) => { event.currentTarget.blur(); this.give(number, answer); },
    }, words));
    return make("fieldset", { class: "question", "data-question": question.id }, make("legend", {}, question.text), ...buttons);
  }

  answerOf(question) {
    const waiting = this.outbox.waiting.findLast((own) => own.place === this.place && own.question === question);
    return waiting ? waiting.answer : this.answers[question];
  }

  give(number, answer) {
    if (this.place === null || this.root.dataset.ready !== "true") return;
    this.outbox.send({ place: this.place, question: this.form.questions[number].id, answer });
    const open = this.form.questions.findIndex((question) => this.answerOf(question.id) === null);
    this.active = open < 0 ? number : open;
    this.say("");
    this.mark();
  }

  confirmed(state) {
    if (state.place === this.place) this.showState(state);
  }

  showState(state) {
    Object.assign(this, { answers: state.answers, next: state.next, places: state.places });
    this.showProgress(`Form ${state.place + 1} of ${state.places}`, state);
    this.backButton.disabled = state.place === 0;
    this.mark();
  }

  outline(shown) {
    if (this.options.outline === shown) return;
    this.options.outline = shown;
    this.tiles.forEach((tile) => tile.node.hidden || tile.viewer.draw());
  }

  // Whether the questions without the outline are answered: only then does it appear.
  showStep() {
    const asked = this.form.questions;
    this.part = asked.some((one) => one.overlay) && asked.every((one) => one.overlay || this.answerOf(one.id) !== null) ? 2 : 1;
    this.groups.forEach((group, number) => { group.hidden = asked[number].overlay && this.part === 1; });
    this.legend.hidden = this.part === 1;
    this.root.dataset.part = this.part;
    this.outline(this.part === 2);
  }

  mark() {
    this.showStep();
    this.groups.forEach((group, number) => {
      const { id } = this.form.questions[number];
      const answer = this.answerOf(id);
      group.classList.toggle("active", number === this.active);
      group.classList.toggle("waiting", this.outbox.waiting.some((own) => own.place === this.place && own.question === id));
      group.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", answer !== null && button.dataset.answer === String(answer)));
    });
    this.nextButton.classList.toggle("primary", this.missing() === 0);
  }

  missing() {
    return this.form.questions.filter((question) => this.answerOf(question.id) === null).length;
  }

  // One of: the films with their questions, the end, the first page.
  showOnly(node) {
    const form = node === this.films;
    for (const one of [this.films, this.end, this.start]) one.hidden = one !== node;
    if (!form) this.legend.hidden = true;
    for (const one of [this.questions, this.nextButton, ...this.tools]) one.hidden = !form;
    this.backButton.hidden = node === this.start;
    if (!form) this.prompt.textContent = "";
  }

  showEnd(state) {
    super.showEnd(state, `${state.places} forms`);
  }

  async showStart() {
    const turn = this.newTurn();
    const guide = await this.sets.start((...what) => this.say(...what)).catch((error) => this.say(error.message, true));
    if (!guide || turn !== this.turn) return;
    const first = !Number(this.root.dataset.done || 0);
    const back = this.place;
    const begin = make("button", { type: "button", class: "primary", onclick: () => this.go(back) }, first ? "Begin" : "Back to the forms");
    const asked = { reading: ["One film, and then its outline", guide.told],
      film: ["One film", "Some of these films are real, some were made or changed by a program."],
      pair: ["A film and a second picture", "The heading says what the second picture is to show. It was made of the first film by a program, or it is another real film. The third picture is the difference: grey where nothing changed, brighter where the second picture is brighter."] };
    this.start.replaceChildren(
      make("h1", {}, `${guide.study}: questions about chest films`),
      make("p", {}, `You answer as ${guide.rater}. There are ${guide.places} forms. Every answer is saved at once; stop when you like, and open the same link to go on.`),
      ...originOf(guide),
      ...Object.entries(guide.questions).flatMap(([about, questions]) => [
        make("h2", {}, asked[about][0]), make("p", {}, asked[about][1]),
        make("ul", {}, ...questions.map((one) => make("li", {}, `${one.overlay ? "With the outline of what is marked on it: " : ""}${one.text} ${one.options.map(([, words]) => words).join(" · ")}`)))]),
      make("p", { class: "small" }, "The left of the patient is on the right of the picture. Some forms come twice."),
      make("div", { class: "choose" }, begin));
    this.place = null;
    this.showOnly(this.start);
    this.showOrigin(guide.origin);
    Object.assign(this.root.dataset, { place: "start", ready: "true" });
    for (const one of [this.start, this.start.parentNode]) one.scrollTop = 0; // the page begins at its heading, not at the button
    begin.focus({ preventScroll: true });
  }

  onward() {
    if (this.place === null) return;
    const missing = this.missing();
    if (missing) this.say(`${missing} of ${this.form.questions.length} answers missing. Page Down goes on without them.`, true);
    else if (this.outbox.waiting.length) this.say("The last answer is not saved yet.", true);
    else this.go(this.next === null ? undefined : this.next);
  }

  step(by) {
    if (this.start.hidden) this.move(by);
  }

  // The difference keeps a window of its own.
  nextWindow() {
    super.nextWindow(this.tiles.slice(0, 2));
  }

  // Zoom and place are those of all pictures; the window is that of the film and its edit.
  follow(moved) {
    for (const { viewer, node } of this.tiles) {
      if (viewer === moved || node.hidden) continue;
      const own = { center: viewer.center, width: viewer.width, invert: viewer.invert };
      viewer.copyFrom(moved);
      const difference = this.tiles[2].viewer;
      if (viewer === difference || moved === difference) Object.assign(viewer, own);
      viewer.draw();
    }
  }

  press(event) {
    const key = keyOf(event);
    if (key === null || !this.start.hidden) return;
    const move = (by) => () => { this.active = Math.min(Math.max(this.active + by, 0), this.groups.filter((group) => !group.hidden).length - 1); this.mark(); };
    const actions = {
      Enter: () => this.onward(), PageDown: () => this.step(1), PageUp: () => this.step(-1), Backspace: () => this.step(-1),
      ArrowDown: this.place === null ? null : move(1), ArrowUp: this.place === null ? null : move(-1), w: () => this.nextWindow(), p: () => this.trueSize(),
      m: () => this.outline(false), r: () => this.place === null || this.tiles[0].viewer.reset(), g: () => this.showStart(), "?": () => this.toggleHelp(), Escape: () => { this.help.hidden = true; },
    };
    const options = this.place === null ? [] : this.form.questions[this.active].options;
    const scale = options.every(([answer]) => typeof answer === "number");
    const chosen = /^[0-9]$/.test(key) ? options.find(([answer], number) => (scale ? answer : number + 1) === Number(key)) : null;
    if (!actions[key] && !chosen) return;
    event.preventDefault();
    if (event.repeat && !key.startsWith("Arrow")) return; // a key held down is one press
    if (actions[key]) actions[key]();
    else this.give(this.active, chosen[0]);
  }
}

new FormPage(document.querySelector(".desk"));
