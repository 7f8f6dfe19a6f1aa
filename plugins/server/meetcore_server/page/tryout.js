// A form under an operation that really calls it, with the key of this tab, and shows the answer.

import { key, send } from "./api.js";
import { element, randomId, setText } from "./dom.js";
import { example, resolve, typeWords } from "./schema.js";

const MOST_SHOWN = 100_000;

/**
 * @typedef {{name: string, in: string, required?: boolean, schema: Record<string, any>}} Parameter
 */

/** The path with what stands in the form. @param {string} template @param {Parameter[]} parameters @param {FormData} given */
function fill(template, parameters, given) {
  const query = new URLSearchParams();
  const headers = {};
  let path = template;
  for (const { name, in: place } of parameters) {
    const value = String(given.get(name) ?? "").trim();
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (!value) continue;
    else if (place === "query") for (const each of value.split(",")) query.append(name, each.trim());
    else if (place === "header") headers[name] = value;
  }
  return { path: query.size ? `${path}?${query}` : path, headers };
}

/** Bytes as text, pretty where it is JSON. @param {string} text @param {string} kind */
function readable(text, kind) {
  if (!/json/.test(kind)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/**
 * Make the form.
 * @param {Record<string, any>} api
 * @param {string} method
 * @param {string} path
 * @param {Record<string, any>} operation
 */
export function tryOut(api, method, path, operation) {
  const parameters = (operation.parameters ?? []).map((each) => resolve(api, each));
  const prefix = `try-${operation.operationId ?? randomId()}`;
  const inputs = parameters.map((parameter) => {
    const id = `${prefix}-${parameter.name}`;
    const input = element("input", { id, name: parameter.name, autocomplete: "off", spellcheck: "false", required: parameter.in === "path", placeholder: typeWords(api, parameter.schema) });
    return element("div", { class: "field" }, element("label", { for: id, text: `${parameter.name} (${parameter.in})` }), input);
  });
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const body = schema ? element("textarea", { id: `${prefix}-body`, class: "code", rows: "7", spellcheck: "false" }) : null;
  if (body) body.value = JSON.stringify(example(api, schema), null, 2);
  const bodyField = body ? element("div", { class: "field wide" }, element("label", { for: body.id, text: "Body" }), body) : null;
  const button = element("button", { class: "primary small", type: "submit", text: "Send" });
  const halt = element("button", { class: "secondary small", type: "button", text: "Stop listening", hidden: true });
  const keyNote = element("span", { class: "hint" });
  const status = element("p", { class: "answer-status", role: "status" });
  const answer = element("pre", { class: "answer", tabindex: "0", "aria-label": "Answer", hidden: true });
  const form = element("form", { class: "try", "aria-label": `Try ${method.toUpperCase()} ${path}` }, ...inputs, bodyField, element("div", { class: "try-end" }, button, halt, keyNote), status, answer);
  const showKey = () => setText(keyNote, key.get() ? "With the key of this tab." : "Without a key.");
  showKey();
  document.addEventListener("keychange", showKey);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { path: target, headers } = fill(path, parameters, new FormData(form));
    let sent;
    if (body?.value.trim()) {
      try {
        sent = JSON.parse(body.value);
      } catch (error) {
        setText(status, `The body is not JSON: ${error.message}`);
        status.dataset.tone = "bad";
        body.focus();
        return;
      }
    }
    const stop = new AbortController();
    halt.hidden = false;
    halt.onclick = () => stop.abort();
    button.disabled = true;
    const began = performance.now();
    try {
      const response = await send(method.toUpperCase(), target, { body: sent, headers, signal: stop.signal });
      const took = Math.round(performance.now() - began);
      setText(status, `${response.status} ${response.statusText} · ${took} ms · ${target}`);
      status.dataset.tone = response.ok ? "live" : "bad";
      await show(response, answer);
    } catch (error) {
      if (!stop.signal.aborted) {
        setText(status, error.message);
        status.dataset.tone = "bad";
      }
    } finally {
      halt.hidden = true;
      button.disabled = false;
    }
  });
  return form;
}

/** Show an answer while it comes: some never end. @param {Response} response @param {HTMLElement} answer */
async function show(response, answer) {
  const kind = response.headers.get("content-type") ?? "";
  answer.hidden = false;
  setText(answer, "");
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    if (/event-stream/.test(kind)) setText(answer, text.slice(-MOST_SHOWN));
    else if (text.length > MOST_SHOWN) {
      await reader.cancel();
      setText(answer, `${text.slice(0, MOST_SHOWN)}\n… and more: use a program for this much.`);
      return;
    }
  }
  setText(answer, readable(text, kind) || "(empty)");
}
