// The stand-in in the call: tiles, toolbar, chips, panels, captions, and what the host does.
class InCall {
  constructor(switches, displayName) {
    this.switches = switches;
    this.people = new Map();
    this.media = new Media(switches);
    this.chatLines = [];
    this.panel = null;
    this.captions = false;
    this.add({ id: "bot", name: displayName, self: true }, false);
    for (const person of switches.people ?? []) this.add(person, false);
  }

  add({ id, name, host = false, self = false, tone = 0, parent = null }, tell = true) {
    const number = this.people.size + 1;
    const person = { id, name, host, self, tone, parent, device: `spaces/S/devices/${id}`, source: 7000 + number };
    this.people.set(id, person);
    if (tell) this.tellUsers([person]);
    return person;
  }

  // --- what is shown -----------------------------------------------------------------------

  show() {
    const { switches } = this;
    const marker = switches.marker !== false;
    this.tiles = h("main", {});
    this.side = h("div", {});
    this.captionsBox = h("div", {});
    this.chips = h("div", {});
    this.root = h(
      "div",
      { "data-in-call": marker ? "true" : null, "data-unresolved-meeting-id": room, "data-is-anonymous": "true" },
      h("div", { class: "u6vdEc" }, switches.title ?? room),
      this.chips,
      this.tiles,
      this.captionsBox,
      (this.tools = toolbar(this)),
      this.side,
      (this.toasts = h("div", { "aria-live": "polite" })),
    );
    document.body.replaceChildren(this.root, recaptcha());
    this.draw();
  }

  draw() {
    const shown = [...this.people.values()].slice(0, this.switches.tiles ?? 100);
    this.tiles.replaceChildren(...shown.map((person) => this.tile(person)));
    this.chips.replaceChildren(...chips(this));
    this.drawPanel();
  }

  tile(person) {
    const media = person.parent ? `${person.device}/screen` : person.device;
    const own = person.parent ?? person.device;
    person.indicator = h("div", { jsname: "QgSmzd", class: "DYfzY cYKTje gjg47c" });
    return h(
      "div",
      { class: "oZRSLe", "data-participant-id": own, "data-requested-participant-id": own, "data-tile-media-id": media },
      h("span", { class: "notranslate" }, person.parent ? person.name + W.presentation : person.name),
      person.indicator,
      person.parent && this.screenOf(person),
      person.self && h("button", { jsname: "Ac69Jc", "aria-label": W.effects }, icon("visual_effects")),
    );
  }

  // What is shared changes all the time, as a film does.
  screenOf(person) {
    if (!person.screen) {
      const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
      const brush = canvas.getContext("2d");
      person.screen = canvas.captureStream(10);
      person.painting = setInterval(() => {
        brush.fillStyle = `hsl(${(performance.now() / 10) % 360} 80% 50%)`;
        brush.fillRect(0, 0, canvas.width, canvas.height);
      }, 100);
    }
    const video = h("video", { autoplay: true, muted: true, playsinline: true });
    video.srcObject = person.screen;
    return video;
  }

  drawPanel() {
    const content = { people: () => this.peoplePanel(), chat: () => this.chatPanel() }[this.panel];
    this.side.replaceChildren(...(content ? [h("aside", { "aria-label": W.panel }, content())] : []));
  }

  peoplePanel() {
    const row = (person) => {
      const device = person.parent ?? person.device;
      return h(
        "div",
        { role: "listitem", class: "cxdMu KV1GEc", "aria-label": person.name, "data-participant-id": device },
        h("span", { class: "notranslate" }, person.name),
        person.self && h("span", {}, `(${W.you})`),
        person.host && h("span", {}, W.hostBadge),
        person.visitor && icon("domain_disabled"),
      );
    };
    const rows = [...this.people.values()].filter((person) => !person.parent).map(row);
    return h("div", { role: "list", "aria-label": "Participants" }, ...rows);
  }

  chatPanel() {
    const { switches } = this;
    if (switches.chat === "companion") {
      return h("div", { "data-panel-id": "2" }, h("h2", {}, "Chat"), h("input", { placeholder: "Search Chat…" }), h("iframe", { src: "about:blank", width: 200, height: 100 }));
    }
    const lines = [];
    let last = null;
    for (const line of this.chatLines) {
      const header = line.sender === last ? null : h("div", { class: "poVWob" }, line.sender);
      last = line.sender;
      lines.push(h("div", {}, header, h("div", { "data-message-id": line.id }, h("div", { jsname: "dTKtvb" }, line.text))));
    }
    const field = h("textarea", {
      "aria-label": W.message,
      disabled: switches.chat === "off",
      onkeydown: (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault();
        const text = event.currentTarget.value;
        event.currentTarget.value = "";
        report("chat", { text });
        this.said(this.people.get("bot"), text);
      },
    });
    return h("div", { "data-panel-id": "2" }, ...lines, field);
  }

