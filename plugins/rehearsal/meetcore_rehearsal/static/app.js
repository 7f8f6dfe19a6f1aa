// The room page: green room, waiting room, call, and how it ended.

import { CallView } from "/static/call.js";
import { colourOf, icon, initials } from "/static/look.js";
import { Devices, LevelMeter } from "/static/media.js";
import { Session } from "/static/session.js";

const $ = (id) => document.getElementById(id);
const room = location.pathname.split("/")[2];
const secrets = new URLSearchParams(location.hash.slice(1));
const hostKey = secrets.get("host");
const devices = new Devices();
let info = { title: "Meeting", passcode: false, waiting_room: true, closed: false };
let session = null;
let call = null;
let meter = null;
let muted = false;
let cameraOff = false;

const ENDINGS = {
  left: ["You left the meeting", "Thank you for being here."],
  denied: ["You were not let in", "The host did not admit you to this meeting."],
  removed: ["You were removed from the meeting", "The host removed you."],
  ended: ["The meeting has ended", "The host ended it for everyone."],
  lost: ["The connection was lost", "The meeting site cannot be reached. Check the network, then join again."],
  closed: ["The meeting has ended", "Nobody can join it any more."],
  full: ["The meeting is full", "Wait until somebody leaves, then try again."],
};

// A bot does not look at what moves, and to draw it is much of what its page would cost; unless what it
// shows is recorded.
const recorded = secrets.has("video");
document.documentElement.classList.toggle("still", secrets.has("bot") && !recorded);

function show(view) {
  document.body.dataset.view = view;
  for (const element of document.querySelectorAll(".view")) element.hidden = element.id !== view;
}

function announce(text) {
  $("announcer").textContent = text;
}

// --- green room ---------------------------------------------------------------------------------

async function openGreenRoom() {
  const answer = await fetch(`/r/${room}/info.json`);
  if (!answer.ok) return location.reload(); // the server's page says that there is no such room
  info = await answer.json();
  document.title = info.title;
  $("room-title").textContent = info.title;
  if (info.closed) return finish("closed");
  $("passcode-field").hidden = !info.passcode || Boolean(hostKey);
  $("passcode").value = secrets.get("passcode") ?? "";
  $("name").value = sessionStorage.getItem("name") ?? "";
  const knocks = info.waiting_room && !hostKey;
  $("join").textContent = knocks ? "Ask to join" : "Join";
  $("join-hint").textContent = hostKey ? "You are the host of this meeting." : knocks ? "A host will let you in." : "";
  showPreview();
  show("green-room");
  await devices.open();
  showPreview();
  await listDevices();
}

function showPreview() {
  const name = $("name").value || "You";
  $("preview-avatar").textContent = name === "You" ? "" : initials(name);
  $("preview-avatar").style.setProperty("--colour", colourOf(name));
  const picture = devices.video && !cameraOff;
  $("preview-video").hidden = !picture;
  $("preview-avatar").hidden = Boolean(picture);
  if (picture && $("preview-video").srcObject?.getTracks()[0] !== devices.video) {
    $("preview-video").srcObject = new MediaStream([devices.video]);
  }
  toggle($("preview-mic"), devices.audio && !muted, "mic", "Microphone");
  toggle($("preview-camera"), devices.video && !cameraOff, "camera", "Camera");
  $("preview-mic").disabled = !devices.audio;
  $("preview-camera").disabled = !devices.video;
  $("media-note").hidden = !devices.note;
  $("media-note").textContent = devices.note;
  listen();
}

function toggle(button, on, picture, label) {
  button.setAttribute("aria-pressed", String(Boolean(on)));
  button.setAttribute("aria-label", `${label} is ${on ? "on" : "off"}`);
  button.replaceChildren(icon(on ? picture : `${picture}-off`));
}

async function listDevices() {
  let several = false;
  for (const [kind, select] of [["audio", $("mic-choice")], ["video", $("camera-choice")]]) {
    const found = await devices.list(kind);
    const used = devices[kind]?.getSettings().deviceId;
    select.replaceChildren(...found.map((device) => new Option(device.label || "Device", device.deviceId, false, device.deviceId === used)));
    select.parentElement.hidden = found.length < 2;
    several ||= found.length > 1;
  }
  $("devices").hidden = !several;
}

