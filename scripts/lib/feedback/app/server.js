// What the page asks of the server, and the scores that the server has not confirmed yet. The server's log is the
// truth: a score counts as saved when the server says so, and is sent again until it does.

const TOKEN = new URLSearchParams(location.search).get("token") || "";
const RETRY = 1000; // ms between attempts to reach the server
const KEPT_SETS = 6; // decoded sets that stay in memory

class Refused extends Error {} // the server answered, and asking again will not help

const pause = (time) => new Promise((done) => setTimeout(done, time));

async function ask(path, body) {
  const options = { headers: { "x-token": TOKEN }, cache: "no-store" };
  if (body) {
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    options.headers["content-type"] = "application/json";
  }
  const response = await fetch(path, options).catch(() => { throw new Error("the server cannot be reached"); });
  if (response.ok) return response.json();
  const text = await response.text();
  const reason = text.startsWith("{") ? JSON.parse(text).error || text : text;
  throw response.status < 500 ? new Refused(reason) : new Error(reason);
}

// Ask until the server answers; `say` is told of every failed attempt, `wanted()` false gives up.
async function askUntilAnswered(path, body, say, wanted = () => true) {
  for (;;) {
    try {
      return await ask(path, body);
    } catch (error) {
      if (error instanceof Refused || !wanted()) throw error;
      say(`${body ? "Not saved yet" : "Waiting"}: ${error.message}. Trying again…`, true);
      await pause(RETRY);
    }
  }
}

async function decodeSet(set) {
  const pictures = await Promise.all(set.images.map(decodePicture));
  if (!set.mask) return { ...set, pictures, outlines: [] };
  const field = await decodePicture(set.mask.picture);
  const outlines = set.mask.structures.map(([name, bit, colour, dash]) => [traceOutline(field, bit), colour, dash, name]);
  return { ...set, pictures, outlines };
}

// Sets by place, fetched once and ahead of time.
class Sets {
  constructor() {
    this.kept = new Map();
  }

  // What the start page shows, asked for once.
  start(say) {
    this.started = this.started || askUntilAnswered("rate/start", null, say);
    return this.started;
  }

  get(place, say = () => {}) {
    if (!this.kept.has(place)) {
      const set = askUntilAnswered(`rate/set?place=${place}`, null, say).then(decodeSet);
      set.catch(() => this.kept.delete(place));
      this.kept.set(place, set);
      if (this.kept.size > KEPT_SETS) this.kept.delete(this.kept.keys().next().value);
    }
    return this.kept.get(place);
  }
}

// Scores on their way, sent one after the other. `confirmed(answer, last)` is called for each; last: none is left.
class Outbox {
  constructor(say, confirmed, refused, path = "rate/score") {
    Object.assign(this, { say, confirmed, refused, path, waiting: [], busy: false });
    window.addEventListener("beforeunload", (event) => { if (this.waiting.length) event.preventDefault(); });
  }

  find(place, image, aspect) {
    return this.waiting.findLast((own) => own.place === place && own.image === image && own.aspect === aspect);
  }

  async send(score) {
    this.waiting.push(score);
    if (this.busy) return;
    this.busy = true;
    while (this.waiting.length) {
      let answer = null, refusal = null;
      try {
        answer = await askUntilAnswered(this.path, this.waiting[0], this.say);
        this.say("");
      } catch (error) {
        refusal = error.message;
      }
      this.waiting.shift();
      if (answer) this.confirmed(answer, !this.waiting.length);
      else {
        await this.refused();
        this.say(refusal, true); // last: a place that is drawn anew begins without a notice
      }
    }
    this.busy = false;
  }
}
