// What happened to one bot, kept up to date: a reducer over the native API's answers and events.

import { hasEnded } from "./words.js";

/**
 * @typedef {object} Person
 * @property {string} id
 * @property {string} name
 * @property {boolean} here
 * @property {boolean} speaking
 * @property {boolean | null} muted
 * @property {boolean} is_bot
 * @property {boolean} is_host
 * @property {number} spoke_s
 * @property {number} [since_s] Where they speak, since when.
 */

/** @param {Record<string, any>} bot */
const askedOf = (bot) => (bot.person_needed ? { what: bot.person_needed, detail: "" } : null);

/** One bot. `take` returns what has changed: `state`, `people`, `chat`, `trouble`, `person`, `hands`, `files` or null. */
export class BotHistory {
  /** @param {Record<string, any>} bot As GET /v1/bots/ID gives it. */
  constructor(bot) {
    this.bot = bot;
    /** @type {Map<string, Person>} */
    this.people = new Map();
    /** @type {Map<string, Record<string, any>>} */
    this.chat = new Map();
    /** @type {Map<string, string>} What is wrong now, by its kind. */
    this.troubles = new Map();
    /** @type {{what: string, detail: string} | null} What a person is asked to do at the browser. */
    this.person = askedOf(bot);
    /** Whether a person has taken its page over. */
    this.takenOver = false;
    this.seq = bot.history.at(-1)?.seq ?? 0;
  }

  get ended() {
    return hasEnded(this.bot.state);
  }

  /**
   * Take what the API tells about the meeting up to some moment.
   * @param {{bot: Record<string, any>, people: Person[], chat: Record<string, any>[]}} facts
   */
  load({ bot, people, chat }) {
    this.bot = bot;
    this.person = askedOf(bot);
    this.people = new Map(people.map((person) => [person.id, person]));
    this.chat = new Map(chat.map((message) => [message.id, message]));
  }

  /** @param {Record<string, any>} event @returns {string | null} */
  take({ type, seq, at, meeting_s: meetingS, data }) {
    if (seq !== undefined) this.seq = Math.max(this.seq, seq);
    switch (type) {
      case "state.changed":
        return this.#hop(seq, at, data);
      case "participant.joined":
      case "participant.updated":
        return this.#seen(data.participant);
      case "participant.left":
        return this.#change(data.participant_id, { here: false, speaking: false });
      case "speaking.started":
        return this.#change(data.participant_id, { speaking: true, since_s: data.start_s });
      case "speaking.stopped":
        return this.#fellSilent(data);
      case "chat.received":
        this.chat.set(data.message_id, {
          id: data.message_id, seq, at, meeting_s: meetingS, sender: data.sender_name, text: data.text, by_bot: data.by_bot,
          direct: data.direct, to: data.to_name,
        });
        return "chat";
      case "capture.degraded":
      case "roster.degraded":
      case "transcription.stopped":
        this.troubles.set(type.split(".")[0], data.detail);
        return "trouble";
      case "capture.restored":
      case "roster.restored":
        return this.troubles.delete(type.split(".")[0]) ? "trouble" : null;
      case "person.needed":
        this.person = data.needed ? { what: data.what, detail: data.detail } : null;
        return "person";
      case "bot.taken_over":
      case "bot.released":
        this.takenOver = type === "bot.taken_over";
        return "hands";
      case "artifact.written":
        return "files";
      default:
        return null;
    }
  }

  #hop(seq, at, data) {
    const history = this.bot.history;
    if (!history.some((hop) => hop.seq === seq)) {
      const seen = [data.evidence?.detail || data.evidence?.signal, data.evidence?.hint];
      const evidence = seen.filter(Boolean).join(" ") || null;
      history.push({ state: data.state, at, seq, reason: data.reason, evidence });
    }
    const newest = history.at(-1);
    Object.assign(this.bot, { state: newest.state, state_since: newest.at });
    this.bot.reason ??= data.reason;
    if (this.ended) for (const person of this.people.values()) Object.assign(person, { here: false, speaking: false });
    return "state";
  }

  #seen(participant) {
    if (participant.is_self) return null;
    const known = this.people.get(participant.id) ?? { speaking: false, spoke_s: 0 };
    this.people.set(participant.id, { ...known, ...participant, here: true });
    return "people";
  }

  #change(id, changes) {
    const person = this.people.get(id);
    if (!person) return null;
    Object.assign(person, changes);
    return "people";
  }

  #fellSilent({ participant_id: id, end_s: endS }) {
    const person = this.people.get(id);
    if (!person) return null;
    const spoke = person.since_s === undefined ? 0 : Math.max(0, endS - person.since_s);
    return this.#change(id, { speaking: false, since_s: undefined, spoke_s: person.spoke_s + spoke });
  }
}
