// The transcript: what was said for good, in chunks the browser may skip, and what is being said now.

import { download, botPath, Problem } from "./api.js";
import { duration } from "./clock.js";
import { avatar, element, icon, named, setName, setText } from "./dom.js";

const CHUNK = 100;
const NEAR_PX = 60;
const SAME_WITHIN_S = 30;
const FORMATS = ["srt", "vtt", "txt", "json"];

/**
 * @typedef {object} Segment
 * @property {string} id
 * @property {string | null} speaker
 * @property {string} text
 * @property {number} start_s
 * @property {number} end_s
 * @property {string | null} [language]
 */

/** Make a segment of one from an event. @param {Record<string, any>} raw @returns {Segment} */
export const segmentFrom = (raw) => ({ ...raw, speaker: raw.speaker_name });

/** Part a text behind so many words. @param {string} text @param {number} words @returns {[string, string]} */
const parted = (text, words) => {
  let end = 0;
  for (const match of text.matchAll(/\S+\s*/g)) {
    if (words-- <= 0) break;
    end = match.index + match[0].length;
  }
  return [text.slice(0, end), text.slice(end)];
};

/** Which letter of a text is at a place of the window. @param {number} x @param {number} y */
function letterAt(x, y) {
  if (document.caretPositionFromPoint) return document.caretPositionFromPoint(x, y)?.offset ?? null;
  return document.caretRangeFromPoint?.(x, y)?.startOffset ?? null;
}

/** When the word begins in which a letter is, in seconds. @param {Segment} segment @param {number} offset */
function startOfWord(segment, offset) {
  let at = 0;
  for (const { text, start_s: start } of segment.words ?? []) {
    const found = segment.text.indexOf(text.trim(), at);
    if (found < 0) continue;
    at = found + text.trim().length;
    if (offset <= at) return start;
  }
  return segment.start_s;
}

