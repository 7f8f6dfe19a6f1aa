// The meeting's chat: read, and written to while the bot is in the call.

import { botPath, post } from "./api.js";
import { timeElement, clockTime } from "./clock.js";
import { element, icon, named, setText } from "./dom.js";

/** The chat of one bot's meeting. */
export class Chat {
  /** @param {string} botId */
  constructor(botId) {
    this.botId = botId;
    /** @type {Set<string>} */
    this.shown = new Set();
    this.list = element("ul", { class: "messages", role: "log", "aria-label": "Messages", "aria-live": "off", tabindex: "0" });
    this.empty = element("p", { class: "hint", text: "No messages yet." });
    this.input = element("input", { id: "chat-text", name: "text", maxlength: "4096", autocomplete: "off", placeholder: "Write to everybody", "aria-label": "Message to everybody", "aria-describedby": "chat-error" });
    this.button = element("button", { class: "icon accent", type: "submit", "aria-label": "Send the message" }, icon("send"));
    this.error = element("p", { id: "chat-error", class: "error", role: "alert", hidden: true });
    this.form = element("form", { class: "chat-form", hidden: true, on: { submit: (event) => this.#send(event) } }, this.input, this.button);
    this.element = element("section", { class: "card chat", "aria-labelledby": "chat-title" }, element("header", { class: "card-head" }, element("h2", { id: "chat-title", text: "Chat" })), this.list, this.empty, this.error, this.form);
  }

  /** @param {Iterable<Record<string, any>>} messages @param {{open: boolean, ended: boolean}} options */
  show(messages, { open, ended }) {
    const first = this.shown.size === 0;
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    for (const message of messages) {
      if (this.shown.has(message.id)) continue;
      this.shown.add(message.id);
      this.list.append(this.#entry(message));
    }
    this.empty.hidden = this.shown.size > 0;
    setText(this.empty, ended ? "No messages." : "No messages yet.");
    this.list.hidden = this.shown.size === 0;
    if (this.form.contains(document.activeElement) && !open) this.list.focus();
    this.form.hidden = !open;
    if (first || atEnd) this.list.scrollTop = this.list.scrollHeight;
    requestAnimationFrame(() => this.list.setAttribute("aria-live", "polite"));
  }

  /** @param {Record<string, any>} message */
  #entry(message) {
    const head = element("header", {}, named("strong", message.sender), message.by_bot ? element("span", { class: "tag", text: "bot" }) : null, message.direct ? element("span", { class: "tag", text: message.to ? `to ${message.to} alone` : "to one alone" }) : null, timeElement(message.at, clockTime));
    return element("li", { class: message.by_bot ? "ours" : "" }, head, element("p", { dir: "auto", text: message.text }));
  }

  /** @param {Event} event */
  async #send(event) {
    event.preventDefault();
    const text = this.input.value;
    if (!text.trim() || this.button.disabled) return;
    this.button.disabled = true;
    this.error.hidden = true;
    try {
      await post(botPath(this.botId, "/chat"), { text });
      if (this.input.value === text) this.input.value = "";
    } catch (error) {
      setText(this.error, error.words ?? error.message);
      this.error.hidden = false;
    } finally {
      this.button.disabled = false;
    }
  }
}
