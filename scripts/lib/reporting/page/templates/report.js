// Tables of the report: sorted by a click on a heading, filtered by words, shown 25 rows at a time. No library, no network.
// Rows that are not shown are not in the page, so that browsers and screen readers are not slowed by them.
(() => {
  "use strict";
  const FIRST = 25;
  const FEW = 3; // rows that need no filter
  const shows = []; // what shows the rows of each table; on paper, all that the filter lets through
  const value = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.v ?? cell.textContent;
  };
  // Numbers by size, text by the alphabet, what is not there last.
  const compare = (one, other, numeric) => {
    if (!numeric) return one.localeCompare(other, "en", { numeric: true });
    const [a, b] = [Number.parseFloat(one), Number.parseFloat(other)];
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return a - b;
  };
  const sortable = (table, rows, heading, place, again) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = heading.classList.contains("n");
      const known = (row) => !numeric || !Number.isNaN(Number.parseFloat(value(row, place)));
      const there = rows.filter(known).sort((a, b) => compare(value(a, place), value(b, place), numeric));
      rows.splice(0, rows.length, ...(down ? there.reverse() : there), ...rows.filter((row) => !known(row)));
      again();
    });
  };
  for (const table of document.querySelectorAll("table.data")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const total = rows.length;
    const tools = document.createElement("div");
    tools.className = "tools";
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "search";
    label.append("Filter rows ", input);
    const more = document.createElement("button");
    more.type = "button";
    const state = document.createElement("span");
    state.setAttribute("role", "status");
    tools.append(label, more, state);
    let all = total <= FIRST;
    const show = (paper = false) => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const hits = rows.filter((row) => words.every((word) => row.textContent.toLowerCase().includes(word)));
      const seen = all || paper ? hits : hits.slice(0, FIRST);
      body.replaceChildren(...seen);
      state.textContent = words.length ? `${seen.length} of ${hits.length} hits` : `${seen.length} of ${total} rows`;
      more.hidden = total <= FIRST;
      more.textContent = all ? `Show the first ${FIRST}` : "Show all rows";
    };
    shows.push(show);
    more.addEventListener("click", () => { all = !all; show(); });
    input.addEventListener("input", () => show());
    [...table.tHead.rows[0].cells].forEach((heading, place) => sortable(table, rows, heading, place, show));
    if (total > FEW) table.closest(".scroll").before(tools);
    show();
  }
  for (const button of document.querySelectorAll(".enlarge")) {
    button.addEventListener("click", () => {
      const big = button.closest("figure").classList.toggle("big");
      button.setAttribute("aria-pressed", String(big));
      button.firstChild.textContent = big ? "Make small" : "Enlarge";
    });
  }
  // A link to a closed table opens it, and paper has no closed parts.
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const closed = target?.closest("details") ?? target?.querySelector(":scope > details");
    if (closed) closed.open = true;
  };
  addEventListener("hashchange", open);
  open();
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open]):not(.screen)")];
    for (const one of opened) one.open = true;
    for (const show of shows) show(true);
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
    for (const show of shows) show();
  });
})();
