// The page of the native API: every operation of the OpenAPI description, to read and to try.

import { ask, key, root } from "./api.js";
import { element, icon, setText } from "./dom.js";
import { fieldTree, limits, resolve, typeWords } from "./schema.js";
import { tryOut } from "./tryout.js";

const GROUPS = { bots: "Bots", keys: "Keys", webhooks: "Webhooks", "socket-tokens": "WebSocket", about: "Server" };
const METHODS = ["get", "post", "put", "patch", "delete"];
const main = document.getElementById("main");
const contents = document.getElementById("contents");

/** @param {string} path */
function groupOf(path) {
  const [version, first] = path.split("/").slice(1);
  return version === "v1" ? (GROUPS[first] ?? first) : "Server";
}

/** @param {Record<string, any>} api @returns {Map<string, {method: string, path: string, operation: Record<string, any>}[]>} */
function grouped(api) {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((each) => item[each])) {
      const group = groupOf(path);
      groups.set(group, [...(groups.get(group) ?? []), { method, path, operation: item[method] }]);
    }
  }
  return groups;
}

/** Prose with its `code` as such. @param {string} text */
function prose(text) {
  return text.split(/\n{2,}/).map((paragraph) => {
    const parts = paragraph.split(/`([^`]+)`/).map((part, at) => (at % 2 ? element("code", { text: part }) : part.replaceAll("\n", " ")));
    return element("p", {}, ...parts);
  });
}

/** @param {Record<string, any>} api @param {Record<string, any>[]} parameters */
function parameterTable(api, parameters) {
  const rows = parameters.map((raw) => {
    const { name, in: place, required, schema, description } = resolve(api, raw);
    return element(
      "li",
      {},
      element("p", { class: "field-head" }, element("code", { class: "field-name", text: name }), element("span", { class: "type", text: typeWords(api, schema) }), element("span", { class: "hint", text: `in the ${place}` }), required ? element("span", { class: "required", text: "required" }) : null, limits(api, schema) ? element("span", { class: "hint", text: limits(api, schema) }) : null),
      description ? element("p", { class: "hint", text: description }) : null,
    );
  });
  return element("ul", { class: "fields" }, ...rows);
}

/** @param {string} title @param {...(Node | null)} parts */
const part = (title, ...parts) => element("section", {}, element("h4", { text: title }), ...parts);

/** @param {Record<string, any>} api @param {Record<string, any>} content */
function bodyParts(api, content) {
  return Object.entries(content ?? {}).flatMap(([kind, { schema }]) => {
    const whole = resolve(api, schema ?? {});
    const tree = fieldTree(api, schema ?? {});
    return [
      element("p", { class: "field-head" }, element("span", { class: "type", text: typeWords(api, whole) }), element("span", { class: "hint", text: kind })),
      ...(whole.description && tree ? prose(whole.description) : []),
      tree,
    ];
  });
}

/** @param {Record<string, any>} api @param {Record<string, any>} responses */
function responseParts(api, responses) {
  return Object.entries(responses).map(([status, raw]) => {
    const response = resolve(api, raw);
    const parts = bodyParts(api, response.content).filter(Boolean);
    const words = response.description?.replace(/, URL follows$/, "") ?? "";
    const head = [element("strong", { class: status < "400" ? "good" : "poor", text: status }), element("span", { class: "hint", text: words })];
    if (!parts.length) return element("p", { class: "field-head lone" }, ...head);
    return element("details", {}, element("summary", { class: "field-head" }, ...head), element("div", { class: "inset" }, ...parts));
  });
}

/** @param {Record<string, any>} api */
function operationView(api, { method, path, operation }) {
  const id = operation.operationId;
  const parameters = operation.parameters ?? [];
  const body = operation.requestBody?.content;
  const details = element(
    "details",
    { class: "operation card", id },
    element("summary", {}, element("span", { class: `method ${method}`, text: method.toUpperCase() }), element("code", { class: "path", text: path }), element("h3", { text: operation.summary ?? id })),
  );
  // The rest is made when it is looked at.
  details.addEventListener("toggle", () => {
    if (!details.open || details.childElementCount > 1) return;
    details.append(
      element(
        "div",
        { class: "operation-body" },
        element("div", { class: "about" }, ...prose(operation.description ?? "")),
        parameters.length ? part("Parameters", parameterTable(api, parameters)) : null,
        body ? part("Body", ...bodyParts(api, body)) : null,
        part("Answers", ...responseParts(api, operation.responses ?? {})),
        part("Try it", tryOut(api, method, path, operation)),
      ),
    );
  });
  return details;
}

function keyBox() {
  const input = element("input", { id: "docs-key", type: "password", autocomplete: "off", spellcheck: "false", placeholder: "mc_…" });
  input.value = key.get();
  const said = element("p", { class: "hint", role: "status", text: "It stays in this tab, and goes along with what you try here." });
  input.addEventListener("change", () => {
    if (input.value.trim()) key.set(input.value.trim());
    else key.clear();
    setText(said, input.value.trim() ? "The key goes along with what you try here." : "Nothing is sent along.");
    document.dispatchEvent(new Event("keychange"));
  });
  return element("div", { class: "field key-box" }, element("label", { for: "docs-key" }, icon("key"), "API key"), input, said);
}

/** Open the operation that the address names. */
function openNamed() {
  const found = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(found instanceof HTMLDetailsElement)) return;
  found.open = true;
  found.scrollIntoView({ block: "start" });
  found.firstElementChild.focus({ preventScroll: true });
}

async function open() {
  const api = await ask("GET", "/openapi/openapi.json");
  setText(document.getElementById("version"), api.info.version);
  const views = [];
  for (const [group, operations] of grouped(api)) {
    const id = `group-${group.toLowerCase()}`;
    views.push(element("section", { "aria-labelledby": id }, element("h2", { id, text: group }), ...operations.map((each) => operationView(api, each))));
    const links = operations.map(({ method, operation }) => element("li", {}, element("a", { href: `#${operation.operationId}` }, element("span", { class: `method ${method}`, text: method.toUpperCase() }), element("span", { text: operation.summary }))));
    contents.append(element("h2", { text: group }), element("ul", {}, ...links));
  }
  const base = element("code", { text: location.origin + root });
  main.replaceChildren(
    element("header", { class: "docs-head" }, element("h1", { tabindex: "-1", text: "The native API" }), ...prose(api.info.description ?? ""), element("p", { class: "hint" }, "Everything is below ", base, ". What happens is followed live on the WebSocket at ", element("code", { text: "/v1/ws" }), "; a browser gets a token for it from ", element("code", { text: "POST /v1/socket-tokens" }), "."), keyBox()),
    ...views,
  );
  openNamed();
}

window.addEventListener("hashchange", openNamed);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  (main.querySelector("h1") ?? main).focus();
});
open().catch((error) => main.replaceChildren(element("p", { class: "error", role: "alert", text: error.words ?? error.message })));
