// A web client from the link to the end, made from the sheets' facts: the pages before the meeting, and
// what a host may do. Everything that breaks joiners is a switch of the room.

import { Meeting } from "./meeting.js";
import { make, say, speak } from "./wording.js";

const root = document.querySelector("#root");
const id = (location.pathname.match(/\d{9,11}/) ?? [""])[0];
const query = new URLSearchParams(location.search);
const report = (what, more = {}) => {
  const body = JSON.stringify({ what, ...more });
  navigator.sendBeacon(`/standin/report?id=${id}`, body);
};
const answer = await fetch(`/standin/room?id=${id}`);
const room = answer.ok ? await answer.json() : { invalid: true };
if (room.language) speak(room.language); // whatever it was asked for
const meeting = new Meeting(room, root, report);
const show = (html) => root.replaceChildren(make(`<div class="meeting-app">${html}</div>`));
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let own = "";
let place = "before";
const backlog = [];

// --- pages before the preview -----------------------------------------------------------------

function invalidPage() {
  document.title = "Error - Zoom";
  show(`<h4 class="error-title">${say("invalid")} (3,001)</h4>`);
}

function landing() {
  show(`<h1>Meeting</h1><div role="button" class="launch" tabindex="0">Launch Meeting</div>
    <p class="then" hidden><a href="https://app.zoom.us/download">Download Now</a>
    <a href="#" class="web">Join from your browser</a></p>`);
  root.querySelector(".launch").onclick = () => {
    report("launch");
    root.querySelector(".then").hidden = false;
  };
  root.querySelector(".web").onclick = (event) => {
    event.preventDefault();
    preview();
  };
}

function passcodePage() {
  show(`<div id="websdk-password"><h1>${say("passcode_wrong")}</h1>
    <input type="password" id="inputpasscode" placeholder="Passcode">
    <button class="joinWindowBtn">${say("join")}</button></div>`);
  root.querySelector("button").onclick = () => {
    const typed = root.querySelector("input").value;
    report("passcode", { typed });
    if (typed === room.passcode) preview();
    else passcodePage();
  };
}

// --- the preview --------------------------------------------------------------------------------

function preview() {
  place = "preview";
  const devices = { microphone: true, camera: false };
  const asked = room.passcode && !query.get("pwd");
  show(`<div class="preview-root"><div class="preview-meeting-info">
      ${room.account ? "" : `<label for="input-for-name">${say("your_name")}</label>
      <input id="input-for-name" class="preview-meeting-info__field-input" type="text">`}
      ${asked ? `<label for="input-for-pwd">${say("passcode")}</label><input id="input-for-pwd" type="password"><p id="error-for-pwd"></p>` : ""}</div>
    <button id="preview-audio-control-button" aria-label="${say("mute")}">m</button>
    <button id="preview-video-control-button" aria-label="Start Video">v</button>
    <div class="preview-join"><button class="zm-btn preview-join-button disabled" aria-label="" disabled>${say("join")}</button>
    ${room.overlay ? '<div class="preview-meeting-info"></div>' : ""}</div></div>`);
  const field = root.querySelector("#input-for-name");
  const button = root.querySelector(".preview-join-button");
  // A controlled input: what did not come by keys is taken back.
  let byKeys = room.account ?? ""; // who is signed in is asked for no name
  let pressed = 0;
  field?.addEventListener("keydown", () => (pressed += 1));
  field?.addEventListener("input", () => {
    if (room.any_input || field.value === "" || pressed > 0) byKeys = field.value;
    else field.value = byKeys;
    if (field.value === "") pressed = 0;
    allowed();
  });
  const code = root.querySelector("#input-for-pwd");
  const allowed = () => {
    const may = byKeys && (!code || code.value);
    button.classList.toggle("disabled", !may);
    if (room.disabled_by !== "class") button.disabled = !may;
  };
  code?.addEventListener("input", allowed);
  if (!field) allowed();
  if (room.disabled_by === "class") button.disabled = false;
  const mic = root.querySelector("#preview-audio-control-button");
  mic.onclick = () => {
    devices.microphone = !devices.microphone;
    mic.setAttribute("aria-label", say(devices.microphone ? "mute" : "unmute_button"));
  };
  button.onclick = () => {
    if (button.classList.contains("disabled")) return report("pressed while disabled");
    const typed = code?.value;
    if (asked && typed !== room.passcode) {
      report("passcode", { typed });
      root.querySelector("#error-for-pwd").textContent = say("incorrect_passcode");
      return;
    }
    own = byKeys;
    report("joined", { name: own, ...devices });
    joined();
  };
  overPreview();
}

