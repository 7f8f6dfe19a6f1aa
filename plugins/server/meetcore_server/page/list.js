// The bots, now and lately: kept up to date by asking every few seconds while somebody looks.

import { Problem, botPath, get, post } from "./api.js";
import { eachSecond, moment, setSince, ticking } from "./clock.js";
import { announce, element, named, setName, setText } from "./dom.js";
import { adviceFor, hasEnded, platformWords, reasonWords, stateWords, toneOf, wentWell } from "./words.js";

const EVERY_MS = 3000;
const SLOWEST_MS = 15_000;
const PAGE = 50;

/** The list of bots. */
export class BotList {
  /** @param {{onFirst: (count: number) => void, onLink: (up: boolean) => void}} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    /** @type {Map<string, Record<string, any>>} */
    this.bots = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    this.now = element("ol", { class: "rows" });
    this.lately = element("ol", { class: "rows" });
    this.nobody = element("p", { class: "hint", text: "No bot is out." });
    this.more = element("button", { class: "secondary", type: "button", hidden: true, text: "Show older ones", on: { click: () => this.#older() } });
    this.latelyPart = element("section", { "aria-labelledby": "lately-title", hidden: true }, element("h2", { id: "lately-title", text: "Lately" }), this.lately, this.more);
    this.error = element("p", { class: "error", role: "alert", hidden: true });
    this.element = element("div", {}, this.error, element("section", { "aria-labelledby": "now-title" }, element("h2", { id: "now-title", text: "Now" }), this.nobody, this.now), this.latelyPart);
    this.failures = 0;
    eachSecond(() => this.#warn());
    document.addEventListener("visibilitychange", () => !document.hidden && this.started && this.refresh());
    window.addEventListener("online", () => this.started && this.refresh());
  }

  start() {
    this.started = true;
    this.first = true;
    return this.refresh();
  }

  /** Ask no more, and forget: the key is gone. */
  stop() {
    this.started = false;
    clearTimeout(this.timer);
    this.bots.clear();
    this.#show();
  }

  /** Ask now. */
  async refresh() {
    clearTimeout(this.timer);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const page = await get(`/v1/bots?limit=${PAGE}`);
      if (turn !== this.turn || !this.started) return;
      this.failures = 0;
      this.hooks.onLink(true);
      this.#take(page);
    } catch (error) {
      if (turn !== this.turn || (error instanceof Problem && error.status === 401)) return;
      this.failures += 1;
      this.hooks.onLink(false);
    }
    this.timer = setTimeout(() => (document.hidden ? null : this.refresh()), this.#pause());
  }

  #pause() {
    return this.failures ? Math.min(SLOWEST_MS, 1000 * 2 ** this.failures) : EVERY_MS;
  }

  /** Take what is known of one bot. @param {Record<string, any>} bot */
  put(bot) {
    const known = this.bots.get(bot.id);
    if (known?.state === bot.state && known?.state_since === bot.state_since && known?.data_deleted_at === bot.data_deleted_at) return;
    this.bots.set(bot.id, { ...bot });
    this.#show();
  }

  /** Mark the bot that is looked at. @param {string | null} id */
  select(id) {
    this.selected = id;
    for (const [each, row] of this.rows) this.#mark(each, row);
  }

  /** @param {{bots: Record<string, any>[], next_cursor: string | null}} page */
  #take(page) {
    const fresh = page.bots.filter((bot) => !this.bots.has(bot.id));
    for (const bot of page.bots) this.bots.set(bot.id, bot);
    if (this.cursor === undefined) this.cursor = page.next_cursor;
    this.#show();
    if (this.first) this.hooks.onFirst(this.bots.size);
    else if (fresh.length) announce(fresh.length > 1 ? `${fresh.length} new bots` : `New bot: ${fresh[0].name}`);
    this.first = false;
  }

  async #older() {
    this.more.disabled = true;
    try {
      const page = await get(`/v1/bots?limit=${PAGE}&cursor=${encodeURIComponent(this.cursor)}`);
      for (const bot of page.bots) this.bots.set(bot.id, bot);
      this.cursor = page.next_cursor;
      this.#show();
    } catch (error) {
      this.#say(error);
    }
    this.more.disabled = false;
  }

  /** The bots that are out. */
  live() {
    return [...this.bots.values()].filter((bot) => !hasEnded(bot.state));
  }

