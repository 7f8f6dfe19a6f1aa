// The form that sends a bot; what the server finds wrong is said at its field.

import { Problem, post } from "./api.js";
import { element, randomId, setText } from "./dom.js";

/** @type {[string, RegExp][]} Which field a refusal is about, by what it says. */
const ABOUT = [
  ["meeting_url", /meeting_url|\blink\b/i],
  ["join_at", /join_at|scheduled/i],
  ["entry_message", /entry_message/],
  ["transcriber", /transcriber/i],
  ["video", /video/i],
  ["language", /language/i],
  ["name", /\bname\b/],
];
const BY_CODE = { link_refused: "meeting_url", not_installed: "transcriber" };

/**
 * A label, a control and room for what is wrong with it.
 * @param {string} name
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [hint]
 */
function field(name, label, control, hint) {
  const errorId = `order-${name}-error`;
  const hintId = `order-${name}-hint`;
  control.id = `order-${name}`;
  control.setAttribute("name", name);
  control.setAttribute("aria-describedby", hint ? `${hintId} ${errorId}` : errorId);
  return element(
    "div",
    { class: "field", "data-field": name },
    element("label", { for: control.id, text: label }),
    control,
    hint ? element("p", { class: "hint", id: hintId, text: hint }) : null,
    element("p", { class: "error-text", id: errorId, role: "alert" }),
  );
}

/** Fields a problem is about, with what to say there. @param {Problem} problem @returns {[string, string][]} */
function complaints(problem) {
  const known = ABOUT.map(([name]) => name);
  const found = problem.errors.map(({ field: path, message }) => [known.find((name) => path.split(".").includes(name)), message]);
  if (found.length && found.every(([name]) => name)) return found;
  const name = BY_CODE[problem.code] ?? (problem.code === "invalid" ? ABOUT.find(([, words]) => words.test(problem.words))?.[0] : undefined);
  return name ? [[name, problem.words]] : [];
}

/** The form. */
export class OrderForm {
  /**
   * @param {(bot: Record<string, any>) => void} onSent
   * @param {string[]} links What links of the installed platforms look like.
   */
  constructor(onSent, links) {
    this.onSent = onSent;
    this.general = element("p", { class: "error", role: "alert", hidden: true });
    this.button = element("button", { class: "primary", type: "submit", text: "Send the bot" });
    this.link = element("input", { type: "url", inputmode: "url", autocomplete: "off", spellcheck: "false", placeholder: links[0] ?? "https://…", "aria-required": "true" });
    this.element = element(
      "form",
      { class: "order", novalidate: true, "aria-label": "Send a bot", on: { submit: (event) => this.#submit(event) } },
      field("meeting_url", "Link of the meeting", this.link),
      field("name", "Name it shows", element("input", { autocomplete: "off", maxlength: "200", placeholder: "meetcore bot" })),
      field("transcriber", "Transcript", element("select", {}, element("option", { value: "", text: "By the server's transcriber" }), element("option", { value: "none", text: "None, only record" }))),
      field("language", "Language", element("input", { autocomplete: "off", maxlength: "35", placeholder: "The transcriber's own" }), "Such as en or de-AT."),
      field("video", "Video", element("select", {}, element("option", { value: "", text: "As the server has it" }), element("option", { value: "yes", text: "Record it" }), element("option", { value: "no", text: "Sound only" }))),
      field("join_at", "Join later", element("input", { type: "datetime-local" }), "Leave it empty to join at once."),
      field("entry_message", "Greeting", element("textarea", { rows: "2", maxlength: "4096" }), "Written to the chat when it comes in."),
      this.general,
      element("div", { class: "form-end" }, this.button),
    );
    this.orderId = randomId();
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    if (this.button.disabled) return;
    this.#clear();
    const wish = this.#wish();
    if (!wish) return;
    this.button.disabled = true;
    try {
      const bot = await post("/v1/bots", wish, { "idempotency-key": this.orderId });
      this.orderId = randomId();
      this.element.reset();
      this.onSent(bot);
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.button.disabled = false;
    }
  }

  /** Return what the form says, null where something is wrong with it. */
  #wish() {
    const given = new FormData(this.element);
    const text = (name) => String(given.get(name) ?? "").trim() || null;
    const url = text("meeting_url");
    if (!url) {
      this.#mark([["meeting_url", "Paste the link of the meeting here."]]);
      return null;
    }
    const at = text("join_at");
    const wish = { meeting_url: url };
    for (const name of ["name", "transcriber", "language", "entry_message"]) if (text(name)) wish[name] = text(name);
    if (text("video")) wish.video = text("video") === "yes";
    if (at) wish.join_at = new Date(at).toISOString();
    return wish;
  }

  #clear() {
    this.general.hidden = true;
    for (const part of this.element.querySelectorAll("[data-field]")) {
      setText(part.querySelector(".error-text"), "");
      part.querySelector("input, select, textarea").removeAttribute("aria-invalid");
    }
  }

  /** @param {[string, string][]} found */
  #mark(found) {
    for (const [name, words] of found) {
      const part = this.element.querySelector(`[data-field="${name}"]`);
      setText(part.querySelector(".error-text"), words);
      part.querySelector("input, select, textarea").setAttribute("aria-invalid", "true");
    }
    this.element.querySelector("[aria-invalid]")?.focus();
  }

  /** @param {Error & {words?: string}} error */
  #refuse(error) {
    const found = error instanceof Problem ? complaints(error) : [];
    // What was refused was never ordered: the next attempt is another order.
    if (error instanceof Problem && error.status < 500) this.orderId = randomId();
    if (found.length) this.#mark(found);
    else {
      setText(this.general, error.words ?? error.message);
      this.general.hidden = false;
    }
  }
}
