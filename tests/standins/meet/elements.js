// Makes elements, without markup in strings: this page enforces Trusted Types. `bare` takes attributes
// away that another version of a client may not have.
let bare = new Set();

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (!bare.has(name)) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const icon = (name) => h("i", { class: "google-symbols", "aria-hidden": "true" }, name);

function button(text, attributes = {}, done = () => {}) {
  const onclick = () => {
    report("clicked", { label: text });
    done();
  };
  return h("button", { ...attributes, onclick }, h("span", {}, text));
}

function tool(label, name, attributes = {}, done = () => {}) {
  const onclick = (event) => {
    report("clicked", { label: event.currentTarget.getAttribute("aria-label") ?? label });
    done(event.currentTarget);
  };
  return h("button", { "aria-label": label, ...attributes, onclick }, icon(name));
}

const room = location.pathname.split("/").filter(Boolean)[0] ?? "";

function report(what, more = {}) {
  fetch(`/standin/report?id=${room}`, { method: "POST", body: JSON.stringify({ what, ...more }), keepalive: true });
}