  #show() {
    const all = [...this.bots.values()].sort((one, other) => other.number - one.number);
    const live = all.filter((bot) => !hasEnded(bot.state));
    const ended = all.filter((bot) => hasEnded(bot.state));
    this.nobody.hidden = live.length > 0;
    this.latelyPart.hidden = ended.length === 0;
    this.more.hidden = !this.cursor;
    this.#arrange(this.now, live);
    this.#arrange(this.lately, ended);
    for (const [id, row] of this.rows) {
      if (this.bots.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
  }

  /** Put rows in order; those that stand right are not touched, so focus stays. @param {HTMLElement} list @param {Record<string, any>[]} bots */
  #arrange(list, bots) {
    let at = list.firstElementChild;
    for (const bot of bots) {
      const row = this.#row(bot);
      if (row === at) at = at.nextElementSibling;
      else {
        const focused = row.contains(document.activeElement) ? document.activeElement : null;
        list.insertBefore(row, at);
        focused?.focus({ preventScroll: true });
      }
    }
  }

  /** @param {Record<string, any>} bot */
  #row(bot) {
    let row = this.rows.get(bot.id);
    if (!row) {
      row = element(
        "li",
        { class: "row" },
        element(
          "a",
          { href: `#/bots/${encodeURIComponent(bot.id)}` },
          element("span", { class: "dot", "aria-hidden": "true" }),
          named("span", "", "name"),
          element("span", { class: "state" }, element("span"), ticking(bot.state_since)),
          element("span", { class: "place hint" }),
          element("span", { class: "todo" }),
        ),
        element("button", { class: "secondary small", type: "button", hidden: true, text: "Cancel", on: { click: (event) => this.#cancel(bot.id, event.currentTarget) } }),
      );
      this.rows.set(bot.id, row);
    }
    row.dataset.tone = toneOf(bot.state);
    const [, name, state, place] = row.firstElementChild.children;
    setName(name, bot.name);
    setText(state.firstElementChild, stateWords(bot.state));
    const ended = hasEnded(bot.state);
    // Of a bot that has ended the reason says more; its state is for who cannot see the dot.
    state.firstElementChild.classList.toggle("unseen", ended);
    const time = state.lastElementChild;
    const until = bot.state === "scheduled" ? bot.scheduled_for : bot.ended_at;
    if (!ended && !until) setSince(time, bot.state_since);
    else {
      delete time.dataset.since;
      time.removeAttribute("role");
      setText(time, moment(until ?? bot.state_since));
    }
    setText(place, `${platformWords(bot.platform)} · ${bot.native_id}`);
    row.lastElementChild.setAttribute("aria-label", `Cancel ${bot.name}`);
    this.#advise(bot, row);
    this.#mark(bot.id, row);
    return row;
  }

  /** @param {string} id @param {HTMLElement} row */
  #mark(id, row) {
    if (id === this.selected) row.firstElementChild.setAttribute("aria-current", "true");
    else row.firstElementChild.removeAttribute("aria-current");
  }

  /** @param {Record<string, any>} bot @param {HTMLElement} row */
  #advise(bot, row) {
    const ending = hasEnded(bot.state) && bot.reason ? { title: reasonWords(bot.reason), tone: wentWell(bot) ? "calm" : "bad" } : null;
    const advice = adviceFor(bot) ?? ending;
    const todo = row.querySelector(".todo");
    setText(todo, advice?.title ?? "");
    todo.dataset.tone = advice?.tone ?? "";
    row.lastElementChild.hidden = !(advice?.cancel && bot.state !== "awaiting_admission");
  }

  #warn() {
    for (const [id, row] of this.rows) {
      const bot = this.bots.get(id);
      if (!hasEnded(bot.state)) this.#advise(bot, row);
    }
  }

  /** @param {string} id @param {HTMLButtonElement} button */
  async #cancel(id, button) {
    button.disabled = true;
    this.error.hidden = true;
    try {
      await post(botPath(id, "/stop"));
      await this.refresh();
    } catch (error) {
      this.#say(error);
    }
    button.disabled = false;
  }

  /** @param {Error & {words?: string}} error */
  #say(error) {
    setText(this.error, error.words ?? error.message);
    this.error.hidden = false;
  }
}
