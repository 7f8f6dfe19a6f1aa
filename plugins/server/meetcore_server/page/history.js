// The states a bot went through, with when, for how long, and why.

import { clockTime, lasting, ticking, timeElement } from "./clock.js";
import { element } from "./dom.js";
import { hasEnded, reasonWords, stateWords, toneOf } from "./words.js";

/** The status history of one bot. */
export class History {
  constructor() {
    this.list = element("ol", { class: "transitions" });
    this.element = element("section", { class: "card", "aria-labelledby": "history-title" }, element("header", { class: "card-head" }, element("h2", { id: "history-title", text: "History" })), this.list);
  }

  /** @param {Record<string, any>[]} transitions */
  show(transitions) {
    this.list.replaceChildren(...transitions.map((transition, at) => this.#entry(transition, transitions[at + 1])));
  }

  /** @param {Record<string, any>} transition @param {Record<string, any> | undefined} next */
  #entry(transition, next) {
    const lasted = next ? element("span", { class: "lasted", text: lasting((Date.parse(next.at) - Date.parse(transition.at)) / 1000) }) : null;
    const goesOn = !next && !hasEnded(transition.state) ? ticking(transition.at) : null;
    const why = [reasonWords(transition.reason), transition.evidence].filter(Boolean).join(" — ");
    return element(
      "li",
      { "data-tone": toneOf(transition.state), "aria-current": next ? null : "step" },
      element("p", { class: "transition" }, element("strong", { text: stateWords(transition.state) }), lasted ?? goesOn, timeElement(transition.at, clockTime)),
      why ? element("p", { class: "hint", text: why }) : null,
    );
  }
}
