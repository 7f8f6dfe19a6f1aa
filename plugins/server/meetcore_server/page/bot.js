// One bot: what it does now, what to do about it, and everything it has to tell.

import { botPath, get, post, Problem } from "./api.js";
import { Chat } from "./chat.js";
import { deleteDialog } from "./delete_dialog.js";
import { Topic } from "./topic.js";
import { eachSecond, moment, secondsSince, setSince, ticking, timeElement } from "./clock.js";
import { announce, element, forgetColours, icon, safeUrl, setText } from "./dom.js";
import { History } from "./history.js";
import { LookIn } from "./look_in.js";
import { People } from "./people.js";
import { Recording } from "./recording.js";
import { Revisions } from "./revisions.js";
import { LiveSocket } from "./socket.js";
import { BotHistory } from "./bot_history.js";
import { Transcript, segmentFrom } from "./transcript.js";
import { adviceFor, canHear, hasEnded, platformWords, reasonWords, stateWords, toneOf, wentWell } from "./words.js";

const FILES_AFTER_MS = 400;
/** Files are written for a while after a bot has ended, in seconds. */
const LATE_FILES_S = 60;
const NOTHING_YET = "Nothing was said yet. What people say appears here while they say it.";
const SEEN = ["joining", "awaiting_admission", "in_call", "recording", "paused", "leaving"];
const STOPPABLE = ["scheduled", "requested", "joining", "awaiting_admission", "in_call", "recording", "paused"];

/** The view of one bot, live until it is closed. */
export class BotView {
  /**
   * @param {string} id
   * @param {{onChange: (bot: Record<string, any>) => void, onLink: (retryAt: number | null) => void}} hooks
   *   Told of each change of the bot, and of the connection: null while it stands.
   */
  constructor(id, hooks) {
    forgetColours();
    this.id = id;
    this.hooks = hooks;
    this.abort = new AbortController();
    this.element = element("div", { class: "bot" }, element("p", { class: "hint loading", text: "Loading…" }));
    /** @type {Record<string, any>[] | null} Messages that came before the rest was there. */
    this.early = null;
    this.#begin();
  }

  close() {
    this.closed = true;
    this.abort.abort();
    this.socket?.close();
    this.stopTicking?.();
    clearTimeout(this.filesTimer);
    this.transcript?.close();
    this.revisions?.close();
    this.recording?.close();
    this.lookIn?.close();
    this.hooks.onLink(null);
  }

