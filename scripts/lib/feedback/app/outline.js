// The border of one structure as closed lines between pixels, in pixels of the image. Each line is one piece from corner to
// corner, so that dashes run along it.

// `inside(x, y)` of a bit field; the border has the structure on its right hand.
function borderSteps(field, bit) {
  const { grey, columns, rows } = field;
  const inside = (x, y) => x >= 0 && y >= 0 && x < columns && y < rows && (grey[y * columns + x] & bit) !== 0;
  const steps = new Map(); // corner -> the corners that follow it
  const add = (x, y, toX, toY) => {
    const key = y * (columns + 1) + x;
    if (!steps.has(key)) steps.set(key, []);
    steps.get(key).push([toX, toY]);
  };
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      if (!inside(x, y)) continue;
      if (!inside(x, y - 1)) add(x, y, x + 1, y);
      if (!inside(x + 1, y)) add(x + 1, y, x + 1, y + 1);
      if (!inside(x, y + 1)) add(x + 1, y + 1, x, y + 1);
      if (!inside(x - 1, y)) add(x, y + 1, x, y);
    }
  }
  return steps;
}

function traceOutline(field, bit) {
  const steps = borderSteps(field, bit);
  const path = new Path2D();
  const width = field.columns + 1;
  for (const start of steps.keys()) {
    while (steps.get(start).length) {
      let at = [start % width, Math.floor(start / width)];
      let heading = null;
      path.moveTo(...at);
      for (let next = steps.get(start).pop(); next; ) {
        const turn = `${next[0] - at[0]} ${next[1] - at[1]}`;
        if (heading !== null && turn !== heading) path.lineTo(...at); // a corner; straight runs are one piece
        heading = turn;
        at = next;
        const key = at[1] * width + at[0];
        next = key === start ? null : (steps.get(key) || []).pop();
      }
      path.closePath();
    }
  }
  return path;
}

// A sample of a line for the legend: the same colour and dash as on the image.
function lineSample(colour, dash) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "line");
  for (const [name, value] of [["width", 34], ["height", 8], ["aria-hidden", "true"]]) picture.setAttribute(name, value);
  const values = { x1: 1, x2: 33, y1: 4, y2: 4, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash.map((part) => part * 2).join(" ") };
  for (const [name, value] of Object.entries(values)) line.setAttribute(name, value);
  picture.append(line);
  return picture;
}
