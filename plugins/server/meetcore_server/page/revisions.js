// The transcripts of one bot: which of them is shown, and its recording transcribed once more.

import { botPath, get, post } from "./api.js";
import { announce, element, icon, setText } from "./dom.js";

const LOOK_EVERY_MS = 1500;
const LONGEST_PAUSE_MS = 15_000;

/** @param {Record<string, any>} made */
const openStill = (made) => made.state === "queued" || made.state === "running";

/** A transcript in a few words. @param {Record<string, any>} made */
function label(made) {
  const by = [made.transcriber, made.language].filter(Boolean).join(", ");
  const what = made.revision === 0 ? "Live" : `Transcript ${made.revision}`;
  return by ? `${what}: ${by}` : what;
}

/** How far one is, or why it failed. @param {Record<string, any> | undefined} made */
function standing(made) {
  if (!made || made.state === "done") return "";
  if (made.state === "failed") return `Transcript ${made.revision} failed. ${made.error ?? ""}`;
  if (made.state === "queued") return `Transcript ${made.revision} waits for its turn.`;
  const share = made.progress ? ` ${Math.round(made.progress * 100)} % of the recording are done.` : "";
  return `Transcript ${made.revision} is being made.${share}`;
}

/** The bar above the transcript of a bot that has ended. */
export class Revisions {
  /**
   * @param {string} botId
   * @param {import("./transcript.js").Transcript} transcript Shows what is chosen.
   */
  constructor(botId, transcript) {
    this.botId = botId;
    this.transcript = transcript;
    this.abort = new AbortController();
    this.choice = element("select", { "aria-label": "Which transcript is shown", hidden: true, on: { change: () => this.#show(Number(this.choice.value)) } });
    this.state = element("p", { class: "hint", role: "status" });
    this.error = element("p", { class: "error-text", role: "alert" });
    this.again = element("button", { class: "secondary", type: "button", "aria-expanded": "false", on: { click: () => this.#unfold() } }, icon("mic"), "Transcribe again");
    this.transcriber = element("select", { id: "again-transcriber", name: "transcriber" });
    this.language = element("input", { id: "again-language", name: "language", autocomplete: "off", maxlength: "35", placeholder: "The transcriber's own" });
    this.send = element("button", { class: "primary", type: "submit", text: "Transcribe" });
    this.form = element(
      "form",
      { class: "again", hidden: true, "aria-label": "Transcribe again", on: { submit: (event) => this.#ask(event) } },
      element("div", { class: "field" }, element("label", { for: "again-transcriber", text: "Transcriber" }), this.transcriber),
      element("div", { class: "field" }, element("label", { for: "again-language", text: "Language" }), this.language),
      this.send,
    );
    this.element = element("div", { class: "revisions", hidden: true }, element("div", { class: "revisions-bar" }, this.choice, this.state, this.again), this.form, this.error);
  }

  /** Look which there are, and go on looking while one is being made. */
  async load() {
    if (this.abort.signal.aborted) return;
    clearTimeout(this.timer);
    const before = this.making;
    const listed = await get(botPath(this.botId, "/transcripts"), this.abort.signal);
    this.element.hidden = false;
    const done = listed.filter((each) => each.state === "done");
    this.choice.replaceChildren(...done.map((each) => element("option", { value: each.revision, text: label(each) })));
    this.choice.value = String(this.transcript.revision);
    this.choice.hidden = done.length < (done[0]?.revision === 0 ? 2 : 1);
    this.making = listed.find(openStill)?.revision ?? null;
    setText(this.state, standing(listed.at(-1)));
    this.again.disabled = this.making !== null;
    if (before && before !== this.making) await this.#ended(listed.find((each) => each.revision === before));
    else if (!this.transcript.revision && done.length && done[0].revision !== 0) await this.#show(done.at(-1).revision);
    this.pauseMs = this.making === null ? LOOK_EVERY_MS : Math.min((this.pauseMs ?? LOOK_EVERY_MS) * 1.2, LONGEST_PAUSE_MS);
    if (this.making !== null) this.timer = setTimeout(() => this.load().catch((error) => this.#say(error)), this.pauseMs);
  }

  close() {
    this.abort.abort();
    clearTimeout(this.timer);
    this.element.hidden = true;
  }

  /** @param {Record<string, any> | undefined} made */
  async #ended(made) {
    if (made?.state !== "done") {
      announce("The transcript failed.");
      return;
    }
    announce(`Transcript ${made.revision} is ready.`);
    await this.#show(made.revision);
  }

  /** @param {number} revision */
  async #show(revision) {
    setText(this.error, "");
    try {
      const { segments } = await get(botPath(this.botId, `/transcript?revision=${revision}`), this.abort.signal);
      this.transcript.revision = revision;
      this.transcript.load(segments);
      this.choice.value = String(revision);
    } catch (error) {
      this.#say(error);
    }
  }

  async #unfold() {
    const opens = this.form.hidden;
    this.form.hidden = !opens;
    this.again.setAttribute("aria-expanded", String(opens));
    if (!opens || this.transcriber.childElementCount) return;
    const own = element("option", { value: "", text: "The server's own" });
    this.transcriber.append(own);
    try {
      for (const each of await get("/v1/transcribers", this.abort.signal)) {
        const text = each.usable ? each.name : `${each.name}: ${each.because}`;
        this.transcriber.append(element("option", { value: each.name, disabled: !each.usable, text }));
      }
    } catch (error) {
      this.#say(error);
    }
  }

  /** @param {Event} event */
  async #ask(event) {
    event.preventDefault();
    setText(this.error, "");
    this.send.disabled = true;
    const wish = {};
    if (this.transcriber.value) wish.transcriber = this.transcriber.value;
    if (this.language.value.trim()) wish.language = this.language.value.trim();
    try {
      await post(botPath(this.botId, "/transcripts"), wish);
      this.form.hidden = true;
      this.again.setAttribute("aria-expanded", "false");
      this.pauseMs = LOOK_EVERY_MS / 1.2;
      await this.load();
    } catch (error) {
      this.#say(error);
    } finally {
      this.send.disabled = false;
    }
  }

  /** @param {Error & {words?: string}} error */
  #say(error) {
    if (!this.abort.signal.aborted) setText(this.error, error.words ?? error.message);
  }
}
