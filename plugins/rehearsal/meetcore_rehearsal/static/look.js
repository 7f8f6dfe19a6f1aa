// Small things that all views share: initials, colours, icons, elements.

const PALETTE = ["#3b7dd8", "#c2557a", "#2f9e77", "#b8792c", "#7a5cc9", "#3d8f9e", "#a84b3f", "#5f7d2e"];

export function initials(name) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...word][0] ?? "").join("").toUpperCase();
}

export function colourOf(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  return PALETTE[hash % PALETTE.length];
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

// element("p", {class: "note", text: "Hello"}, child, …)
export function element(tag, { class: className, text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function avatar(person, size = "") {
  const made = element("div", { class: `avatar ${size}`.trim(), text: initials(person.name), "aria-hidden": "true" });
  made.style.setProperty("--colour", person.colour);
  return made;
}
