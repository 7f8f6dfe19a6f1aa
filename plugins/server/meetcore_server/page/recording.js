// The recording: a player for the whole meeting, and every file to take away.

import { botPath, get } from "./api.js";
import { duration } from "./clock.js";
import { element, icon, setText } from "./dom.js";

/** @param {number} bytes */
function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const [unit, one] = bytes < 1e6 ? ["kB", 1e3] : bytes < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  return `${(bytes / one).toFixed(bytes / one < 10 ? 1 : 0)} ${unit}`;
}

/** A signed URL as one of this very server, however it is seen from here. @param {string} url */
const local = (url) => new URL(url).pathname;

const ORDER = ["video", "audio.mix", "audio.track", "audio.own", "transcript", "manifest"];

/** Where a file stands in the list. @param {Record<string, any>} file */
const rank = (file) => (ORDER.indexOf(file.kind) + ORDER.length + 1) % (ORDER.length + 1);

const LABELS = { video: "Video of the meeting", "audio.mix": "Everybody together", manifest: "List of the files", screenshot: "Picture of the page" };

/** The files of one bot. */
export class Recording {
  /**
   * @param {string} botId
   * @param {(seconds: number) => void} onTime Called while it plays.
   */
  constructor(botId, onTime) {
    this.botId = botId;
    const label = { controls: true, preload: "metadata", "aria-label": "Recording of the meeting" };
    this.players = { "audio.mix": element("audio", label), video: element("video", { ...label, playsinline: "" }) };
    this.player = this.players["audio.mix"];
    for (const player of Object.values(this.players)) {
      player.hidden = true;
      player.addEventListener("timeupdate", () => {
        if (player !== this.player) return;
        onTime(player.currentTime);
        this.#markChapter(player.currentTime);
      });
      player.addEventListener("error", () => player === this.player && this.#renew());
    }
    this.files = element("ul", { class: "files" });
    this.chapters = element("ol", { class: "chapters" });
    this.contents = element("details", { open: "", hidden: true }, element("summary", { text: "Chapters" }), this.chapters);
    this.note = element("p", { class: "hint" });
    this.title = element("h2", { id: "recording-title" });
    this.details = element("details", {}, element("summary", { text: "Files" }), this.files);
    this.element = element("section", { class: "card recording", "aria-labelledby": "recording-title", hidden: true }, element("header", { class: "card-head" }, this.title, this.note), ...Object.values(this.players), this.contents, this.details);
    // The links expire after an hour, so whoever looks at them gets fresh ones.
    this.details.addEventListener("toggle", () => this.details.open && this.load().catch((error) => this.#say(error)));
    this.renewals = 0;
  }

  /** @param {Error & {words?: string}} error */
  #say(error) {
    setText(this.note, error.words ?? error.message);
  }

  /** Fetch what there is. @returns {Promise<boolean>} Whether it can be played. */
  async load() {
    const [found, chapters] = await Promise.all([get(botPath(this.botId, "/recordings")), get(botPath(this.botId, "/chapters"))]);
    this.element.hidden = found.length === 0;
    const shown = ["video", "audio.mix"].map((kind) => found.find((file) => file.kind === kind)).find(Boolean);
    if (shown) this.player = this.players[shown.kind];
    for (const player of Object.values(this.players)) player.hidden = !shown || player !== this.player;
    setText(this.title, shown ? "Recording" : "What it left");
    if (shown && this.source !== shown.path) {
      this.source = shown.path;
      this.player.src = local(shown.url);
    }
    setText(this.note, shown?.duration_s ? duration(shown.duration_s) : "");
    setText(this.details.firstElementChild, found.length === 1 ? "1 file" : `${found.length} files`);
    this.files.replaceChildren(...[...found].sort((one, other) => rank(one) - rank(other)).map((file) => this.#file(file)));
    this.contents.hidden = !shown || chapters.length === 0;
    this.chapters.replaceChildren(...chapters.map((chapter) => this.#chapter(chapter)));
    return Boolean(shown);
  }

  /** A chapter, which a click plays. @param {{start_s: number, title: string}} chapter */
  #chapter({ start_s: start, title }) {
    const button = element("button", { type: "button", class: "chapter", on: { click: () => this.seek(start) } }, element("span", { class: "chapter-time", text: duration(start) }), element("span", { class: "chapter-title", dir: "auto", text: title }));
    button.dataset.start = start;
    return element("li", {}, button);
  }

  /** Show which chapter is played. @param {number} seconds */
  #markChapter(seconds) {
    const begun = [...this.chapters.querySelectorAll(".chapter")].filter((each) => Number(each.dataset.start) <= seconds);
    const now = begun.at(-1);
    for (const each of this.chapters.querySelectorAll("[aria-current]")) if (each !== now) each.removeAttribute("aria-current");
    now?.setAttribute("aria-current", "true");
  }

  /** Play from a moment. @param {number} seconds */
  seek(seconds) {
    this.player.currentTime = seconds;
    this.player.play().catch(() => {
      setText(this.note, "This browser cannot play the recording.");
    });
  }

  close() {
    this.closed = true;
    for (const player of Object.values(this.players)) {
      player.pause();
      player.removeAttribute("src");
    }
  }

  /** The link of a player expires after an hour: take a new one, and go on where it was. */
  async #renew() {
    if (this.closed || this.renewals >= 3) return;
    this.renewals += 1;
    const at = this.player.currentTime;
    this.source = null;
    try {
      await this.load();
      this.player.currentTime = at;
    } catch (error) {
      this.#say(error);
    }
  }

  /** @param {Record<string, any>} file */
  #file(file) {
    const name = file.path.split("/").at(-1);
    const facts = [file.duration_s ? duration(file.duration_s) : "", size(file.size_bytes)].filter(Boolean).join(" · ");
    const link = element("a", { href: local(file.url), download: name, "aria-label": `Download ${LABELS[file.kind] ?? name}, ${facts}` }, icon("download"), element("span", { class: "file-name", text: LABELS[file.kind] ?? name }));
    return element("li", {}, link, element("span", { class: "hint", text: facts }));
  }
}