function overPreview() {
  if (room.cookies) {
    const banner = make(`<div id="onetrust-consent-sdk"><div id="onetrust-banner-sdk" role="dialog"><p>Cookies</p>
      <button id="onetrust-accept-btn-handler">Accept Cookies</button><button id="onetrust-reject-all-handler">Reject All</button></div></div>`);
    for (const button of banner.querySelectorAll("button")) {
      button.onclick = () => (banner.remove(), report("cookies", { by: button.id }));
    }
    document.body.append(banner);
  }
  if (room.disclaimer) {
    const box = make(`<div id="disclaimer"><p>Rules of this house</p><button id="disclaimer_agree">I Agree</button></div>`);
    box.querySelector("button").onclick = () => (box.remove(), report("disclaimer"));
    root.append(box);
  }
  let prompts = room.allow ?? 0;
  if (!prompts) return;
  room.allowed = false;
  const ask = () => {
    const box = make(`<div class="permission-prompt" role="dialog"><p>Microphone and camera</p><button>${say("allow")}</button></div>`);
    box.querySelector("button").onclick = () => {
      box.remove();
      report("allow");
      prompts -= 1;
      if (prompts) setTimeout(ask, 50);
      else room.allowed = true;
    };
    root.append(box);
  };
  ask();
}

// --- from the press to the meeting ----------------------------------------------------------------

async function joined() {
  if (room.captcha) {
    return show(`<div class="component_smart_captcha" style="width:300px;height:120px"><h2>${say("verify")}</h2>
      <img src="/static/captcha-image" width="120" height="50" alt=""><p>Type the characters you see</p><input></div>`);
  }
  if (room.registrant && query.get("tk") !== room.registrant) return show(`<h3>${say("sign_in")}</h3>`);
  if (room.wall) return show(`<div class="preview-error"><p>${say(room.wall)}</p><a href="/signin">Sign In</a></div>`);
  if (room.sign_in === "text") return show(`<h3>${say("sign_in")}</h3>`);
  if (room.sign_in === "page") return location.assign("/signin");
  if (room.browser_disabled) return show(`<p>${say("browser")}</p>`);
  connecting();
  await later(room.joining_ms ?? 300);
  if (room.joining_ms === -1) return undefined;
  const { dialog } = meeting;
  const exit = ["Exit", null, true];
  const say_no = (parts) => dialog.call(meeting, { buttons: [exit], ...parts });
  if (room.locked) return say_no({ title: say("unable"), body: say("locked") });
  if (room.full) return say_no({ label: "Meeting is full", title: say("full") });
  if (room.not_exist) return say_no({ title: say("network"), body: say("not_exist") });
  if (room.error) return say_no({ label: "Reconnect server dialog", title: say("network"), body: `Error Code:${room.error}` });
  if (room.over) return say_no({ label: "Meeting is end now", title: say("ended") });
  if (room.wait_for_host) {
    place = "host";
    show(`<div class="wait-for-host"><p>${say("wait_for_host")}</p></div>`);
  } else knock();
  for (const message of backlog.splice(0)) act(message);
  return undefined;
}

function connecting() {
  place = "connecting";
  show(`<div class="meeting-client"><div id="wc-loading"><div class="join-meeting">${say("joining")}</div></div></div>`);
  if (room.toolbar !== false) root.append(meeting.footer);
}

function knock() {
  if (room.waiting_room === false) return enter();
  place = "waiting";
  meeting.close();
  if (room.waiting_room === "new") {
    show(`<div class="waiting-room-container"><div class="wr-information">${say("hold2")}</div>
      <button class="leave-btn">${say("leave")}</button></div>`);
  } else {
    show(`<div class="meeting-client"><div class="bhold"><div class="wr-content">
      <div class="wr-default__text" role="alert">${say("hold")}</div><div class="wr-topic">You have been removed</div>
      <div class="wr-leave-btn"><button>${say("leave_meeting")}</button></div></div></div></div>`);
  }
  root.querySelector("button").onclick = () => {
    report("left", { from: "waiting" });
    root.innerHTML = "<p>Bye</p>";
  };
  return undefined;
}

function enter() {
  place = "inside";
  meeting.enter(own);
}

