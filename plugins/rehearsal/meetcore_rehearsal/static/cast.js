// Plays the people of a meeting script: each with a connection, a voice and a moving picture of
// their own. They are connected to the guests only, not to each other.
//
// The script clock starts when the first guest has been admitted and can hear everybody, so that
// no line is cut off. Sound is scheduled on the audio clock, everything else by timers beside it.

import { Actor } from "/static/actor.js";

const MEDIA_TIMEOUT_MS = 10_000;
const LEAD_S = 0.4;

class Cast {
  constructor(script) {
    this.script = script;
    this.context = new AudioContext({ sinkId: { type: "none" } });
    this.actors = new Map();
    this.decided = new Set();
    this.started = false;
    script.people.forEach((person, index) => {
      this.actors.set(person.id, new Actor(person, index, script, this.context));
    });
  }

  async begin() {
    await Promise.all([...this.actors.values()].map((actor) => actor.prepare()));
    document.getElementById("stage").append(...[...this.actors.values()].map((actor) => actor.figure));
    const first = [...this.actors.values()].filter((actor) => actor.person.joins_s === 0);
    await Promise.all(first.map((actor) => this.#enter(actor)));
    this.report({ event: "ready" });
  }

  report(data) {
    const actor = [...this.actors.values()].find((each) => each.inside);
    actor?.session.send("report", { data });
  }

  async #enter(actor) {
    const session = actor.join();
    session.addEventListener("knocks", ({ detail }) => this.#answer(actor, detail.people));
    session.addEventListener("joined", ({ detail }) => {
      if (!detail.person.scripted) this.#start(detail.person.id);
    });
    await actor.admitted;
  }

  #answer(actor, people) {
    const { decision, after_s: afterS, by } = this.script.admission;
    if (actor.person.id !== by || decision === "ignore") return;
    for (const { id } of people) {
      if (this.decided.has(id)) continue;
      this.decided.add(id);
      setTimeout(() => actor.session.send(decision, { id }), afterS * 1000);
    }
  }

  async #start(guest) {
    if (this.started) return;
    this.started = true;
    this.guest = guest;
    this.report({ event: "guest", id: guest });
    const deadline = performance.now() + MEDIA_TIMEOUT_MS;
    const present = () => [...this.actors.values()].filter((actor) => actor.inside);
    while (!present().every((actor) => actor.session.connectionState(guest) === "connected")) {
      if (performance.now() > deadline) {
        this.report({ event: "trouble", detail: "not everybody could be connected to the guest" });
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    this.#play();
  }

  #play() {
    const { lines, chat, mutes, kicks, shares, end } = this.script;
    const zero = this.context.currentTime + LEAD_S;
    const at = (seconds, act) => {
      setTimeout(act, Math.max(0, (zero + seconds - this.context.currentTime) * 1000));
    };
    this.report({ event: "clock", wall_ms: this.#wallMs(zero) });
    for (const line of lines) {
      const actor = this.actors.get(line.who);
      const start = zero + line.at_s;
      actor.sound(line, start);
      at(line.at_s, () => {
        if (!actor.muted) actor.speaking(true);
        this.report({ event: "line", index: line.index, wall_ms: this.#wallMs(start) });
      });
      at(line.at_s + line.duration_s, () => actor.speaking(false));
    }
    for (const { who, at_s: atS, text, to_bot: toBot } of chat) {
      at(atS, () => this.actors.get(who).session?.send("chat", toBot ? { text, to: this.guest } : { text }));
    }
    for (const { who, at_s: atS, until_s: untilS } of mutes) {
      at(atS, () => this.actors.get(who).mute(true));
      if (untilS !== null) at(untilS, () => this.actors.get(who).mute(false));
    }
    for (const { who, at_s: atS, until_s: untilS } of shares) {
      at(atS, () => this.actors.get(who).share(true));
      if (untilS !== null) at(untilS, () => this.actors.get(who).share(false));
    }
    for (const { who, at_s: atS } of kicks) at(atS, () => this.#host()?.session.send("remove", { id: who }));
    for (const actor of this.actors.values()) {
      const { joins_s: joinsS, leaves_s: leavesS, rejoins_s: rejoinsS } = actor.person;
      if (joinsS > 0) at(joinsS, () => this.#enter(actor));
      if (leavesS !== null) at(leavesS, () => actor.leave());
      if (rejoinsS !== null) at(rejoinsS, () => this.#enter(actor));
    }
    if (end) at(end.at_s, () => this.#finish(end.how));
  }

  #wallMs(audioTime) {
    const wall = performance.timeOrigin + performance.now();
    return wall + (audioTime - this.context.currentTime) * 1000;
  }

  #host() {
    const { by } = this.script.admission;
    return by === null ? null : this.actors.get(by);
  }

  #finish(how) {
    this.report({ event: "end", how });
    const host = this.#host();
    if (how === "host_ends") host?.session.send("end");
    if (how === "removes_bot") {
      for (const person of host?.session.people.values() ?? []) {
        if (!person.scripted) host.session.send("remove", { id: person.id });
      }
    }
    if (how === "everyone_leaves") for (const actor of this.actors.values()) actor.leave();
  }
}

const answer = await fetch(location.pathname.replace(/[^/]*$/, "script.json"));
const cast = new Cast(await answer.json());
addEventListener("unhandledrejection", ({ reason }) => cast.report({ event: "trouble", detail: String(reason) }));
await cast.begin();
