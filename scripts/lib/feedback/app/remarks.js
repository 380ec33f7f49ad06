// What a rater says of a set beside its scores: two flags an image, and a comment. Each is sent at once, and again until the
// server has it.

const FLAGS = { not_chest: ["Not a chest film", "N"], unsure: ["Unsure", "U"] };

class Remarks {
  constructor(page) {
    this.page = page;
    this.told = { not_chest: [], unsure: [], comment: "" };
    this.sending = 0; // remarks that the server has not confirmed
    this.queue = Promise.resolve();
    this.text = make("textarea", { rows: 1, maxlength: 500, id: "comment", placeholder: "optional", onchange: () => this.comment() });
    this.node = make("div", { class: "comment" }, make("label", { for: "comment" }, "Comment on this set"), this.text);
  }

  // The two buttons below the scores of an image.
  buttons(position) {
    const flags = Object.entries(FLAGS).map(([flag, [text, key]]) => make("button", {
      type: "button", class: "flag", "data-flag": flag, title: key, "aria-label": `Image ${position + 1}: ${text}`,
      onclick: (event) => { event.currentTarget.blur(); this.flip(flag, position); },
    }, text));
    return make("div", { class: "flags", "data-image": position }, ...flags);
  }

  show(told) {
    this.told = told;
    if (document.activeElement !== this.text) this.text.value = told.comment;
    this.mark();
  }

  mark() {
    for (const button of this.page.grid.querySelectorAll(".flag")) {
      const on = this.told[button.dataset.flag][Number(button.parentNode.dataset.image)];
      button.setAttribute("aria-pressed", Boolean(on));
    }
  }

  focus() {
    if (this.page.place !== null && !this.page.training) this.text.focus();
  }

  flip(flag, position) {
    if (position === null || this.page.place === null || this.page.training) return;
    const value = !this.told[flag][position];
    this.told[flag][position] = value;
    this.mark();
    this.send({ image: position, remark: flag, value });
  }

  comment() {
    if (this.page.place !== null && !this.page.training) this.send({ image: null, remark: "comment", value: this.text.value });
  }

  // A comment that is still being typed when the reader goes on belongs to the set that is left.
  leave() {
    if (document.activeElement === this.text) this.text.blur(); // its change event sends it
  }

  // One after the other, as they were given: what is said last is what holds.
  send(remark) {
    const { place } = this.page;
    this.count(1);
    this.queue = this.queue.then(() => this.deliver(place, remark));
  }

  async deliver(place, remark) {
    const { page } = this;
    try {
      const state = await askUntilAnswered("rate/remark", { place, ...remark }, (...what) => page.say(...what));
      if (place === page.place && this.sending === 1) this.show(state.remarks);
      page.say("");
    } catch (error) {
      page.say(error.message, true);
    }
    this.count(-1);
  }

  count(more) {
    this.sending += more;
    this.page.root.dataset.remarking = this.sending;
  }
}
