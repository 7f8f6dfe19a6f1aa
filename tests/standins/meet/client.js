// The stand-in's way in: loading, the room before the call, the lobby, the pages at the end.
const devices = { mic: true, camera: true };
let switches = {};
let call = null;
let over = false;

const only = (...elements) => document.body.replaceChildren(...elements, recaptcha());

function page(texts, heading = true) {
  over = true;
  call?.close();
  call = null;
  const [first, ...rest] = [texts].flat();
  only(h(heading && switches.headings !== false ? "h1" : "div", {}, first), ...rest.map((text) => h("p", {}, text)), button(W.home));
}

function leave() {
  report("left");
  page(W.left);
}

// --- before the call ------------------------------------------------------------------------------

function preJoin() {
  if (switches.elsewhere) return elsewhere();
  const name = h("input", nameAttributes());
  if (switches.account) name.value = switches.account; // who is signed in is asked for no name
  const join = button(switches.join_label ?? (switches.lobby === false ? W.now : W.ask), { jsname: "Qx7uuf" }, () => {
    if (!name.value) return;
    report("joined", { name: name.value, mic: devices.mic, camera: devices.camera });
    joining(name.value);
  });
  // What a guest must not press stands first.
  const others = [W.switchHere, W.companion].map((text) => button(text, { jsname: "Qx7uuf" }));
  const phone = h("button", { onclick: () => report("clicked", { label: W.phone }) }, icon("phone_forwarded"), h("span", {}, W.phone));
  const camera = tool(W.cameraOn, "videocam", { "data-is-muted": "false" }, (own) => {
    devices.camera = false;
    own.setAttribute("aria-label", W.cameraOff);
    own.setAttribute("data-is-muted", "true");
  });
  only(
    h("a", { href: "https://accounts.google.com/signin" }, language === "de" ? "Anmelden" : "Sign in"),
    h("h2", {}, W.whatName),
    preview(),
    microphoneTool(),
    camera,
    ...others,
    phone,
    ...(switches.account ? [] : [h("div", { jscontroller: "x" }, name)]),
    join,
  );
  for (const one of switches.dialogs ?? []) document.body.append(preDialog(one));
}

// An account that is in the call on another device: to come as well is an offer among others, or none.
function elsewhere() {
  const move = button(W.switchHere, { jsname: "Qx7uuf" }, () => report("moved"));
  const enough = { jsname: "Qx7uuf" };
  const too = button(W.hereToo, enough, () => {
    report("joined", { name: switches.account });
    joining(switches.account);
  });
  const others = button(W.otherWays, { "aria-haspopup": "menu" }, () => {
    list.replaceChildren(...(list.firstChild ? [] : [button(W.companion, enough), too, button(W.phone, enough)]));
    report("other ways");
  });
  const list = h("div", {});
  only(h("h2", {}, "…"), preview(), move, ...(switches.elsewhere === "only" ? [] : [others, list]));
}

function nameAttributes() {
  if (switches.name_field === "bare") return { type: "text", jsname: "YPqjbf" };
  return { type: "text", jsname: "YPqjbf", "aria-label": W.yourName, placeholder: W.yourName };
}

function preDialog(kind) {
  if (kind === "devices") return dialog(W.yourName, W.noDevices);
  if (kind === "trouble") return dialog(W.deviceTrouble, W.dismiss);
  return dialog("…", W.gotIt);
}

// One's own picture is a tile like any other, before the call as well.
const preview = () =>
  h(
    "div",
    { "data-participant-id": "spaces/S/devices/preview", "data-requested-participant-id": "spaces/S/devices/preview" },
    h("button", { jsname: "Ac69Jc", "aria-label": W.effects }, icon("visual_effects")),
  );

function joining(name) {
  if (switches.flagged) {
    const path = "/$rpc/google.rtc.meetings.v1.MeetingDeviceService/CreateMeetingDevice";
    const body = toBase64(encode([[1, [[1, "spaces/S/devices/bot"], [36, 1]]]]));
    fetch(path, { method: "POST", body }).then((answer) => answer.text());
  }
  if (switches.refuse === "fast") return setTimeout(() => page(W.refused), 300);
  if (switches.refuse === "denied fast") return setTimeout(() => page(W.denied), 300);
  if (switches.host_missing) return only(h("h1", {}, W.hostMissing), preview(), toolbar({ switches }));
  if (switches.lobby === false) return enter(name);
  const text = switches.lobby_text ?? W.waiting;
  only(text && h("h1", {}, text), preview(), toolbar({ switches }), button(W.home));
  call = null;
  lobby = { name };
  report("knocked");
  if (switches.lobby_limit_ms) setTimeout(() => lobby && page(W.noAnswer), switches.lobby_limit_ms);
}

let lobby = null;

function enter(name) {
  lobby = null;
  call = new InCall(switches, name);
  call.show();
  const begin = () => call.begin();
  if (!switches.notetaker) return begin();
  const asks = h("div", { role: "dialog", "aria-modal": "true" }, h("p", {}, W.notetaker));
  asks.append(
    button(W.leave, {}, leave),
    button(W.now, {}, () => {
      asks.remove();
      begin();
    }),
  );
  document.body.append(asks);
}

// --- the host ------------------------------------------------------------------------------------------

const ACTS = {
  admit: () => lobby && enter(lobby.name),
  deny: () => lobby && page(W.denied),
  deny_by_left: () => lobby && page(W.left),
  remove: () => page(W.removed),
  end: () => page(W.ended),
  unknown: () => only(h("p", {}, "∎")),
  go: ({ path }) => history.replaceState(null, "", path) ?? only(h("p", {}, "…")),
  go_there: ({ url }) => location.assign(url),
  captcha: () => document.body.append(h("iframe", { src: "about:blank?recaptcha", width: 300, height: 76 })),
  asks: ({ text, no, ok }) => {
    const asks = h("div", { role: "dialog", "aria-modal": "true" }, h("p", {}, text));
    const answer = (said, action) =>
      button(said, { "data-mdc-dialog-action": action }, () => {
        asks.remove();
        report("answered", { action });
      });
    asks.append(answer(no, "cancel"), answer(ok, "ok"));
    document.body.append(asks);
  },
  markup: ({ tag, attributes, text }) => document.body.append(h(tag, attributes, text)),
};

async function start() {
  const answer = await fetch(`/standin/room?id=${room}`);
  switches = await answer.json();
  bare = new Set(switches.bare ?? []);
  Object.assign(W, switches.words);
  if (!answer.ok || switches.not_found) return page(W.badCode);
  const events = new EventSource(`/standin/events?id=${room}`);
  events.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (over) return;
    if (message.what in ACTS) ACTS[message.what](message);
    else call?.take(message);
  };
  // A call whose service is out of reach says so, and goes to the client's page for errors after a while.
  let giveUp = null;
  events.onerror = () => {
    if (!call || over || giveUp) return;
    call.take({ what: "reconnecting", on: true });
    giveUp = setTimeout(() => {
      call.close();
      ACTS.go({ path: "/whoops" });
    }, switches.lost_ms ?? 60000);
  };
  events.onopen = () => {
    clearTimeout(giveUp);
    if (giveUp) call?.take({ what: "reconnecting", on: false });
    giveUp = null;
  };
  only(...W.ready.map((text) => h("p", {}, text)));
  setTimeout(preJoin, switches.ready_ms ?? 50);
}

start();
