"""What a program can see of the accessibility of a page, asked in the page itself."""

from __future__ import annotations

# Everything that WCAG 2.2 AA asks of a page and a program can see: each control has a name and is at least 24 pixels large, text
# has a contrast of 4.5 (3 where it is large), ids are used once, pictures say what they are, the page has a language, a title
# and one first heading, and nothing is cut off at the side.
AUDIT = """() => {
  const found = [];
  const seen = (node) => node.checkVisibility({ visibilityProperty: true });
  const number = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, k) => sum + part * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = number(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.6) return colour;
    }
    return [255, 255, 255];
  };
  for (const node of document.querySelectorAll("button, textarea, a, input")) {
    if (!seen(node)) continue;
    const name = node.getAttribute("aria-label") || node.textContent.trim() || (node.labels && node.labels[0] && node.labels[0].textContent);
    const box = node.getBoundingClientRect();
    if (!name) found.push(`no name: ${node.outerHTML.slice(0, 80)}`);
    if (box.width < 24 || box.height < 24) found.push(`small: ${name} ${box.width} x ${box.height}`);
    if (box.left < -1 || box.right > innerWidth + 1) found.push(`cut off: ${name}`);
    if (node.tabIndex < 0) found.push(`no key reaches ${name}`);
  }
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
    if (!own || !seen(node) || node.disabled || node.tagName === "NOSCRIPT") continue;
    const style = getComputedStyle(node);
    const [one, other] = [light(number(style.color)), light(ground(node))].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 600);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < (large ? 3 : 4.5)) found.push(`contrast ${contrast.toFixed(1)}: ${node.textContent.slice(0, 30)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size < ids.length) found.push("an id twice");
  for (const node of document.querySelectorAll("img, canvas")) if (!(node.alt || node.getAttribute("aria-label"))) found.push("a picture without words");
  if (!document.documentElement.lang || !document.title) found.push("no language or title");
  if (document.documentElement.scrollWidth > innerWidth) found.push(`wider than the screen: ${document.documentElement.scrollWidth}`);
  if ([...document.querySelectorAll("h1")].filter((one) => seen(one) && one.textContent).length > 1) found.push("two first headings");
  return found;
}"""
