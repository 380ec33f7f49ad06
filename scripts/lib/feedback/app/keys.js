// What each key does, and the list that the page shows of it.

const HELP = [
  ["0 – 5", "score the marked image, 0 low to 5 high quality; the mark moves on"], ["← ↑ ↓ →", "choose an image"],
  ["T", "text score or mask score"], ["Enter", "next set, when this one is complete"],
  ["Backspace, Page Up", "one set back, to look or to correct"], ["Page Down", "one set on, without scoring"],
  ["M, held down", "hides the outline of the mask"], ["O", "one structure after the other, then all"],
  ["Z", "one image enlarged, or all four"], ["N, U", "marked image: not a chest film, unsure"], ["C", "comment on the set"],
  ["W", "next window: all greys, dark parts, bright parts"], ["P", "1:1, one pixel of the image is one of the screen"],
  ["drag", "window: sideways its width, up and down its level"], ["wheel, + and −", "zoom"],
  ["shift + drag", "move the image"], ["R, double click", "reset window and zoom"], ["I", "invert"],
  ["L", "window and zoom of all four together"], ["S", "smooth, or single pixels"], ["G", "the guide: what 0 to 5 mean"], ["?", "this list"],
];

// `page` as in page.js. Positions 0 1 / 2 3 are the corners of the grid; without a mark the arrows begin at a corner.
function keyActions(page) {
  const [position] = page.cursor || [null];
  const viewer = page.cursor && page.tiles[position].viewer;
  const towards = (next, first) => () => page.point(page.cursor ? next : first);
  return {
    ArrowLeft: towards(position & 2, 3), ArrowRight: towards(position | 1, 0),
    ArrowUp: towards(position & 1, 3), ArrowDown: towards(position | 2, 0),
    Enter: () => page.onward(), PageDown: () => page.step(1),
    Backspace: () => page.step(-1), PageUp: () => page.step(-1),
    Escape: () => { page.help.hidden = true; page.grid.classList.remove("alone"); },
    t: () => page.switchAspect(), m: () => page.hideOutline(true), o: () => page.nextStructure(),
    w: () => page.nextWindow(), p: () => page.trueSize(), g: () => page.showStart(), c: () => page.remarks.focus(),
    n: () => page.remarks.flip("not_chest", position), u: () => page.remarks.flip("unsure", position),
    l: () => page.toggle("linked"), s: () => page.toggle("smooth"), z: () => page.enlarge(),
    i: () => viewer && viewer.change({ invert: !viewer.invert }), r: () => viewer && viewer.reset(),
    "+": () => viewer && viewer.zoomBy(1.25), "-": () => viewer && viewer.zoomBy(0.8), "?": () => page.toggleHelp(),
  };
}

function pressKey(page, event) {
  const key = keyOf(event);
  if (key === null || page.onStart) return;
  if (document.activeElement && document.activeElement.tagName === "TEXTAREA") {
    if (event.key === "Escape") document.activeElement.blur();
    return; // it is typed into
  }
  const action = keyActions(page)[key];
  const isScore = /^[0-5]$/.test(key);
  if (!action && !isScore) return;
  event.preventDefault();
  const repeats = key.startsWith("Arrow") || key === "+" || key === "-";
  if (event.repeat && !repeats) return; // a key held down is one press
  if (action) action();
  else if (page.cursor) page.rate(page.cursor, Number(key));
}

function releaseKey(page, event) {
  if (event.key.toLowerCase() === "m") page.hideOutline(false);
}