// --- what the host and the others do -----------------------------------------------------------

const ENDS = {
  host: { label: "Meeting is end now", title: "ended" },
  admin: { label: "Meeting is end now", title: "ended_admin" },
  other: { label: "Meeting is end now", title: "ended_other" },
  free: { label: "Thank you for choosing Zoom!", title: "free_limit" },
};

const ACTS = {
  start: knock,
  admit: enter,
  hold: knock,
  deny: () => ACTS.remove(),
  remove: () => {
    meeting.dialog({ label: "You have been removed", title: say("removed"), body: say("removed_body"), buttons: [["Exit", null, true]] });
    root.append(make("<div class='banner'>Meeting Disconnected</div>"));
  },
  end: ({ why = "host" }) => {
    const { label, title } = ENDS[why];
    meeting.dialog({ label, title: say(title), buttons: [["OK", null, true]] });
  },
  join: (message) => meeting.join(message),
  leave: (message) => meeting.gone(message),
  rename: (message) => meeting.rename(message),
  speak: (message) => meeting.speak(message),
  chat: ({ who, text, direct }) => meeting.message(who, text, direct),
  record: ({ ai }) => meeting.record(ai),
  permission: ({ only }) => {
    const buttons = only ? [[only, null, true]] : [["Request", null, true], ["Cancel"]];
    meeting.dialog({ title: "Permission needed from Meeting Host", buttons });
  },
  permission_answer: ({ text }) => root.append(make(`<div class="notification" role="alert">${text}</div>`)),
  unmute: () => meeting.dialog({ title: say("unmute"), buttons: [["Stay Muted"], [say("unmute_button"), () => report("unmuted"), true]] }),
  reconnect: () => {
    meeting.trouble = meeting.dialog({ title: "Meeting Disconnected", body: say("reconnect"), buttons: [[say("leave_meeting")]] });
  },
  reconnected: () => meeting.trouble.remove(),
  share: ({ on }) => {
    meeting.sharing = on;
    meeting.draw();
  },
  caption: ({ who, text }) => meeting.caption(who, text),
  popup: ({ kind }) => meeting.popup(kind),
  devices: ({ on }) => {
    Object.assign(meeting.devices, { microphone: on, camera: on });
    meeting.drawDevices();
  },
  promote: () => meeting.promote(),
  go: ({ to }) => location.assign(to),
};

function act(message) {
  const early = place === "before" || place === "preview" || place === "connecting";
  const people = ["join", "leave", "rename", "speak"].includes(message.what);
  if (early && !people) backlog.push(message);
  else ACTS[message.what](message);
}

if (!room.framed || window !== window.top) {
  const events = new EventSource(`/standin/events?id=${id}`);
  events.onmessage = ({ data }) => act(JSON.parse(data));
  // A call whose service is out of reach says so, and gives up after a while.
  let giveUp = null;
  events.onerror = () => {
    if (place !== "inside" || giveUp) return;
    ACTS.reconnect();
    giveUp = setTimeout(() => {
      ACTS.reconnected();
      meeting.dialog({ label: "Reconnect server dialog", title: say("network"), buttons: [["Exit", null, true]] });
    }, room.lost_ms ?? 60000);
  };
  events.onopen = () => {
    clearTimeout(giveUp);
    if (giveUp) ACTS.reconnected();
    giveUp = null;
  };
}

const loads = Number(sessionStorage.getItem("loads") ?? 0) + 1;
sessionStorage.setItem("loads", loads);
report("loaded", { address: location.pathname + location.search });
if (room.framed && window === window.top) {
  // The whole client is in a frame of the same origin.
  const source = `${location.pathname}?${new URLSearchParams({ ...Object.fromEntries(query), framed: "1" })}`;
  root.replaceChildren(make(`<iframe id="webclient" class="pwa-webclient__iframe" width="1200" height="600" src="${source}"></iframe>`));
} else if (location.pathname === "/signin") show("<h1>Sign In</h1>");
else if (location.pathname === "/postattendee") show("<h1>Thank you</h1>");
else if (room.invalid || loads <= (room.starts_after ?? 0)) invalidPage();
else if (room.not_started) show(`<p>${say("not_started")}</p>`);
else if (room.endless) show("<div class='spinner'></div>");
else if (room.landing) landing();
else if (room.passcode && query.get("pwd") && query.get("pwd") !== room.passcode) passcodePage();
else preview();
