// The native API over fetch: the key, problems as errors, and the server's clock.

import { element } from "./dom.js";

const KEY = "meetcore.key";

/** The path that a proxy puts before ours, if one does: this file lies in `static` below it. */
export const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** An answer that is no success, as problem+json says it. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} body
   */
  constructor(status, body) {
    super(body.detail || `The server answered with status ${status}.`);
    this.status = status;
    this.code = String(body.code ?? "");
    this.remedy = String(body.remedy ?? "");
    /** @type {{field: string, message: string}[]} */
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.body = body;
  }

  /** What happened and what to do, in one line. */
  get words() {
    const fields = this.errors.map((each) => `${each.field}: ${each.message}`).join("; ");
    return [fields || this.message, this.remedy].filter(Boolean).join(" ");
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {}

/** Where the key is kept: in this tab, until it is closed. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (/** @type {string} */ value) => sessionStorage.setItem(KEY, value),
  clear: () => sessionStorage.removeItem(KEY),
};

let skewMs = 0;
let onUnauthorized = () => {};

/** @param {() => void} listener Called whenever the server wants a key, or another one. */
export function whenUnauthorized(listener) {
  onUnauthorized = listener;
}

/** Now, by the server's clock, in milliseconds. */
export const serverNow = () => Date.now() + skewMs;

/** @param {Response} response */
function setClock(response) {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(date)) return;
  const ahead = date + 500 - Date.now();
  skewMs = Math.abs(ahead) > 2000 ? ahead : 0;
}

/**
 * Send a request with the key; return the response whatever its status.
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 */
export async function send(method, path, { body, headers = {}, signal } = {}) {
  const all = { ...headers };
  if (key.get()) all.authorization = `Bearer ${key.get()}`;
  if (body !== undefined) all["content-type"] = "application/json";
  try {
    const response = await fetch(root + path, {
      method,
      headers: all,
      signal,
      cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    setClock(response);
    return response;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable("The server cannot be reached.", { cause: error });
  }
}

/** @param {Response} response */
async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    body = {};
  }
  if (response.status === 401) onUnauthorized();
  return new Problem(response.status, body);
}

/**
 * Send a request; return the JSON of a success, throw a `Problem` for anything else.
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function ask(method, path, options) {
  const response = await send(method, path, options);
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

/** @param {string} path @param {AbortSignal} [signal] */
export const get = (path, signal) => ask("GET", path, { signal });

/** @param {string} path @param {unknown} [body] @param {Record<string, string>} [headers] */
export const post = (path, body, headers) => ask("POST", path, { body, headers });

/** The path of a bot. @param {string} id @param {string} [rest] */
export const botPath = (id, rest = "") => `/v1/bots/${encodeURIComponent(id)}${rest}`;

/**
 * Save what a path gives as a file; for files that need the key.
 * @param {string} path
 * @param {string} filename
 */
export async function download(path, filename) {
  const response = await send("GET", path);
  if (!response.ok) throw await problemOf(response);
  const url = URL.createObjectURL(await response.blob());
  const link = element("a", { href: url, download: filename });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