// What is muted is not measured: to do so costs whether anybody speaks or not.
function listen() {
  const heard = muted ? null : devices.audio;
  if ((meter?.track ?? null) === heard) return;
  meter?.close();
  meter = null;
  if (!heard) return;
  meter = new LevelMeter(devices.audio, {
    onLevel: (level) => $("preview-level").style.setProperty("--level", level),
    onSpeaking: (speaking) => session?.id && session.send("speaking", { speaking: speaking && !muted }),
  });
  meter.track = devices.audio;
}

function setMuted(value) {
  muted = value;
  if (devices.audio) devices.audio.enabled = !muted;
  session?.send("muted", { muted: muted || !devices.audio });
  showPreview();
}

function setCameraOff(value) {
  cameraOff = value;
  session?.setTrack("video", cameraOff ? null : devices.video);
  session?.send("camera", { on: Boolean(devices.video) && !cameraOff });
  showPreview();
}

// --- joining ------------------------------------------------------------------------------------

function join() {
  const name = $("name").value.trim();
  if (!name) return refuse("Please type your name.", $("name"));
  sessionStorage.setItem("name", name);
  $("join-error").hidden = true;
  $("join").disabled = true;
  session = new Session({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/r/${room}/socket`,
    hello: {
      name,
      passcode: $("passcode").value || null,
      host_key: hostKey,
      bot: secrets.has("bot"),
      muted: muted || !devices.audio,
      camera: Boolean(devices.video) && !cameraOff,
      colour: colourOf(name),
    },
    tracks: { audio: devices.audio, video: cameraOff ? null : devices.video },
  });
  session.addEventListener("waiting", () => {
    show("waiting");
    announce("Waiting to be let in.");
  });
  session.addEventListener("admitted", ({ detail }) => enter(detail));
  session.addEventListener("end", ({ detail }) => leaveViews(detail));
}

function refuse(text, field) {
  $("join").disabled = false;
  $("join-error").textContent = text;
  $("join-error").hidden = false;
  show("green-room");
  field?.focus();
}

function enter(detail) {
  call = new CallView(session, detail, {
    announce,
    devices,
    guestLink: `${location.origin}/r/${room}`,
    recorded,
    isMuted: () => muted || !devices.audio,
    isCameraOff: () => cameraOff || !devices.video,
    setMuted,
    setCameraOff,
  });
  show("call");
  if (meter?.speaking && !muted) session.send("speaking", { speaking: true }); // already at it
  announce(`You are in the meeting ${detail.title}.`);
}

function leaveViews({ how, reason }) {
  call?.close();
  call = null;
  session = null;
  if (how === "refused" && reason === "wrong_passcode") {
    $("passcode-field").hidden = false;
    return refuse("The passcode is not right.", $("passcode"));
  }
  if (how === "refused" && reason === "name_missing") return refuse("Please type your name.", $("name"));
  if (how === "refused") return finish(reason === "ended" ? "closed" : "full");
  finish(how);
}

function finish(how) {
  const [title, text] = ENDINGS[how];
  meter?.close();
  meter = null;
  devices.close();
  $("finish-title").textContent = title;
  $("finish-text").textContent = text;
  $("again").hidden = how === "closed";
  document.body.dataset.outcome = how;
  show("finish");
  $("finish-title").focus();
}

$("join-form").addEventListener("submit", (event) => {
  event.preventDefault();
  join();
});
$("name").addEventListener("input", showPreview);
$("preview-mic").addEventListener("click", () => setMuted(!muted));
$("preview-camera").addEventListener("click", () => setCameraOff(!cameraOff));
$("waiting-cancel").addEventListener("click", () => session?.leave());
$("again").addEventListener("click", () => location.reload());
for (const [kind, id] of [["audio", "mic-choice"], ["video", "camera-choice"]]) {
  $(id).addEventListener("change", async ({ target }) => {
    await devices.choose(kind, target.value);
    if (kind === "audio" && devices.audio) devices.audio.enabled = !muted;
    showPreview();
  });
}
addEventListener("pagehide", () => session?.leave());

openGreenRoom();
