// The call itself: toolbar, tiles, the list of people, chat, captions.
const make = (tag, attributes = {}, ...inside) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (STRIPPED.includes(name)) continue;
    if (name.startsWith("on")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...inside.filter((part) => part !== null));
  return element;
};
let STRIPPED = [];

class CallView {
  constructor({ switches, words, name, report, media, leave }) {
    Object.assign(this, { switches, words, own: name, report, media, leave });
    this.people = new Map();
    this.messages = [];
    this.captions = new Map();
    this.rail = null;
    this.rails = new Set();
    this.captionsOn = false;
  }

  show(root) {
    const { words: w, switches } = this;
    this.root = root;
    this.stage = make("div", { id: "stage", "data-tid": "modern-stage-wrapper" });
    this.railPlace = make("div", { id: "rail" });
    this.notices = make("div", { "data-tid": "notification-area", role: "status" });
    this.badge = make("span", { "data-tid": "toolbar-item-badge" });
    const toolbar = make(
      "div",
      { "data-tid": "ubar-toolbar-wrapper", "data-has-loaded": "true", role: "toolbar" },
      make("span", { "data-tid": "call-duration" }, "00:12"),
      make("button", { id: "chat-button", "data-inp": "chat-button", onclick: () => this.open("chat") }, w.chat),
      make("button", { id: "roster-button", "data-tid": "roster-button", "aria-label": w.people, onclick: () => this.open("people") }, "P", this.badge),
      this.device("microphone-button", "Unmute mic", "Mute mic", { audio: true }),
      this.device("video-button", "Turn camera on", "Turn camera off", { video: true }),
      make("button", { id: "share-button", onclick: () => this.share() }, "S"),
      make("button", { id: "view-mode-button", onclick: () => this.chooseView() }, "V"),
      make("button", { id: "raisehands-button", "aria-label": w.hand }, "H"),
      make("button", { id: "callingButtons-showMoreBtn", onclick: () => this.menu() }, w.more),
      make(
        "button",
        {
          id: "hangup-button",
          "data-tid": "hangup-main-btn",
          "data-inp": "hangup-button",
          "aria-label": w.leave,
          "aria-keyshortcuts": "Ctrl+Shift+H",
          onclick: () => this.leave(),
        },
        "X",
      ),
    );
    this.toolbar = toolbar;
    if (switches.toolbar_hides) setTimeout(() => (toolbar.style.display = "none"), 700);
    root.replaceChildren(toolbar, this.notices, this.stage, this.railPlace);
    this.paint();
  }

  open(which) {
    if (this.rails.has(which)) this.rails.delete(which);
    else {
      if (!this.switches.two_rails) this.rails.clear();
      this.rails.add(which);
    }
    this.paint();
  }

  // A device that the lobby switched off; it is opened when it is switched on, and again each time.
  device(id, off, on, wanted) {
    const made = make("button", { id, "aria-label": off }, "D");
    made.onclick = async () => {
      const live = made.getAttribute("aria-label") === off;
      made.setAttribute("aria-label", live ? on : off);
      this.streams = [...(this.streams ?? []), ...(live ? [await navigator.mediaDevices.getUserMedia(wanted)] : [])];
    };
    return made;
  }

  // The button opens a tray, where what is to be shared is chosen.
  share() {
    const begin = async () => {
      tray.remove();
      const [track] = (await navigator.mediaDevices.getDisplayMedia({ video: true })).getVideoTracks();
      const end = () => {
        track.stop();
        stop.remove();
        this.report("sharing", { on: false });
      };
      const stop = make("button", { "aria-label": "Stop sharing", onclick: end }, "Stop sharing");
      track.addEventListener("ended", end);
      this.root.append(stop);
      this.report("sharing", { on: true });
    };
    const choice = make("button", { role: "menuitem", onclick: begin }, "Screen, window, or tab");
    const tray = make("div", { role: "menu" }, make("button", { role: "menuitem" }, "PowerPoint Live"), choice);
    this.root.append(tray);
  }

  chooseView() {
    const choice = (id, name) => make("button", { id, role: "menuitemradio", onclick: () => menu.remove() || this.report("view", { name }) }, name);
    const menu = make("div", { role: "menu" }, choice("MixedGridView-button", "Gallery"), choice("SpeakerView-button", "Speaker"));
    this.root.append(menu);
  }

  menu() {
    const turnOn = () => {
      this.captionsOn = true;
      this.menuPlace?.remove();
      this.report("captions");
      this.paint();
    };
    const entry = make("div", { id: "closed-captions-button", role: "menuitem", onclick: turnOn }, this.words.captions);
    const open = () => this.menuPlace.replaceChildren(entry);
    this.menuPlace?.remove();
    this.menuPlace = make(
      "div",
      { role: "menu" },
      make("div", { id: "LanguageSpeechMenuControl-id", role: "menuitem", onclick: open }, this.words.language),
    );
    this.root.append(this.menuPlace);
  }

