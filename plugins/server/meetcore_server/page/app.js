// The page of the bots: which view is shown, the list beside it, and the notices above.

import { Problem, get, key, whenUnauthorized } from "./api.js";
import { BotView } from "./bot.js";
import { element, icon, setText } from "./dom.js";
import { BotList } from "./list.js";
import { signIn } from "./signin.js";
import { rehearsalButton, welcome } from "./welcome.js";

const ABOUT_AGAIN_MS = 3000;

const main = document.getElementById("main");
const notices = document.getElementById("notices");
const signOut = document.getElementById("sign-out");
const sendLink = document.getElementById("send-link");

/** @type {Record<string, any>} */
let about = { version: "", rehearsal: false, needs_key: false, mounts: [] };
/** @type {{close?: () => void, botId?: string, hooks?: any} | null} */
let view = null;
let signedIn = false;
let count = 0;

/** What is wrong with the connection: the list's asking, and the socket's next attempt. */
const link = { listDown: false, retryAt: /** @type {number | null} */ (null) };

const list = new BotList({
  onFirst(bots) {
    count = bots;
    const [live, ...more] = list.live();
    // Whoever opens the page while one bot is out wants to see that one.
    if (live && !more.length && !location.hash) history.replaceState(null, "", `#/bots/${encodeURIComponent(live.id)}`);
    route();
  },
  onLink(up) {
    link.listDown = !up;
    showLink();
  },
});
document.getElementById("list").append(list.element);

/** @param {HTMLElement} content @param {string} title @param {string} kind */
function show(content, title, kind) {
  main.replaceChildren(content);
  document.body.dataset.view = kind;
  document.title = `${title} · meetcore`;
  main.scrollTop = 0;
}

function openSignIn(rejected) {
  signedIn = false;
  closeView();
  list.stop();
  key.clear();
  signOut.hidden = true;
  sendLink.hidden = true;
  show(signIn({ rejected, onDone: begin }), "Sign in", "sign-in");
  document.getElementById("key").focus();
}

function closeView() {
  view?.close?.();
  view = null;
  list.select(null);
}

/** @param {Record<string, any>} bot */
function sent(bot) {
  list.put(bot);
  list.refresh();
  location.hash = `#/bots/${encodeURIComponent(bot.id)}`;
}

function openWelcome(kind) {
  closeView();
  show(welcome(about, { newcomer: count === 0, onSent: sent }), "Send a bot", kind);
}

/** @param {string} id */
function openBot(id) {
  if (view?.botId === id) return;
  closeView();
  const hooks = {
    onChange(bot) {
      list.put(bot);
      document.title = `${bot.name} · meetcore`;
    },
    onLink(retryAt) {
      link.retryAt = retryAt;
      showLink();
    },
    onRetry: () => {},
  };
  view = new BotView(id, hooks);
  view.botId = id;
  view.hooks = hooks;
  list.select(id);
  show(view.element, "Bot", "bot");
}

function route({ moved = false } = {}) {
  if (!signedIn) return;
  const [, page, id] = location.hash.split("/");
  if (page === "bots" && id) openBot(decodeURIComponent(id));
  else openWelcome(page === "send" || list.bots.size === 0 ? "send" : "list");
  count = list.bots.size;
  if (moved) (main.querySelector("h1") ?? main).focus({ preventScroll: true });
}

// --- notices --------------------------------------------------------------------------------

const lost = element("div", { class: "notice-bar lost", role: "status", hidden: true }, icon("cut"), element("p", { text: "The connection to the server is lost. What you see may be old; it is being tried again." }), element("button", { class: "secondary small", type: "button", text: "Try now", on: { click: retryNow } }));

function retryNow() {
  view?.hooks?.onRetry();
  list.refresh();
}

function showLink() {
  lost.hidden = !signedIn || !(link.listDown || link.retryAt !== null);
}

function showRehearsal() {
  if (!about.rehearsal) return;
  const words = element("p", {}, element("strong", { text: "This is a rehearsal." }), " Every meeting link leads to a scripted meeting on this machine.");
  notices.append(element("div", { class: "notice-bar rehearsal" }, icon("mask"), words, rehearsalButton(sent)));
}

// --- beginning ------------------------------------------------------------------------------

async function begin() {
  signedIn = true;
  signOut.hidden = !key.get();
  sendLink.hidden = false;
  show(element("p", { class: "hint loading", text: "Loading…" }), "Bots", "list");
  await list.start();
}

async function open() {
  try {
    about = await get("/v1/about");
  } catch (error) {
    const words = error instanceof Problem ? error.words : "The server cannot be reached. It is being tried again.";
    show(element("p", { class: "error", role: "alert", text: words }), "Bots", "send");
    setTimeout(open, ABOUT_AGAIN_MS);
    return;
  }
  setText(document.getElementById("version"), about.version);
  notices.append(lost);
  showRehearsal();
  if (about.needs_key && !key.get()) openSignIn(false);
  else begin();
}

whenUnauthorized(() => signedIn && openSignIn(Boolean(key.get())));
signOut.addEventListener("click", () => openSignIn(false));
window.addEventListener("hashchange", () => route({ moved: true }));
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  (main.querySelector("h1") ?? main).focus();
});
open();
