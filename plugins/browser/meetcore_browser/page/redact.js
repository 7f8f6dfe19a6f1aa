// Takes what is personal out of the document it runs in, and returns its HTML. `known` is a Set of the
// words that may stay, in small letters; `kept` one of the ids and values that the pack goes by.
const KEPT = new Set(["class", "role", "type", "jsname", "jscontroller", "lang", "dir", "hidden", "disabled", "tabindex", "maxlength", "contenteditable", "checked", "open", "rel", "width", "height"]);
const WORDS = new Set(["aria-label", "title", "alt", "placeholder", "aria-description", "aria-roledescription", "value", "data-tooltip"]);
const GONE = "script, noscript, template, object, embed, meta[http-equiv], base, video > *, audio > *";

const word = (text) => (known.has(text.toLowerCase().replace(/[\u2018\u2019]/g, "'")) ? text : "x".repeat(text.length));
const masked = (text) => text.replace(/https?:\S+|\S+@\S+/g, "x").replace(/[\p{L}\p{M}]+/gu, word).replace(/\p{N}/gu, "0");
// An id may hold a name, too. What the pack goes by stays, and what is made of known words.
const parts = (token) => token.match(/\p{Lu}?\p{Ll}+|\p{Lu}+(?!\p{Ll})|[^\p{L}]+/gu) ?? [];
const harmless = (token) => parts(token).every((part) => !/\p{L}/u.test(part) ? !/\d{4}/.test(part) : known.has(part.toLowerCase()));
const names = new Map();
const pseudonym = (part) => {
  if (!names.has(part)) names.set(part, `x${names.size + 1}`);
  return names.get(part);
};
// What told two things apart still does; what is between the words (slashes, dots) stays.
const token = (text) => text.replace(/[\p{L}\p{M}\p{N}_-]+/gu, (part) => (kept.has(part) || harmless(part) ? part : pseudonym(part)));

for (const element of document.querySelectorAll(GONE)) element.remove();
const comments = document.createTreeWalker(document, NodeFilter.SHOW_COMMENT);
const found = [];
while (comments.nextNode()) found.push(comments.currentNode);
for (const comment of found) comment.remove();

const texts = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const node = texts.currentNode;
  if (node.parentElement?.tagName === "STYLE") node.data = node.data.replace(/url\([^)]*\)/g, "none").replace(/content\s*:[^;}]*/gi, 'content: ""');
  else node.data = masked(node.data);
}
for (const element of document.querySelectorAll("*")) {
  for (const { name, value } of [...element.attributes]) {
    if (/^on|^srcdoc$/.test(name)) element.removeAttribute(name);
    else if (/^(href|src|action|poster|data|srcset|cite|content|formaction|ping)$|:href$/.test(name)) element.setAttribute(name, value.startsWith("#") ? token(value) : "");
    else if (name === "style") element.setAttribute(name, value.replace(/url\([^)]*\)/g, "none"));
    else if (WORDS.has(name)) element.setAttribute(name, masked(value));
    else if (/^(id|name|for|headers|list|form)$/.test(name) || /^(data-|aria-)/.test(name)) element.setAttribute(name, token(value));
    else if (!KEPT.has(name) && !/^[a-z-]+$/.test(value)) element.setAttribute(name, masked(value));
  }
}
const address = new URL(location.href);
const where = `${address.protocol}//${address.host}/`;
return `<!-- saved from url=(${String(where.length).padStart(4, "0")})${where} -->\n<!doctype html>\n${document.documentElement.outerHTML}`;