  paint() {
    if (!this.stage) return;
    const all = [...this.people.values()];
    this.stage.replaceChildren(
      ...all.filter((one) => !one.self).map((one) =>
        make(
          "div",
          { "data-stream-type": "Video", "data-tid": one.name },
          make("div", { "data-tid": "participant-info-nametag" }, one.name),
          make("div", { "data-tid": "voice-level-stream-outline", class: `ring ${one.ring ? "on" : ""}` }),
        ),
      ),
      ...all.filter((one) => one.sharing).map((one) => this.paintScreen(one)),
      ...(this.captionsOn ? [this.paintCaptions()] : []),
    );
    const rails = [];
    if (this.rails.has("people")) rails.push(this.paintPeople(all));
    if (this.rails.has("chat")) rails.push(this.paintChat());
    this.railPlace.replaceChildren(...rails);
  }

  // What is shared changes all the time, as a film does; every painting of the stage makes another element.
  paintScreen(one) {
    if (!one.screen) {
      const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
      const brush = canvas.getContext("2d");
      one.screen = canvas.captureStream(10);
      setInterval(() => {
        brush.fillStyle = `hsl(${(performance.now() / 10) % 360} 80% 50%)`;
        brush.fillRect(0, 0, canvas.width, canvas.height);
      }, 100);
    }
    const video = make("video", { autoplay: true, playsinline: true });
    Object.assign(video, { muted: true, srcObject: one.screen });
    return make("div", { "data-stream-type": "ScreenSharing", "data-tid": one.name }, video);
  }

  paintPeople(all) {
    const w = this.words;
    const shown = this.switches.rows ? all.slice(-this.switches.rows) : all;
    const rows = shown.map((one) => {
      const label = [one.name, one.host ? w.organizer : "", one.muted ? w.muted : ""].filter(Boolean).join(", ");
      return make(
        "div",
        { "data-tid": `participantsInCall-${one.name}` },
        make(
          "div",
          { "data-cid": "roster-participant", "aria-label": label, role: "treeitem", "data-mri": one.mri },
          make("span", {}, one.name.slice(0, 1)),
          make("span", {}, one.name),
        ),
      );
    });
    const invited = this.switches.invited
      ? [make("div", { "data-cid": "roster-participant", "aria-label": "Ivy Invited", role: "treeitem" }, "Ivy Invited")]
      : [];
    this.badge.textContent = this.switches.rows ? String(all.length) : "";
    return make("div", { role: "tree", "aria-label": "Attendees" }, ...rows, ...invited);
  }

  paintChat() {
    const list = make("div", { "data-tid": "message-pane-list-runway" });
    for (const { id, name, text, own } of this.messages) {
      const marks = this.switches.plain_chat ? {} : { class: own ? "fui-ChatMyMessage" : "fui-ChatMessage" };
      const author = own && !this.switches.plain_chat ? null : make("span", { "data-tid": "message-author-name" }, name);
      const body = make("div", { "data-tid": "chat-pane-message" }, make("p", {}, text));
      const when = make("time", { datetime: id }, "now");
      list.append(make("div", { "data-tid": "chat-pane-item" }, make("div", marks, author, when, body)));
    }
    const field = this.switches.chat_closed
      ? make("div", { "data-tid": "compose-disabled-placeholder-text" }, this.words.closed)
      : make("div", {
          "data-tid": "ckeditor",
          role: "textbox",
          contenteditable: "true",
          "aria-label": this.words.type,
          onkeydown: (event) => {
            if (event.key !== "Enter" || event.shiftKey) return;
            event.preventDefault();
            const text = event.target.innerText;
            this.report("chat", { text });
            this.write({ name: this.own, text, own: true });
          },
        });
    return make("div", {}, list, field);
  }

  paintCaptions() {
    const lines = [...this.captions].map(([, { name, text }]) =>
      make(
        "div",
        { class: "fui-ChatMessageCompact" },
        make("span", { "data-tid": "author" }, name),
        make("span", { "data-tid": "closed-caption-text" }, text),
      ),
    );
    return make("div", { "data-tid": "closed-caption-renderer-wrapper" }, ...lines);
  }

  write({ name, text, own = false }) {
    const id = new Date(1.8e12 + this.messages.length * 1000).toISOString();
    this.messages.push({ id, name, text, own });
    this.paint();
  }

  // What the host and the others do. Returns false for what is not the call's.
  act(message) {
    const one = this.people.get(message.id);
    switch (message.what) {
      case "joins":
        this.people.set(message.id, { ring: false, ...message });
        this.media.add(message.id, message.hz, message.source ?? this.people.size);
        break;
      case "leaves":
        this.people.delete(message.id);
        this.media.remove(message.id);
        break;
      case "renames":
        one.name = message.name;
        break;
      case "mutes":
        one.muted = message.muted;
        break;
      case "shares":
        one.sharing = message.on;
        break;
      case "speaks":
        this.media.speak(message.id, message.on);
        if (one && this.switches.rings !== false) one.ring = message.on;
        break;
      case "mix":
        this.media.main.gain.value = message.on ? 1 : 0;
        return true;
      case "chat":
        this.write(message);
        break;
      case "caption":
        this.captions.set(message.line, message);
        break;
      case "recording":
        this.notices.replaceChildren(make("div", { role: "alert" }, this.words.recording));
        break;
      case "toast":
        this.notices.replaceChildren(make("div", {}, message.text));
        break;
      default:
        return false;
    }
    this.paint();
    return true;
  }
}
