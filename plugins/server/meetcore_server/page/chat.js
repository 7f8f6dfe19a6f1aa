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
    this.gone = false;
    this.offered = "";
    this.list = element("ul", { class: "messages", role: "log", "aria-label": "Messages", "aria-live": "off", tabindex: "0" });
    this.empty = element("p", { class: "hint", text: "No messages yet." });
    this.input = element("input", { id: "chat-text", name: "text", maxlength: "4096", autocomplete: "off", placeholder: "Write to everybody", "aria-label": "Message to everybody", "aria-describedby": "chat-error" });
    this.button = element("button", { class: "icon accent", type: "submit", "aria-label": "Send the message" }, icon("send"));
    this.error = element("p", { id: "chat-error", class: "error", role: "alert", hidden: true });
    this.to = element("select", { id: "chat-to", "aria-label": "Whom the message is for", on: { change: () => this.#sayReceiver() } }, new Option("Everybody", ""));
    this.form = element("form", { class: "chat-form", hidden: true, on: { submit: (event) => this.#send(event) } }, this.to, this.input, this.button);
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

  /**
   * Offer whom a message can be for. Who has left stays chosen, and nothing is sent: what was meant for
   * one is never everybody's.
   * @param {Iterable<import("./bot_history.js").Person>} people
   */
  offer(people) {
    const here = [...people].filter((person) => person.here);
    const chosen = this.to.value;
    this.gone = chosen !== "" && !here.some((person) => person.id === chosen);
    const name = this.to.selectedOptions[0]?.textContent.replace(/ \(left\)$/, "");
    const options = [new Option("Everybody", ""), ...here.map((person) => new Option(person.name, person.id))];
    if (this.gone) options.push(new Option(`${name} (left)`, chosen));
    const sign = JSON.stringify(options.map((option) => [option.value, option.text]));
    if (sign === this.offered) return;
    this.offered = sign;
    this.to.replaceChildren(...options);
    this.to.value = chosen;
    this.to.hidden = options.length === 1;
    this.#sayReceiver();
  }

  #sayReceiver() {
    const { value, selectedOptions } = this.to;
    const whom = value ? `${selectedOptions[0].textContent} alone` : "everybody";
    this.input.placeholder = `Write to ${whom}`;
    this.input.setAttribute("aria-label", `Message to ${whom}`);
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
    if (this.gone) {
      setText(this.error, "They have left. Choose whom the message is for.");
      this.error.hidden = false;
      return;
    }
    const to = this.to.value;
    this.button.disabled = true;
    this.error.hidden = true;
    try {
      await post(botPath(this.botId, "/chat"), to ? { text, to } : { text });
      if (this.input.value === text) this.input.value = "";
    } catch (error) {
      setText(this.error, error.words ?? error.message);
      this.error.hidden = false;
    } finally {
      this.button.disabled = false;
    }
  }
}