/** A transcript in a scroller of its own, which stays at its end where it was there. */
export class Transcript {
  /** @param {string} botId */
  constructor(botId) {
    /** @type {{segment: Segment, line: HTMLElement}[]} By their start. */
    this.rows = [];
    /** @type {Map<string, number>} Start of each segment, by id. */
    this.starts = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.drafts = new Map();
    /** @type {((seconds: number) => void) | null} */
    this.onSeek = null;
    this.following = true;
    this.live = true;
    /** Which transcript is shown: 0 is the one made live. */
    this.revision = 0;
    this.finals = element("div", { class: "finals", role: "log", "aria-label": "What was said", "aria-live": "off" });
    this.draftList = element("ol", { class: "drafts", "aria-label": "Being said now", "aria-live": "off" });
    this.empty = element("p", { class: "hint empty" });
    this.scroller = element("div", { class: "scroller", tabindex: "0", role: "group", "aria-label": "Transcript" }, this.empty, element("div", { class: "lines" }, this.finals, this.draftList));
    this.jump = element("button", { class: "jump secondary", type: "button", hidden: true, on: { click: () => this.#follow() } }, icon("down"), "Newest");
    this.downloads = this.#downloads(botId);
    this.element = element(
      "section",
      { class: "card transcript", "aria-labelledby": "transcript-title" },
      element("header", { class: "card-head" }, element("h2", { id: "transcript-title", text: "Transcript" }), this.downloads),
      this.scroller,
      this.jump,
    );
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.finals.addEventListener("click", (event) => this.#seekTo(event));
    this.finals.addEventListener("keydown", (event) => this.#walk(event));
    this.watch = new ResizeObserver(() => this.following && this.#toEnd());
    this.watch.observe(this.scroller.lastElementChild);
    this.watch.observe(this.scroller);
  }

  /** Say what stands there while nothing was said. @param {string} text */
  say(text) {
    setText(this.empty, text);
    this.#showEmpty();
  }

  /** Show everything said so far. @param {Segment[]} segments */
  load(segments) {
    this.finals.setAttribute("aria-live", "off");
    this.finals.replaceChildren();
    this.rows = [];
    this.starts.clear();
    for (const segment of [...segments].sort((one, other) => one.start_s - other.start_s)) this.#insert(segment);
    this.#showEmpty();
    requestAnimationFrame(() => this.finals.setAttribute("aria-live", "polite"));
  }

  /** Show a segment for good, in the place of its draft or of an older revision. @param {Segment} segment */
  final(segment) {
    this.dropDraft(segment.id);
    const start = this.starts.get(segment.id);
    if (segment.text === "") this.#withdraw(segment.id, start);
    else if (start === undefined) this.#insert(segment);
    else this.#replace(segment, start);
    this.#showEmpty();
  }

  /**
   * Show a segment as it is believed to be now.
   * @param {Segment} segment
   * @param {number} [stable] How many of its first words will hardly change any more.
   */
  draft(segment, stable = 0) {
    if (this.starts.has(segment.id)) return;
    let line = this.drafts.get(segment.id);
    if (!line) {
      line = this.#line(segment, false);
      this.drafts.set(segment.id, line);
      this.draftList.append(line);
    }
    const [sure, rest] = parted(segment.text, stable);
    setText(line.querySelector(".stable"), sure);
    setText(line.querySelector(".unstable"), rest);
    setName(line.querySelector(".speaker"), segment.speaker ?? "Somebody");
    this.#showEmpty();
  }

  /** @param {string} id */
  dropDraft(id) {
    this.drafts.get(id)?.remove();
    this.drafts.delete(id);
  }

  /** Nothing is being said any more. */
  dropDrafts() {
    for (const id of [...this.drafts.keys()]) this.dropDraft(id);
    this.#showEmpty();
  }

  /** Let the times of the lines lead to places in the recording. @param {((seconds: number) => void) | null} onSeek */
  setSeek(onSeek) {
    this.onSeek = onSeek;
    this.element.classList.toggle("seekable", onSeek !== null);
    for (const { line } of this.rows) line.querySelector(".at").disabled = onSeek === null;
    this.#setStop(this.rows[0]?.line);
  }

  /** Mark the line that is heard at a moment of the recording. @param {number} seconds */
  mark(seconds) {
    const row = this.rows[this.#place(seconds) - 1];
    const line = row && seconds <= row.segment.end_s + 0.5 ? row.line : null;
    if (line === this.marked) return;
    this.marked?.classList.remove("heard");
    line?.classList.add("heard");
    this.marked = line;
  }

  /** Nothing more will be said: there is no newest line to go to. */
  end() {
    this.dropDrafts();
    this.live = false;
    this.jump.hidden = true;
  }

  close() {
    this.watch.disconnect();
  }

  /** How many rows begin at or before a moment. @param {number} start */
  #place(start) {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].segment.start_s <= start) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {Segment} segment */
  #insert(segment) {
    const at = this.#place(segment.start_s);
    const line = this.#line(segment, true);
    const next = this.rows[at]?.line;
    if (next) next.before(line);
    else this.#lastChunk().append(line);
    this.rows.splice(at, 0, { segment, line });
    this.starts.set(segment.id, segment.start_s);
    this.#join(at);
    this.#join(at + 1);
  }

  /** @param {string} id @param {number} start Where it begins. */
  #find(id, start) {
    let at = this.#place(start) - 1;
    while (at >= 0 && this.rows[at].segment.id !== id) at -= 1;
    return at;
  }

  /** Take a segment away whose words are another's now. @param {string} id @param {number | undefined} start */
  #withdraw(id, start) {
    if (start === undefined) return;
    const at = this.#find(id, start);
    this.rows[at].line.remove();
    this.rows.splice(at, 1);
    this.starts.delete(id);
    this.#join(at);
  }

  /** @param {Segment} segment @param {number} start Where the older revision began. */
  #replace(segment, start) {
    const at = this.#find(segment.id, start);
    const row = this.rows[at];
    if (row.segment.start_s !== segment.start_s) {
      this.#withdraw(segment.id, start);
      this.#insert(segment);
      return;
    }
    row.segment = segment;
    setText(row.line.querySelector(".text"), segment.text);
    setName(row.line.querySelector(".speaker"), segment.speaker ?? "Somebody");
  }

  #lastChunk() {
    const last = this.finals.lastElementChild;
    if (last && last.childElementCount < CHUNK) return last;
    const chunk = element("ol", { class: "chunk" });
    this.finals.append(chunk);
    return chunk;
  }

  /** Show who speaks only where that changes. @param {number} at */
  #join(at) {
    const row = this.rows[at];
    if (!row) return;
    const before = this.rows[at - 1]?.segment;
    const { speaker, start_s: start } = row.segment;
    row.line.classList.toggle("same", Boolean(before) && before.speaker === speaker && start - before.end_s < SAME_WITHIN_S);
  }

  /** @param {Segment} segment @param {boolean} final */
  #line(segment, final) {
    const name = segment.speaker ?? "Somebody";
    const at = final
      ? element("button", { class: "at", type: "button", tabindex: "-1", disabled: this.onSeek === null, text: duration(segment.start_s), "data-start": segment.start_s })
      : element("span", { class: "at", text: "now" });
    return element(
      "li",
      { class: final ? "line" : "line draft" },
      avatar(name),
      element("p", { class: "head" }, named("strong", name, "speaker")),
      final
        ? element("p", { class: "text", dir: "auto", lang: segment.language, text: segment.text })
        : element("p", { class: "text", dir: "auto", lang: segment.language }, element("span", { class: "stable" }), element("span", { class: "unstable" })),
      at,
    );
  }