  async #begin() {
    try {
      const bot = await get(botPath(this.id), this.abort.signal);
      this.botHistory = new BotHistory(bot);
      this.#build();
      this.#showState();
      const over = this.botHistory.ended && secondsSince(bot.state_since) > LATE_FILES_S;
      if (bot.data_deleted_at || over) await this.#loadAll();
      else this.#goLive();
    } catch (error) {
      if (!this.closed) this.#fail(error);
    }
  }

  /** @param {Error & {words?: string}} error */
  #fail(error) {
    const gone = error instanceof Problem && error.status === 404;
    const again = element("button", { class: "secondary", type: "button", text: "Try again", on: { click: () => location.reload() } });
    this.element.replaceChildren(
      element("div", { class: "card notice" }, element("h1", { tabindex: "-1", text: gone ? "There is no such bot" : "This did not work" }), element("p", { text: gone ? "It may belong to another key." : (error.words ?? error.message) }), gone ? element("a", { class: "secondary", href: "#/", text: "All bots" }) : again),
    );
  }

  // --- what is shown ------------------------------------------------------------------------

  #build() {
    const { bot } = this.botHistory;
    this.badge = element("span", { class: "badge" });
    this.since = ticking(bot.state_since);
    this.sinceLabel = element("span", { class: "since" }, element("span", { text: "for " }), this.since);
    this.advice = element("div", { class: "advice", hidden: true });
    this.stop = element("button", { class: "secondary", type: "button", on: { click: () => this.#stop(this.stop) } });
    this.remove = element("button", { class: "secondary quiet", type: "button", hidden: true, on: { click: () => this.dialog.showModal() } }, icon("trash"), "Delete data");
    this.error = element("p", { class: "error", role: "alert", hidden: true });
    this.transcript = new Transcript(this.id);
    this.revisions = new Revisions(this.id, this.transcript);
    this.transcript.element.firstElementChild.after(this.revisions.element);
    this.people = new People();
    this.chat = new Chat(this.id);
    this.topic = new Topic(this.id);
    this.history = new History();
    this.recording = new Recording(this.id, (seconds) => this.transcript.mark(seconds));
    this.dialog = deleteDialog(this.id, (bot) => this.#deleted(bot));
    this.troubles = element("div", { class: "troubles" });
    this.person = element("div", { class: "person" });
    this.lookIn = new LookIn((takeOver) => post(botPath(this.id, "/look-in"), { take_over: takeOver }));
    this.element.replaceChildren(
      element(
        "header",
        { class: "bot-head" },
        element("a", { class: "back icon", href: "#/", "aria-label": "All bots" }, icon("back")),
        element("div", { class: "title" }, element("h1", { tabindex: "-1", dir: "auto", title: bot.name, text: bot.name }), this.#where(bot)),
        element("p", { class: "status" }, this.badge, this.sinceLabel),
        element("div", { class: "actions" }, this.stop, this.topic.button, this.remove),
      ),
      this.error,
      this.advice,
      this.person,
      this.lookIn.element,
      this.troubles,
      element("div", { class: "parts" }, element("div", { class: "main-part" }, this.recording.element, this.transcript.element), element("div", { class: "side-part" }, this.people.element, this.chat.element, this.history.element)),
      this.dialog,
      this.topic.dialog,
    );
    // Whoever came here by a link finds the heading where the focus is.
    if (document.activeElement?.id === "main") this.element.querySelector("h1").focus({ preventScroll: true });
    this.stopTicking = eachSecond(() => {
      this.#showAdvice();
      if (this.botHistory.ended && secondsSince(this.botHistory.bot.state_since) > LATE_FILES_S) this.socket?.close();
    });
  }

  /** @param {Record<string, any>} bot */
  #where(bot) {
    const url = safeUrl(bot.meeting_url);
    const id = url ? element("a", { href: url, target: "_blank", rel: "noopener noreferrer", text: bot.native_id }) : element("span", { text: bot.native_id });
    const about = [
      bot.transcriber ? `transcribed by ${bot.transcriber}` : "without a transcript",
      bot.dialect !== "native" ? `ordered through ${bot.dialect}` : "",
    ].filter(Boolean);
    const when = bot.scheduled_for ? element("span", {}, " · joins ", timeElement(bot.scheduled_for)) : null;
    return element("p", { class: "where hint" }, `${platformWords(bot.platform)} · `, id, ` · ${about.join(", ")}`, when);
  }

  #showState() {
    const { bot } = this.botHistory;
    setText(this.badge, stateWords(bot.state));
    this.badge.dataset.tone = toneOf(bot.state);
    this.sinceLabel.hidden = this.botHistory.ended;
    setSince(this.since, bot.state_since);
    const waiting = !canHear(bot.state);
    this.stop.hidden = !STOPPABLE.includes(bot.state);
    this.stop.replaceChildren(icon("stop"), waiting ? "Cancel" : "Stop");
    this.stop.setAttribute("aria-label", waiting ? `Cancel ${bot.name}` : `Stop ${bot.name}`);
    this.remove.hidden = !this.botHistory.ended || Boolean(bot.data_deleted_at);
    this.lookIn.setPossible(SEEN.includes(bot.state));
    this.topic.setPossible(canHear(bot.state));
    this.history.show(bot.history);
    this.chat.show(this.botHistory.chat.values(), this.#chatState());
    this.#showPeople();
    this.#showPerson();
    this.#sayEmpty();
    if (this.botHistory.ended) this.transcript.end();
    this.#showAdvice();
    this.hooks.onChange(bot);
  }

  #showPeople() {
    this.people.show(this.botHistory.people.values(), this.botHistory.ended);
    this.chat.offer(this.botHistory.people.values());
  }

  #chatState() {
    return { open: canHear(this.botHistory.bot.state), ended: this.botHistory.ended };
  }

  #sayEmpty() {
    const { bot } = this.botHistory;
    if (bot.data_deleted_at) this.transcript.say(`Its data was deleted: ${moment(bot.data_deleted_at)}.`);
    else if (!bot.transcriber) this.transcript.say("This bot was sent without a transcriber.");
    else if (this.botHistory.ended) this.transcript.say("Nothing was said.");
    else if (canHear(bot.state)) this.transcript.say(NOTHING_YET);
    else this.transcript.say("It is not in the call yet.");
  }

  #showAdvice() {
    const { bot } = this.botHistory;
    const advice = adviceFor(bot) ?? this.#outcome(bot);
    const sign = JSON.stringify(advice);
    if (sign === this.adviceShown) return;
    this.adviceShown = sign;
    this.advice.hidden = !advice;
    if (!advice) return;
    this.advice.dataset.tone = advice.tone;
    const cancel = element("button", { class: "secondary", type: "button", text: "Cancel the bot" });
    cancel.addEventListener("click", () => this.#stop(cancel));
    const symbol = { ask: "door", bad: "warning" }[advice.tone] ?? "info";
    this.advice.replaceChildren(icon(symbol), element("p", {}, element("strong", { dir: "auto", text: advice.title }), advice.todo ? ` ${advice.todo}` : ""));
    if (advice.cancel && bot.state !== "awaiting_admission") this.advice.append(cancel);
    if (this.loaded) announce(`${bot.name}: ${advice.title}. ${advice.todo}`);
  }

  /** @param {Record<string, any>} bot */
  #outcome(bot) {
    if (bot.state !== "completed" || !bot.reason) return null;
    if (wentWell(bot)) return { tone: "calm", title: reasonWords(bot.reason), todo: "", cancel: false };
    return { tone: "bad", title: reasonWords(bot.reason), todo: "What was recorded until then is kept.", cancel: false };
  }

  #showTroubles() {
    const words = { capture: "The sound does not arrive as it should", roster: "Who is there cannot be seen right now", transcription: "Nothing is transcribed any more" };
    const lines = this.botHistory.ended ? [] : [...this.botHistory.troubles];
    this.troubles.replaceChildren(
      ...lines.map(([kind, detail]) => element("div", { class: "advice", role: "status", "data-tone": "bad" }, icon("warning"), element("p", {}, element("strong", { text: words[kind] }), detail ? ` ${detail}` : ""))),
    );
  }

  #showPerson() {
    const asked = this.botHistory.ended ? null : this.botHistory.person;
    this.person.replaceChildren();
    if (!asked) return;
    const title = `A person is needed at the browser: ${asked.what.replaceAll("_", " ")}.`;
    const answers = [["done", "It is done"], ["give_up", "Give up"]].map(([answer, text]) => {
      const button = element("button", { class: "secondary", type: "button", text });
      button.addEventListener("click", () => this.#answer(answer, button));
      return button;
    });
    const over = element("button", { class: "secondary", type: "button", text: "Take the page over", on: { click: () => this.lookIn.takeOver() } });
    this.person.append(element("div", { class: "advice", role: "status", "data-tone": "ask" }, icon("warning"), element("p", {}, element("strong", { text: title }), asked.detail ? ` ${asked.detail}` : ""), over, ...answers));
  }

  // --- what it is told ----------------------------------------------------------------------

  #goLive() {
    this.socket = new LiveSocket(this.id, {
      onMessage: (message) => this.#take(message),
      onLive: () => this.#live(),
      onLost: (retryAt) => {
        this.transcript.dropDrafts();
        if (this.botHistory.ended && this.loaded) this.socket.close();
        else this.hooks.onLink(retryAt);
      },
      onRefused: (code, detail) => this.#refused(code, detail),
    });
    this.hooks.onRetry = () => this.socket.retry();
  }

  async #live() {
    this.hooks.onLink(null);
    if (this.loaded || this.early) return;
    this.early = [];
    try {
      await this.#loadAll();
    } catch (error) {
      if (!this.closed) this.#fail(error);
      return;
    }
    const early = this.early;
    this.early = null;
    for (const message of early) this.#take(message);
  }

  async #loadAll() {
    const { signal } = this.abort;
    if (this.botHistory.bot.data_deleted_at) {
      this.loaded = true;
      return;
    }
    const [bot, people, chat, transcript] = await Promise.all([
      get(botPath(this.id), signal),
      get(botPath(this.id, "/participants"), signal),
      get(botPath(this.id, "/chat"), signal),
      get(botPath(this.id, "/transcript"), signal),
    ]);
    if (this.closed) return;
    this.botHistory.load({ bot, people, chat });
    this.transcript.load(transcript.segments);
    this.#showState();
    this.loaded = true;
    await this.#loadFiles();
  }

  /** @param {Record<string, any>} message */
  #take(message) {
    if (this.early) {
      this.early.push(message);
      return;
    }
    if (message.type === "segment.draft") {
      this.transcript.draft(segmentFrom(message.data.segment), message.data.stable_words);
      return;
    }
    if (message.type === "segment.finalized" && !this.transcript.revision) this.transcript.final(segmentFrom(message.data.segment));
    const before = this.botHistory.bot.state;
    const changed = this.botHistory.take(message);
    if (changed === "state") this.#changedState(before);
    else if (changed === "people") this.#showPeople();
    else if (changed === "chat") this.chat.show(this.botHistory.chat.values(), this.#chatState());
    else if (changed === "trouble") this.#showTroubles();
    else if (changed === "person") this.#showPerson();
    else if (changed === "hands") this.lookIn.setTaken(this.botHistory.takenOver);
    else if (changed === "files") this.#loadFilesSoon();
  }

  /** @param {string} before */
  #changedState(before) {
    const { bot } = this.botHistory;
    if (bot.state !== before) announce(`${bot.name}: ${stateWords(bot.state)}`);
    this.#showState();
    if (!hasEnded(bot.state)) return;
    this.#showTroubles();
    this.#showPerson();
    this.#loadFilesSoon();
    this.hooks.onLink(null);
  }

  /** @param {string} code @param {string} detail */
  #refused(code, detail) {
    if (code === "unauthorized") return;
    this.socket?.close();
    this.hooks.onLink(null);
    this.#fail(new Problem(409, { code, detail }));
  }

  #loadFilesSoon() {
    clearTimeout(this.filesTimer);
    this.filesTimer = setTimeout(() => this.#loadFiles().catch((error) => this.#say(error)), FILES_AFTER_MS);
  }

  async #loadFiles() {
    if (!this.botHistory.ended || this.closed) return;
    const playable = await this.recording.load();
    this.transcript.setSeek(playable ? (seconds) => this.recording.seek(seconds) : null);
    if (playable) await this.revisions.load();
  }

  // --- what it is asked for -----------------------------------------------------------------

  /** @param {Error & {words?: string}} error */
  #say(error) {
    if (this.closed) return;
    setText(this.error, error.words ?? error.message);
    this.error.hidden = false;
  }

  /** @param {HTMLButtonElement} button */
  async #stop(button) {
    button.disabled = true;
    this.error.hidden = true;
    try {
      const bot = await post(botPath(this.id, "/stop"));
      if (hasEnded(bot.state) && !this.botHistory.ended) {
        this.botHistory.bot = bot;
        this.#changedState(bot.state);
      }
      this.element.querySelector("h1").focus({ preventScroll: true });
    } catch (error) {
      this.#say(error);
    } finally {
      button.disabled = false;
    }
  }

  /** @param {string} answer @param {HTMLButtonElement} button */
  async #answer(answer, button) {
    button.disabled = true;
    this.error.hidden = true;
    try {
      await post(botPath(this.id, "/commands"), { type: "answer_person", data: { answer } });
    } catch (error) {
      this.#say(error);
    } finally {
      button.disabled = false;
    }
  }

  /** @param {Record<string, any>} bot */
  #deleted(bot) {
    const history = this.botHistory.bot.history;
    this.botHistory.load({ bot: { ...bot, history: bot.history.length ? bot.history : history }, people: [], chat: [] });
    this.recording.close();
    this.revisions.close();
    this.recording.element.hidden = true;
    this.transcript.load([]);
    this.chat.shown.clear();
    this.chat.list.replaceChildren();
    this.#showState();
    announce("Its data was deleted.");
    this.element.querySelector("h1").focus();
  }
}
