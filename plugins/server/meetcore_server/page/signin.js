// The box that takes a key. It is kept in this tab only, until the tab is closed.

import { Problem, get, key } from "./api.js";
import { element, icon, setText } from "./dom.js";

/**
 * Make the view.
 * @param {{rejected: boolean, onDone: () => void}} options
 */
export function signIn({ rejected, onDone }) {
  const error = element("p", { class: "error-text", id: "key-error", role: "alert", text: rejected ? "That key is not valid, or not any more." : "" });
  const input = element("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", "aria-describedby": "key-hint key-error", "aria-invalid": rejected ? "true" : null });
  const button = element("button", { class: "primary", type: "submit", text: "Sign in" });

  /** @param {string} words */
  const complain = (words) => {
    setText(error, words);
    input.setAttribute("aria-invalid", "true");
    input.focus();
  };
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const value = input.value.trim();
    if (!value) return complain("Paste your key here.");
    button.disabled = true;
    key.set(value);
    try {
      await get("/v1/bots?limit=1");
      onDone();
    } catch (trouble) {
      key.clear();
      const wrong = trouble instanceof Problem && trouble.status === 401;
      complain(wrong ? "That key is not valid, or not any more." : (trouble.words ?? trouble.message));
    } finally {
      button.disabled = false;
    }
  };
  return element(
    "div",
    { class: "card sign-in" },
    element("span", { class: "pulse" }, icon("key")),
    element("h1", { tabindex: "-1", text: "Sign in" }),
    element("p", { class: "hint", text: "This server asks for an API key." }),
    element("form", { novalidate: true, on: { submit } }, element("div", { class: "field" }, element("label", { for: "key", text: "API key" }), input, element("p", { class: "hint", id: "key-hint" }, "It stays in this tab. ", element("code", { text: "meetcore keys create" }), " makes one."), error), button),
  );
}
