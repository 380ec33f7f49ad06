// A node of the page with its attributes, listeners (onclick: function) and children. Texts enter it as text only.

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// What a first page says of films that a program has drawn: a paragraph, or none.
function originOf({ origin }) {
  return origin ? [make("p", { class: "drawn" }, `${origin}.`)] : [];
}
