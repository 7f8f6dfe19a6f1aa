// Sending a bot, and what a newcomer has to know: the form, and the same from a command line.

import { post, root } from "./api.js";
import { element, icon, setText } from "./dom.js";
import { examples } from "./examples.js";
import { OrderForm } from "./order.js";

const REHEARSAL = "https://meet.google.com/abc-defg-hij";

/** A button that copies a text. @param {string} text @param {string} what */
function copyButton(text, what) {
  const said = element("span", { class: "unseen", role: "status" });
  const button = element("button", { class: "icon copy", type: "button", "aria-label": `Copy ${what}`, title: "Copy" }, icon("copy"));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      setText(said, "Copied");
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1500);
    } catch {
      setText(said, "This browser does not let a page copy: select the text instead.");
    }
  });
  return [button, said];
}

/** One click to a scripted meeting. @param {(bot: Record<string, any>) => void} onSent */
export function rehearsalButton(onSent) {
  const error = element("span", { class: "error-text", role: "alert" });
  const button = element("button", { class: "secondary", type: "button", text: "Send a bot to a rehearsal" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    setText(error, "");
    try {
      onSent(await post("/v1/bots", { meeting_url: REHEARSAL, name: "Notes" }));
    } catch (trouble) {
      setText(error, trouble.words ?? trouble.message);
    } finally {
      button.disabled = false;
    }
  });
  return element("span", { class: "one-click" }, button, error);
}

/**
 * Make the view.
 * @param {Record<string, any>} about As GET /v1/about gives it.
 * @param {{newcomer: boolean, onSent: (bot: Record<string, any>) => void}} options
 */
export function welcome(about, { newcomer, onSent }) {
  const form = new OrderForm(onSent, about.links ?? []);
  const cards = examples(location.origin + root, about.mounts, about.links?.[0]).map(({ title, note, command }) =>
    element("details", { class: "example", open: title === "meetcore" }, element("summary", {}, element("strong", { text: title }), element("span", { class: "hint", text: note })), element("div", { class: "command" }, element("pre", { tabindex: "0", "aria-label": `Command line for ${title}` }, element("code", { text: command })), ...copyButton(command, `the command line for ${title}`))),
  );
  const keyWords = about.needs_key ? "Put your key where $KEY stands." : "No key was made yet: any key will do here, and none as well.";
  const lead = newcomer
    ? "Paste the link of a meeting. A bot joins it, and here you see who is there, what they say while they say it, and afterwards the recording."
    : "It joins, transcribes and records; what happens appears here.";
  return element(
    "div",
    { class: "welcome" },
    element("header", { class: "welcome-head" }, newcomer ? null : element("a", { class: "back icon", href: "#/", "aria-label": "All bots" }, icon("back")), element("h1", { tabindex: "-1", text: newcomer ? "Send your first bot" : "Send a bot" })),
    element("p", { class: "lead", text: lead }),
    element("section", { class: "card", "aria-label": "Send a bot" }, form.element),
    element(
      "section",
      { class: "from-programs", "aria-labelledby": "programs-title" },
      element("h2", { id: "programs-title", text: "From your own software" }),
      element("p", { class: "hint" }, `${keyWords} All of the native API is on the page `, element("a", { href: "docs", text: "API" }), "."),
      ...cards,
    ),
  );
}
