// What the meeting is about from now on: said by whoever watches, a chapter of the recording.

import { botPath, post } from "./api.js";
import { announce, element, icon, setText } from "./dom.js";

/** A button, and the dialog that it opens. */
export class Topic {
  /** @param {string} botId */
  constructor(botId) {
    this.botId = botId;
    this.input = element("input", { id: "topic-text", maxlength: "200", autocomplete: "off", "aria-describedby": "topic-error" });
    this.error = element("p", { id: "topic-error", class: "error", role: "alert", hidden: true });
    this.set = element("button", { class: "primary", type: "submit", text: "Set the topic" });
    const close = element("button", { class: "secondary", type: "button", text: "Cancel", on: { click: () => this.dialog.close() } });
    const form = element("form", { class: "topic-form", on: { submit: (event) => this.#send(event) } }, element("div", { class: "field" }, element("label", { for: "topic-text", text: "What is it about from now on?" }), this.input), this.error, element("div", { class: "dialog-buttons" }, this.set, close));
    this.dialog = element("dialog", { "aria-labelledby": "topic-title" }, element("h2", { id: "topic-title", text: "Set a topic" }), element("p", { text: "A chapter of the recording begins here." }), form);
    this.button = element("button", { class: "secondary quiet", type: "button", hidden: true, on: { click: () => this.#open() } }, icon("topic"), "Topic");
  }

  /** @param {boolean} possible */
  setPossible(possible) {
    this.button.hidden = !possible;
    if (!possible) this.dialog.close();
  }

  #open() {
    this.error.hidden = true;
    this.input.value = "";
    this.dialog.showModal();
    this.input.focus();
  }

  /** @param {Event} event */
  async #send(event) {
    event.preventDefault();
    const topic = this.input.value.trim();
    if (!topic || this.set.disabled) return;
    this.set.disabled = true;
    this.error.hidden = true;
    try {
      await post(botPath(this.botId, "/commands"), { type: "mark_topic", data: { topic } });
      this.dialog.close();
      announce(`Topic: ${topic}`);
    } catch (error) {
      setText(this.error, error.words ?? error.message);
      this.error.hidden = false;
    } finally {
      this.set.disabled = false;
    }
  }
}
