// Who is in the meeting, and who speaks now.

import { duration } from "./clock.js";
import { avatar, element, icon, named, setName, setText } from "./dom.js";

/** A list of people that is brought up to date in place. */
export class People {
  constructor() {
    this.title = element("h2", { id: "people-title", text: "People" });
    this.now = element("p", { class: "speaking-now hint", dir: "auto" });
    this.list = element("ul", { class: "people" });
    this.empty = element("p", { class: "hint", text: "Nobody is there yet." });
    this.element = element("section", { class: "card", "aria-labelledby": "people-title" }, element("header", { class: "card-head" }, this.title, this.now), this.list, this.empty);
    /** @type {Map<string, HTMLElement>} */
    this.entries = new Map();
  }

  /** @param {Iterable<import("./bot_history.js").Person>} people @param {boolean} ended */
  show(people, ended) {
    const all = [...people];
    const here = all.filter((person) => person.here);
    setText(this.title, here.length ? `People (${here.length})` : "People");
    const talking = here.filter((person) => person.speaking).map((person) => person.name);
    setText(this.now, talking.length ? `${talking.join(", ")} ${talking.length > 1 ? "speak" : "speaks"}` : "");
    this.empty.hidden = all.length > 0;
    setText(this.empty, ended ? "Nobody was seen." : "Nobody is there yet.");
    for (const person of all) this.#show(person, ended);
    for (const [id, entry] of this.entries) {
      if (all.some((person) => person.id === id)) continue;
      entry.remove();
      this.entries.delete(id);
    }
  }

  /** @param {import("./bot_history.js").Person} person @param {boolean} ended */
  #show(person, ended) {
    let entry = this.entries.get(person.id);
    if (!entry) {
      entry = element("li", {}, avatar(person.name), element("span", { class: "who" }, named("strong"), element("small")), element("span", { class: "mic" }));
      entry.querySelector(".mic").append(element("span", { class: "bars", "aria-hidden": "true" }, element("i"), element("i"), element("i")), icon("mic-off"));
      this.entries.set(person.id, entry);
      this.list.append(entry);
    }
    const [picture, who] = entry.children;
    if (entry.dataset.name !== person.name) picture.replaceWith(avatar(person.name));
    entry.dataset.name = person.name;
    entry.dataset.speaking = String(person.here && person.speaking);
    entry.dataset.muted = String(person.here && person.muted === true);
    entry.dataset.here = String(person.here || ended);
    setName(who.children[0], person.name);
    const words = [
      person.is_host && "Host",
      person.is_bot && "Bot",
      !person.here && !ended && "Left",
      person.here && person.muted && "Muted",
      person.spoke_s >= 1 && `Spoke ${duration(person.spoke_s)}`,
    ];
    setText(who.children[1], words.filter(Boolean).join(" · "));
  }
}
