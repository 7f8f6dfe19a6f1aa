// The states a bot went through, with when, for how long, and why.

import { clockTime, lasting, ticking, timeElement } from "./clock.js";
import { element } from "./dom.js";
import { hasEnded, reasonWords, stateWords, toneOf } from "./words.js";

/** The status history of one bot. */
export class History {
  constructor() {
    this.list = element("ol", { class: "hops" });
    this.element = element("section", { class: "card", "aria-labelledby": "history-title" }, element("header", { class: "card-head" }, element("h2", { id: "history-title", text: "History" })), this.list);
  }

  /** @param {Record<string, any>[]} hops */
  show(hops) {
    this.list.replaceChildren(...hops.map((hop, at) => this.#entry(hop, hops[at + 1])));
  }

  /** @param {Record<string, any>} hop @param {Record<string, any> | undefined} next */
  #entry(hop, next) {
    const lasted = next ? element("span", { class: "lasted", text: lasting((Date.parse(next.at) - Date.parse(hop.at)) / 1000) }) : null;
    const goesOn = !next && !hasEnded(hop.state) ? ticking(hop.at) : null;
    const why = [reasonWords(hop.reason), hop.evidence].filter(Boolean).join(" — ");
    return element(
      "li",
      { "data-tone": toneOf(hop.state), "aria-current": next ? null : "step" },
      element("p", { class: "hop" }, element("strong", { text: stateWords(hop.state) }), lasted ?? goesOn, timeElement(hop.at, clockTime)),
      why ? element("p", { class: "hint", text: why }) : null,
    );
  }
}