  open(panel) {
    this.panel = this.panel === panel ? null : panel;
    this.unread = panel === "chat" ? false : this.unread;
    this.draw();
    this.redrawTools();
  }

  redrawTools() {
    const tools = toolbar(this);
    this.tools.replaceWith(tools);
    this.tools = tools;
  }

  // --- what happens ------------------------------------------------------------------------

  async begin() {
    await this.media.open();
    this.tellUsers([...this.people.values()]);
    this.tellMedia();
    report("in call");
    const syncMs = this.switches.sync_ms ?? 0;
    if (syncMs) this.syncing = setInterval(() => this.sync(), syncMs);
  }

  tellUsers(people, status = 1) {
    this.media.send("collections", collections({ users: people.map((person) => userRecord(person, status)) }));
  }

  tellMedia() {
    const media = [...this.people.values()].map((person) => mediaRecord(person.device, person.source, person.muted));
    if (this.switches.streams !== false) this.media.send("collections", collections({ media }));
  }

  sync() {
    if (this.switches.wire === false) return;
    const path = "/$rpc/google.rtc.meetings.v1.MeetingSpaceService/SyncMeetingSpaceCollections";
    fetch(path, { method: "POST", body: toBase64(everybody([...this.people.values()])) }).then((answer) => answer.text());
  }

  said(person, text) {
    const id = `spaces/S/messages/${this.chatLines.length + 1}`;
    this.chatLines.push({ id: `m${this.chatLines.length + 1}`, sender: person.self ? W.you : person.name, text });
    if (this.switches.wire_chat !== false) this.media.send("collections", collections({ chats: [chatRecord(id, person.device, text)] }));
    if (this.panel !== "chat") {
      this.unread = true;
      this.toasts.replaceChildren(h("div", {}, text));
    }
    this.drawPanel();
    this.redrawTools();
  }

  speaks(person, on) {
    this.media.speak(person, on);
    clearInterval(person.flipping);
    if (this.switches.indicator !== false) {
      let flip = false;
      const classes = (name) => (person.indicator.className = `DYfzY cYKTje ${name}`);
      if (on) person.flipping = setInterval(() => classes((flip = !flip) ? "Oaajhc" : "HX2H7"), 100);
      else classes("gjg47c");
    }
    this.media.send("dcrpc", speakerMessage(person.device, on), null);
  }

  caption(person, text, final) {
    if (!this.captions) return;
    const key = `c${person.id}`;
    this.captionLines = { ...this.captionLines, [key]: [person, text] };
    if (this.switches.wire_captions !== false) this.media.send("captions", captionRecord(person.device, 5, text, final));
    this.drawCaptions();
  }

  drawCaptions() {
    const turns = Object.values(this.captionLines ?? {}).map(([person, text]) =>
      h("div", { class: "nMcdL" }, h("div", { class: "adE6rb" }, h("span", { class: "NWpY1d" }, person.name)), h("div", { class: "ygicle" }, text)),
    );
    const region = h("div", { role: "region", "aria-label": W.captions, tabindex: "0" }, ...turns, h("button", {}, "Jump to most recent captions"));
    this.captionsBox.replaceChildren(...(this.captions ? [region] : []));
  }

  take(message) {
    const person = this.people.get(message.id);
    const acts = {
      joins: () => {
        this.add(message);
        this.tellMedia();
        this.draw();
      },
      // Who leaves is gone from the page at once; the service says so with its next list.
      leaves: () => {
        this.people.delete(message.id);
        this.draw();
      },
      renames: () => {
        person.name = message.name;
        this.tellUsers([person]);
        this.draw();
      },
      sync: () => this.sync(),
      mutes: () => {
        person.muted = message.on;
        this.tellMedia();
      },
      speaks: () => this.speaks(person, message.on),
      says: () => this.said(person, message.text),
      caption: () => this.caption(person, message.text, message.final ?? false),
      shares: () => {
        if (message.on !== false) this.add({ id: `${person.id}-screen`, name: person.name, parent: person.device });
        else {
          const screen = this.people.get(`${person.id}-screen`);
          clearInterval(screen.painting);
          screen.screen.getTracks().forEach((track) => track.stop());
          this.people.delete(screen.id);
        }
        this.draw();
      },
      recording: () => document.body.append(dialog(W.recorded, W.gotIt)),
      notes: () => document.body.append(dialog(W.notes, W.gotIt)),
      still_there: () => document.body.append(dialog(W.stillThere, W.keepWaiting)),
      chat_off: () => {
        this.switches.chat = "off";
        this.drawPanel();
      },
      reconnecting: () => {
        this.trouble?.remove();
        if (message.on) this.root.append((this.trouble = h("div", {}, W.reconnecting)));
      },
      markerless: () => this.root.removeAttribute("data-in-call"),
    };
    acts[message.what]?.();
  }