  #showEmpty() {
    this.empty.hidden = this.rows.length + this.drafts.size > 0 || !this.empty.textContent;
    this.downloads.hidden = this.rows.length === 0;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.jump.hidden = this.following || !this.live;
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #follow() {
    this.following = true;
    this.#toEnd();
    this.scroller.focus();
  }

  /** @param {Event} event */
  #seekTo(event) {
    const button = event.target.closest("button.at");
    if (!button) return this.#seekToWord(event);
    this.#setStop(button.closest("li"));
    this.onSeek?.(Number(button.dataset.start));
  }

  /** Play from the word that was clicked; who marks text wants to copy it. @param {MouseEvent} event */
  #seekToWord(event) {
    const text = event.target.closest(".text");
    if (!text || !this.onSeek || !getSelection().isCollapsed) return;
    const { segment } = this.rows.find(({ line }) => line === text.closest("li")) ?? {};
    const offset = letterAt(event.clientX, event.clientY);
    if (segment && offset !== null) this.onSeek(startOfWord(segment, offset));
  }

  /** One time is a stop of the Tab key; the arrows lead to the others. @param {HTMLElement | undefined} line */
  #setStop(line) {
    this.stop?.setAttribute("tabindex", "-1");
    this.stop = line?.querySelector("button.at") ?? null;
    if (this.onSeek) this.stop?.setAttribute("tabindex", "0");
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const here = event.target.closest("li");
    if (!step || !here) return;
    const at = this.rows.findIndex(({ line }) => line === here) + step;
    if (!this.rows[at]) return;
    event.preventDefault();
    this.#setStop(this.rows[at].line);
    this.stop.focus();
  }

  /** @param {string} botId */
  #downloads(botId) {
    const trouble = element("span", { class: "error-text", role: "alert" });
    const buttons = FORMATS.map((format) =>
      element("button", {
        class: "link", type: "button", text: format.toUpperCase(), "aria-label": `Download the transcript as ${format.toUpperCase()}`,
        on: {
          click: async () => {
            setText(trouble, "");
            try {
              const [query, name] = this.revision ? [`&revision=${this.revision}`, `${botId}-${this.revision}`] : ["", botId];
              await download(botPath(botId, `/transcript?format=${format}${query}`), `${name}.${format}`);
            } catch (error) {
              setText(trouble, error instanceof Problem ? error.words : error.message);
            }
          },
        },
      }),
    );
    return element("div", { class: "downloads", hidden: true }, trouble, icon("download"), ...buttons);
  }
}
