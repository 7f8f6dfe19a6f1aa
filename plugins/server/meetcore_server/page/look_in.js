// Looking in: the bot's page while it attends, live, and taken over where the link allows it.

import { root } from "./api.js";
import { announce, element, icon, setText } from "./dom.js";

const PING_MS = 20_000;
const MOVE_MS = 40;
/** How long nobody may see this page before the look ends. */
const HIDDEN_MS = 30_000;
const FARTHEST_WHEEL = 10_000;
const LINE_PX = 16;
const CLOSED = "See live what its browser shows; other people's pictures only where it records video.";
const BUTTONS = ["left", "middle", "right"];
/** What a browser says of keys that are none by themselves. */
const NO_KEYS = ["Dead", "Process", "Unidentified", "AltGraph"];

/** One look over a WebSocket, until either side ends it. */
class Look {
  /**
   * @param {string} token
   * @param {{onPicture: (picture: Blob) => void, onMessage: (message: Record<string, any>) => void, onClose: () => void}} follower
   */
  constructor(token, { onPicture, onMessage, onClose }) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}${root}/v1/look-in?token=${encodeURIComponent(token)}`);
    this.socket.addEventListener("message", ({ data }) => {
      if (this.closed) return;
      if (data instanceof Blob) onPicture(data);
      else onMessage(JSON.parse(data));
    });
    this.socket.addEventListener("close", () => {
      clearInterval(this.pulse);
      if (!this.closed) onClose();
    });
    this.pulse = setInterval(() => this.send({ type: "ping" }), PING_MS);
  }

  /** @param {Record<string, unknown>} message */
  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  close() {
    this.closed = true;
    clearInterval(this.pulse);
    this.socket.close();
  }
}

/** The picture, and the mouse and keyboard over it. */
class Screen {
  /** @param {{onInput: (input: Record<string, unknown>) => void, onRelease: () => void}} hooks */
  constructor({ onInput, onRelease }) {
    this.onInput = onInput;
    this.onRelease = onRelease;
    this.hands = false;
    /** @type {Set<string>} */
    this.held = new Set();
    this.moved = 0;
    this.element = element("canvas", { class: "look-screen", tabindex: "0", role: "img", "aria-label": "What the bot's page shows now", hidden: true, width: 16, height: 9 });
    const listen = (/** @type {string} */ type, /** @type {(event: any) => void} */ take) => this.element.addEventListener(type, (event) => this.hands && take(event), { passive: false });
    listen("pointermove", (event) => this.#move(event));
    listen("pointerdown", (event) => this.#press(event, "down"));
    listen("pointerup", (event) => this.#press(event, "up"));
    listen("wheel", (event) => this.#wheel(event));
    listen("contextmenu", (event) => event.preventDefault());
    listen("keydown", (event) => this.#key(event, true));
    listen("keyup", (event) => this.#key(event, false));
    listen("paste", (event) => this.#paste(event));
    this.element.addEventListener("blur", () => this.#letGo());
  }

  /** @param {Blob} picture */
  async show(picture) {
    this.newest = picture;
    if (this.drawing) return;
    this.drawing = true;
    try {
      while (this.newest) {
        const next = this.newest;
        this.newest = null;
        await this.#draw(next);
      }
    } finally {
      this.drawing = false;
    }
  }

  /** @param {Blob} picture */
  async #draw(picture) {
    const image = await createImageBitmap(picture).catch(() => null);
    if (!image) return;
    const canvas = /** @type {HTMLCanvasElement} */ (this.element);
    if (canvas.width !== image.width || canvas.height !== image.height) Object.assign(canvas, { width: image.width, height: image.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    image.close();
    canvas.hidden = false;
    canvas.dataset.pictures = String(Number(canvas.dataset.pictures ?? 0) + 1);
  }

  /** Have mouse and keyboard, or not. @param {boolean} hands */
  setHands(hands) {
    if (!hands) this.#letGo();
    this.hands = hands;
    this.element.dataset.hands = String(hands);
    this.element.setAttribute("role", hands ? "application" : "img");
    if (hands) this.element.focus();
  }

  /** @param {PointerEvent | WheelEvent} event */
  #place(event) {
    const box = this.element.getBoundingClientRect();
    const share = (/** @type {number} */ at, /** @type {number} */ size) => Math.min(1, Math.max(0, at / Math.max(1, size)));
    return { x: share(event.clientX - box.left, box.width), y: share(event.clientY - box.top, box.height) };
  }

  #move(event) {
    const now = performance.now();
    if (now - this.moved < MOVE_MS) return;
    this.moved = now;
    this.onInput({ kind: "mouse", action: "move", ...this.#place(event) });
  }

  #press(event, action) {
    event.preventDefault();
    const button = BUTTONS[event.button];
    if (!button) return;
    if (action === "down") {
      this.element.focus();
      this.element.setPointerCapture(event.pointerId);
    }
    this.onInput({ kind: "mouse", action, button, ...this.#place(event) });
  }

  #wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1;
    const far = (/** @type {number} */ delta) => Math.min(FARTHEST_WHEEL, Math.max(-FARTHEST_WHEEL, delta * unit));
    this.onInput({ kind: "mouse", action: "wheel", wheel_x: far(event.deltaX), wheel_y: far(event.deltaY), ...this.#place(event) });
  }

  #key(event, down) {
    if (down && event.key === "Escape" && event.shiftKey) {
      event.preventDefault();
      this.onRelease();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "v") return; // a paste event follows
    event.preventDefault();
    if (NO_KEYS.includes(event.key)) return;
    if (down) this.held.add(event.key);
    else this.held.delete(event.key);
    this.onInput({ kind: "key", down, key: event.key });
  }

  #paste(event) {
    event.preventDefault();
    const text = event.clipboardData?.getData("text/plain").slice(0, 2000);
    if (text) this.onInput({ kind: "text", text });
  }

  #letGo() {
    for (const key of this.held) this.onInput({ kind: "key", down: false, key });
    this.held.clear();
  }
}

/** The card: a button to look in, the picture, and who has mouse and keyboard. */
export class LookIn {
  /**
   * @param {(takeOver: boolean) => Promise<{token: string}>} makeLink Returns a link to look in.
   * @param {{mayAsk?: boolean}} [rights] Whether `makeLink` can be asked for a link to take over.
   */
  constructor(makeLink, { mayAsk = true } = {}) {
    this.makeLink = makeLink;
    this.mayAsk = mayAsk;
    /** @type {Look | null} */
    this.look = null;
    this.may = false;
    this.hands = false;
    this.possible = true;
    this.screen = new Screen({ onInput: (input) => this.look?.send({ type: "input", input }), onRelease: () => this.#release() });
    this.state = element("p", { class: "look-state", role: "status" });
    this.error = element("p", { class: "error", role: "alert", hidden: true });
    this.toggle = element("button", { class: "secondary small", type: "button", on: { click: () => (this.look || this.opening ? this.end("You stopped looking.") : this.open()) } });
    this.over = element("button", { class: "secondary small", type: "button", hidden: true, on: { click: () => (this.hands ? this.#release() : this.takeOver()) } });
    this.element = element(
      "section",
      { class: "card look-in", "aria-labelledby": "look-in-title" },
      element("header", { class: "card-head" }, element("h2", { id: "look-in-title", text: "The bot's page" }), this.state, element("div", { class: "actions" }, this.over, this.toggle)),
      this.error,
      this.screen.element,
    );
    this.whenHidden = () => this.#hidden();
    document.addEventListener("visibilitychange", this.whenHidden);
    this.#show(CLOSED);
  }

  /** Say whether there is a page to be seen. @param {boolean} possible */
  setPossible(possible) {
    this.possible = possible;
    this.element.hidden = !possible && !this.look;
  }

  /** Say whether anybody has taken the page over. @param {boolean} taken */
  setTaken(taken) {
    this.taken = taken;
    if (!this.opening && (this.look || taken)) this.#show(this.#words());
    else if (!this.opening && !taken) this.#show(CLOSED);
  }

  /** Open the page. @param {{takeOver?: boolean}} [how] */
  async open({ takeOver = false } = {}) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.error.hidden = true;
    this.opening = true;
    this.until = undefined;
    this.#show("Opening…");
    try {
      const { token } = await this.makeLink(takeOver);
      if (turn !== this.turn) return;
      this.look?.close();
      this.wanted = takeOver;
      this.look = new Look(token, {
        onPicture: (picture) => this.screen.show(picture),
        onMessage: (message) => this.#take(message),
        onClose: () => this.end(this.until ? "The connection ended." : "The link does not work: it has expired, was made void, or is not whole."),
      });
    } catch (error) {
      if (turn !== this.turn) return;
      this.#say(error.words ?? error.message);
      this.#show(this.look ? this.#words() : "It could not be opened.");
    } finally {
      if (turn === this.turn) this.opening = false;
      this.#buttons();
    }
  }

  /** Take mouse and keyboard, by another link if this one only lets one see. */
  takeOver() {
    this.error.hidden = true;
    if (this.look && this.may) this.look.send({ type: "take_over" });
    else this.open({ takeOver: true });
  }

  /** Look no more. @param {string} why */
  end(why) {
    this.turn = (this.turn ?? 0) + 1;
    this.opening = false;
    this.#setHands(false);
    this.look?.close();
    this.look = null;
    this.screen.element.hidden = true;
    this.#show(why);
    this.setPossible(this.possible);
  }

  close() {
    document.removeEventListener("visibilitychange", this.whenHidden);
    clearTimeout(this.hiding);
    this.end("");
  }

  /** @param {Record<string, any>} message */
  #take(message) {
    switch (message.type) {
      case "looking":
        this.may = message.take_over;
        this.until = new Date(Date.now() + 1000 * message.expires_s);
        this.#show(this.#words());
        if (this.wanted) this.look.send({ type: "take_over" });
        this.wanted = false;
        break;
      case "taken_over":
      case "released":
        this.#setHands(message.type === "taken_over");
        this.#show(this.#words());
        break;
      case "refused":
        this.#say([message.detail, message.remedy].filter(Boolean).join(" "));
        break;
      case "ended":
        this.end(message.detail);
        break;
      default:
    }
  }

  #words() {
    if (this.hands) return "You have mouse and keyboard. Shift+Escape gives them back.";
    if (this.taken) return "Somebody has taken the page over.";
    const time = this.until?.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return `Live, you only see. It ends by itself at ${time}.`;
  }

  /** @param {boolean} hands */
  #setHands(hands) {
    if (this.hands && !hands) this.taken = false;
    if (hands !== this.hands) announce(hands ? "You have taken the page over." : "The page is the bot's own again.");
    this.hands = hands;
    this.screen.setHands(hands);
  }

  #release() {
    this.look?.send({ type: "release" });
  }

  /** @param {string} words */
  #say(words) {
    setText(this.error, words);
    this.error.hidden = false;
  }

  /** @param {string} words */
  #show(words) {
    setText(this.state, words);
    this.element.dataset.state = this.hands ? "hands" : this.look ? "looking" : this.opening ? "opening" : "closed";
    this.#buttons();
  }

  #buttons() {
    const open = Boolean(this.look || this.opening);
    this.toggle.replaceChildren(icon(open ? "stop" : "eye"), open ? "Stop looking" : "Look in");
    this.over.hidden = !this.look || !(this.may || this.mayAsk);
    this.over.replaceChildren(icon("hand"), this.hands ? "Give it back" : "Take over");
  }

  #hidden() {
    clearTimeout(this.hiding);
    if (document.hidden && this.look) this.hiding = setTimeout(() => this.end("It ended because nobody was looking."), HIDDEN_MS);
  }
}