  close() {
    clearInterval(this.syncing);
    for (const person of this.people.values()) clearInterval(person.flipping);
    this.media.close();
  }
}

// --- pieces that the lobby shows as well ------------------------------------------------------

function toolbar(call) {
  const { switches = {} } = call;
  const microphone = microphoneTool();
  const inCall = [
    tool(call.captions ? W.captionsOff : W.captionsOn, call.captions ? "closed_caption" : "closed_caption_off", {}, () => {
      call.captions = !call.captions;
      call.drawCaptions?.();
      call.redrawTools?.();
    }),
    tool(W.chat + (call.unread ? W.unread : ""), "chat", { "data-panel-id": "2" }, () => call.open?.("chat")),
    tool(W.details, "info", { "data-panel-id": "5" }),
  ];
  return h(
    "div",
    { class: `tools${switches.hiding ? " away" : ""}` },
    h(
      "div",
      { role: "region", "aria-label": W.controls },
      microphone,
      cameraTool(),
      call.redrawTools && viewTool(),
      switches.sharing !== "none" && call.redrawTools && shareTool(call, switches.sharing),
      ...inCall,
      tool(W.leave, "call_end", { jsname: "CQylAd" }, () => leave()),
    ),
  );
}

function microphoneTool() {
  return deviceTool("mic", W.micOn, W.micOff, { jsname: "hw0c9" }, { audio: true });
}

function cameraTool() {
  return deviceTool("camera", W.cameraOn, W.cameraOff, {}, { video: true });
}

function viewTool() {
  return tool(W.more, "more_vert", { jsname: "NakZHc" }, () => {
    const menu = h("div", { role: "menu" }, h("div", { role: "menuitem", onclick: () => menu.remove() || choose() }, W.layout));
    document.body.append(menu);
  });
}

// It stays open until it is closed.
function choose() {
  const radio = (name) => h("label", {}, h("input", { type: "radio", name: "layout", role: "radio", "aria-label": name, onchange: () => report("view", { name }) }), name);
  const close = h("button", { "aria-label": W.close, onclick: () => box.remove() || report("view", { name: "closed" }) }, "×");
  const box = h("div", { role: "dialog" }, close, ...["Auto", W.tiled, "Spotlight", "Sidebar"].map(radio));
  document.body.append(box);
}

// A screen is asked for when somebody shares it; some versions ask first what of it is meant.
function shareTool(call, how) {
  const stop = how === "wordless" ? "⏹" : W.stopPresenting;
  return tool(devices.screen ? stop : W.share, "computer_arrow_up", {}, async () => {
    if (devices.screen) return endShare(call);
    if (how !== "menu") return beginShare(call);
    const choose = () => menu.remove() || beginShare(call);
    const menu = h("div", { role: "menu" }, h("div", { role: "menuitem", onclick: choose }, W.wholeScreen));
    document.body.append(menu);
  });
}

async function beginShare(call) {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: true });
  [devices.screen] = stream.getVideoTracks();
  devices.screen.addEventListener("ended", () => endShare(call));
  report("sharing", { on: true, surface: devices.screen.getSettings().displaySurface });
  call.redrawTools();
}

function endShare(call) {
  devices.screen.stop();
  devices.screen = null;
  report("sharing", { on: false });
  call.redrawTools();
}

// A device is opened when it is switched on, and again each time.
function deviceTool(device, on, off, marks, wanted) {
  const label = () => (devices[device] ? on : off);
  const muted = () => String(!devices[device]);
  return tool(label(), device, { ...marks, "data-is-muted": muted() }, async (own) => {
    devices[device] = !devices[device];
    own.setAttribute("aria-label", label());
    own.setAttribute("data-is-muted", muted());
    devices[`${device}Stream`] = devices[device] ? await navigator.mediaDevices.getUserMedia(wanted) : null;
  });
}

function chips(call) {
  const names = ["Hand raises", "External participants joined", W.people];
  return names.map((name, number) =>
    h(
      "div",
      { role: "button", jsname: "ocqpFe", "aria-haspopup": "dialog", "aria-labelledby": `chip${number}`, tabindex: "0", onclick: () => name === W.people && call.open("people") },
      h("span", { id: `chip${number}`, hidden: true }, name),
      name === W.people ? h("div", { class: "fdZ55" }, String(call.people.size)) : "•",
    ),
  );
}

function dialog(text, ...answers) {
  const made = h(
    "div",
    { role: "dialog", "aria-modal": "true" },
    h("p", {}, text),
    ...answers.map((answer) => button(answer, {}, () => made.remove())),
  );
  return made;
}

// It is on every page, and asks nobody anything.
function recaptcha() {
  const badge = h("div", {}, h("iframe", { src: "about:blank?recaptcha", width: 256, height: 60 }));
  badge.className = "grecaptcha-badge";
  return badge;
}
