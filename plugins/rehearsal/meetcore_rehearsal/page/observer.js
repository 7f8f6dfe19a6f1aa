// Tells what a guest can see on the room's page: which view, who is there, who speaks, the chat.
//
// The states are asked in the order that every joiner learns the hard way: what is final first,
// then the waiting room, and the call last. The call is believed only with two signs, one of which
// (our own entry in the list of people) cannot be there before.

const ENDINGS = [
  ["denied", "You were not let in"],
  ["removed", "You were removed from the meeting"],
  ["ended", "The meeting has ended"],
  ["lost", "The connection was lost"],
  ["full", "The meeting is full"],
  ["left", "You left the meeting"],
];

let lastState = "";
let lastRoster = "";
let lastShares = "[]";
let sharesSeen = 0;
const shareOf = new WeakMap(); // what shows a screen -> what it is called, in no other document
const toldMessages = new Set();

function plain(text) {
  return text.replaceAll("’", "'").trim();
}

function visible(selector) {
  const found = document.querySelector(selector);
  return found && found.checkVisibility() ? found : null;
}

function state() {
  const missing = visible('body[data-view="missing"] h1');
  if (missing) return { name: "missing", selector: 'body[data-view="missing"] h1', text: plain(missing.textContent) };
  const title = visible("#finish #finish-title");
  if (title) {
    const text = plain(title.textContent);
    const known = ENDINGS.find(([, words]) => words === text);
    return { name: known ? known[0] : "unknown_ending", selector: "#finish #finish-title", text };
  }
  const error = visible("#join-form #join-error");
  if (error) {
    const text = plain(error.textContent);
    const name = text === "The passcode is not right." ? "wrong_passcode" : "refused";
    return { name, selector: "#join-form #join-error", text };
  }
  const waiting = visible("#waiting h1");
  if (waiting) return { name: "waiting", selector: "#waiting h1", text: plain(waiting.textContent) };
  if (visible("#call #leave") && document.querySelector('#people li[data-self="true"]')) {
    return { name: "in_call", selector: '#people li[data-self="true"] and #call #leave', text: "" };
  }
  return { name: "before", selector: "", text: "" };
}

function roster() {
  return [...document.querySelectorAll("#people li[data-participant-id]")].map(({ dataset }) => ({
    id: dataset.participantId,
    name: dataset.name,
    host: dataset.host === "true",
    bot: dataset.bot === "true",
    muted: dataset.muted === "true",
    self: dataset.self === "true",
    speaking: dataset.speaking === "true",
  }));
}

// Screens that are shown now: each stretch of sharing is an element of its own, and gets a name.
function lookAtScreens() {
  const tiles = [...document.querySelectorAll("[data-shared-by]")];
  meetcore.keepShares?.(new Set(tiles.map((element) => shareOf.get(element))));
  const shares = tiles.map((element) => {
    if (!shareOf.has(element)) shareOf.set(element, `share-${meetcore.documentName}-${++sharesSeen}`);
    const share = shareOf.get(element);
    const track = element.querySelector("video")?.srcObject?.getVideoTracks()[0];
    if (track) meetcore.recordShare?.(share, track);
    return { share, by: element.dataset.sharedBy };
  });
  const list = JSON.stringify(shares);
  if (list === lastShares) return;
  lastShares = list;
  meetcore.tell("shares", shares);
}

function look() {
  const now = state();
  const told = JSON.stringify(now);
  if (told !== lastState) {
    lastState = told;
    meetcore.tell("state", now);
  }
  if (now.name !== "in_call") return;
  const people = roster();
  const list = JSON.stringify(people);
  if (list !== lastRoster) {
    lastRoster = list;
    meetcore.tell("roster", people);
  }
  lookAtScreens();
  for (const entry of document.querySelectorAll("#messages li[data-message-id]")) {
    const { messageId, senderId, senderName, own, toId, toName } = entry.dataset;
    if (toldMessages.has(messageId)) continue;
    toldMessages.add(messageId);
    const text = entry.querySelector("p")?.textContent ?? "";
    const to = toId === undefined ? null : { id: toId, name: toName };
    meetcore.tell("chat", { id: messageId, sender: senderId, name: senderName, text, own: own === "true", to });
  }
}

function begin() {
  const observer = new MutationObserver(look);
  const attributeFilter = ["hidden", "data-view", "data-name", "data-muted", "data-speaking", "data-host", "data-self"];
  observer.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter });
  look();
}

if (document.body) begin();
else document.addEventListener("DOMContentLoaded", begin);
