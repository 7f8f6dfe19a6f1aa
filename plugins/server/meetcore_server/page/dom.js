// Elements, icons and avatars. Data becomes text here and nowhere markup.

const PALETTE = ["#3b7dd8", "#c2557a", "#2f9e77", "#b8792c", "#7a5cc9", "#3d8f9e", "#a84b3f", "#5f7d2e"];
const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element: `element("p", { class: "note", text: "Hello" }, child, …)`.
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] `class`, `text`, `on` (listeners by type), the
 *   rest as attributes; those that are null, undefined or false are left out.
 * @param {...(Node | string | null)} children Those that are null are left out.
 * @returns {HTMLElement}
 */
export function element(tag, { class: className, text, on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = String(text);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, String(value));
  }
  for (const [type, listener] of Object.entries(on)) made.addEventListener(type, listener);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/**
 * Make an icon that says nothing to a screen reader.
 * @param {string} name Of a symbol in icons.svg.
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** @param {string} name */
export function initials(name) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...word][0] ?? "").join("").toUpperCase() || "?";
}

/** @type {Map<string, string>} The colour of each name that was seen in this meeting. */
const colours = new Map();

/** Begin anew with the colours: another meeting is shown. */
export const forgetColours = () => colours.clear();

/** The colour of a name: always the same one, unless somebody else here has it. @param {string} name */
export function colourOf(name) {
  if (colours.has(name)) return colours.get(name);
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193);
  const own = (hash ^ (hash >>> 15)) & 7;
  const taken = new Set(colours.values());
  const free = PALETTE.map((_, step) => PALETTE[(own + step) % PALETTE.length]).find((each) => !taken.has(each));
  if (colours.size < 10_000) colours.set(name, free ?? PALETTE[own]);
  return free ?? PALETTE[own];
}

/** @param {string} name Whose. */
export function avatar(name) {
  const made = element("span", { class: "avatar", text: initials(name), "aria-hidden": "true" });
  made.style.setProperty("--colour", colourOf(name));
  return made;
}

/**
 * Set text only where it differs, so that nothing is drawn or read out for nothing.
 * @param {HTMLElement} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Show somebody's name: it begins at its start in every script, and all of it is in the tooltip.
 * @param {HTMLElement} target With the class `named`.
 * @param {string} name
 */
export function setName(target, name) {
  setText(target, name);
  if (target.title !== name) target.title = name;
}

/** An element for somebody's name. @param {string} tag @param {string} [name] @param {string} [more] Further classes. */
export function named(tag, name = "", more = "") {
  const made = element(tag, { class: `named ${more}`.trim(), dir: "auto" });
  setName(made, name);
  return made;
}

/**
 * Return a URL that is safe to link to, null for anything but http and https.
 * @param {string} text
 */
export function safeUrl(text) {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** A text nobody else has. */
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A spoken line for screen readers, politely. @param {string} text */
export function announce(text) {
  const region = document.getElementById("announcer");
  const said = element("p", { text });
  region.append(said);
  setTimeout(() => said.remove(), 10_000);
}
