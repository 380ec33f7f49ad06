// The start page: what is judged, what 0 to 5 mean with an example of each, and three training sets that nobody counts.

class Start {
  // `page` as in page.js; `begin()` goes to the sets.
  constructor(page, begin) {
    Object.assign(this, { page, begin, guide: null });
    this.node = make("article", { class: "start", hidden: "" });
  }

  async load() {
    this.guide = this.guide || (await this.page.sets.start((...what) => this.page.say(...what)));
    return this.guide;
  }

  async show(done) {
    const guide = await this.load();
    const button = (text, act, primary) => make("button", { type: "button", class: primary ? "primary" : "", onclick: act }, text);
    const first = done === 0;
    const training = button("Three training sets", () => this.train(0), first);
    const begin = button(first ? "Begin without training" : "Back to the sets", () => this.leave(), !first);
    this.node.replaceChildren(
      make("h1", {}, `${guide.study}: rating of chest images`),
      make("p", {}, `You rate as ${guide.rater}. There are ${guide.places} sets of up to four images. Every score is saved at once; stop when you like, and open the same link to go on.`),
      ...originOf(guide),
      make("h2", {}, "What is judged"),
      make("p", {}, "Text: does the image show what the text above it says, as a real film would? Mask: do the edges in the image lie on the outline that is drawn over it? The two are scored apart. Some sets may be real films; judge them like any other."),
      make("h2", {}, "What 0 to 5 mean"),
      make("div", { class: "anchors" }, ...guide.anchors.map((anchor) => this.anchor(anchor))),
      make("p", { class: "small" }, "These examples, and those of the training sets, are drawn by a program. They show quality, not disease. The left of the patient is on the right of the picture."),
      make("div", { class: "choose" }, training, begin));
    this.page.showOnly(this.node);
    this.page.showOrigin(guide.origin);
    Object.assign(this.page.root.dataset, { place: "start", ready: "true" });
    this.node.scrollTop = 0; // on a small screen the page begins at its heading, not at the button
    (first ? training : begin).focus({ preventScroll: true });
  }

  anchor({ score, text, mask, picture }) {
    const image = make("img", { src: picture, alt: `Example of quality ${score}` });
    return make("section", {}, image, make("h3", {}, `${score}`), make("p", {}, make("b", {}, "Text "), text), make("p", {}, make("b", {}, "Mask "), mask));
  }

  async train(number) {
    const guide = await this.load();
    if (number >= guide.training.length) return this.leave();
    const set = await decodeSet(guide.training[number]);
    const scores = Object.fromEntries(set.aspects.map((aspect) => [aspect, set.images.map(() => null)]));
    this.page.training = { number, set, of: guide.training.length };
    const told = { not_chest: [], unsure: [], comment: "" };
    this.page.showSet(set, { place: `training-${number}`, places: guide.places, done: Number(this.page.root.dataset.done || 0), complete: false, next: null, scores, remarks: told, minutes: null, study: guide.study, rater: guide.rater, origin: guide.origin });
  }

  leave() {
    this.page.training = null;
    this.begin();
  }

  // What was meant beside what was given, once all is scored.
  explain() {
    const { page } = this;
    const { set } = page.training;
    page.tiles.forEach((tile, position) => {
      if (tile.node.hidden) return;
      const meant = set.aspects.map((aspect) => `${QUESTIONS[aspect]} ${set.wanted[aspect][position]}`).join(", ");
      tile.why.textContent = `Meant: ${meant}: ${set.why[position]}`;
    });
    page.say("The scores that are meant stand on the images. Correct yours, or go on with Next (Enter).");
  }
}
