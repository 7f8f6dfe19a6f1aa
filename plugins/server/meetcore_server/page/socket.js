// The live WebSocket: follows one bot, comes back by itself, and goes on after the last event it had.

import { Problem, post, root } from "./api.js";

const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 15_000];
const PING_MS = 20_000;
const ANSWER_MS = 10_000;

/**
 * @typedef {object} Follower
 * @property {(message: Record<string, any>) => void} onMessage An event or a draft.
 * @property {(lastSeq: number) => void} onLive It is connected; called each time it is again.
 * @property {(retryAt: number) => void} onLost It is not; when it tries again, by `Date.now()`.
 * @property {(code: string, detail: string) => void} onRefused The server will not tell about the bot.
 */

/** Follows one bot until it is closed. */
export class LiveSocket {
  /**
   * @param {string} botId
   * @param {Follower} follower
   */
  constructor(botId, follower) {
    this.botId = botId;
    this.follower = follower;
    /** @type {number | null} The last event there was. */
    this.after = null;
    this.failures = 0;
    this.closed = false;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.retry = () => this.#retryNow();
    window.addEventListener("online", this.retry);
    this.#open();
  }

  /** Follow no more. */
  close() {
    this.closed = true;
    window.removeEventListener("online", this.retry);
    clearTimeout(this.timer);
    this.#drop();
  }

  async #open() {
    clearTimeout(this.timer);
    this.waiting = false;
    try {
      const { token } = await post("/v1/socket-tokens", { bot_ids: [this.botId] });
      if (this.closed) return;
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      const socket = new WebSocket(`${scheme}://${location.host}${root}/v1/ws?token=${encodeURIComponent(token)}`);
      this.socket = socket;
      this.#expectAnswer();
      socket.addEventListener("open", () => this.#subscribe());
      socket.addEventListener("message", ({ data }) => this.socket === socket && this.#take(JSON.parse(data)));
      socket.addEventListener("close", () => this.socket === socket && this.#lost());
    } catch (error) {
      if (this.closed) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) {
        this.follower.onRefused(error.code, error.words);
      } else this.#lost();
    }
  }

  #subscribe() {
    const cursor = this.after === null ? {} : { after: this.after };
    this.#send({ type: "subscribe", bot_id: this.botId, ...cursor });
  }

  /** @param {Record<string, any>} message */
  #take(message) {
    this.#answered();
    if (message.type === "pong") return;
    if (message.type === "subscribed") {
      this.failures = 0;
      this.after ??= message.last_seq;
      this.follower.onLive(message.last_seq);
    } else if (message.type === "error") {
      this.follower.onRefused(message.code, message.detail);
    } else {
      if (message.seq) this.after = Math.max(this.after ?? 0, message.seq);
      this.follower.onMessage(message);
    }
  }

  /** @param {Record<string, unknown>} message */
  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #answered() {
    clearTimeout(this.pulse);
    this.pulse = setTimeout(() => {
      this.#send({ type: "ping" });
      this.#expectAnswer();
    }, PING_MS);
  }

  #expectAnswer() {
    clearTimeout(this.pulse);
    this.pulse = setTimeout(() => this.#lost(), ANSWER_MS);
  }

  #drop() {
    clearTimeout(this.pulse);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  #lost() {
    if (this.closed) return;
    this.#drop();
    const pause = PAUSES_MS[Math.min(this.failures, PAUSES_MS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.failures += 1;
    this.waiting = true;
    this.timer = setTimeout(() => this.#open(), pause);
    this.follower.onLost(Date.now() + pause);
  }

  #retryNow() {
    if (this.waiting && !this.closed) this.#open();
  }
}
