// The call as it is seen: tiles, people, chat, knocks, and the buttons below.

import { avatar, element, icon } from "/static/look.js";

const $ = (id) => document.getElementById(id);
const ASPECT = 16 / 9;

export class CallView {
  constructor(session, admitted, controls) {
    this.session = session;
    this.controls = controls;
    this.tiles = new Map();
    this.screens = new Map();
    this.unread = 0;
    this.speakerView = false;
    this.lastSpeaker = null;
    this.stop = new AbortController();
    $("call-title").textContent = admitted.title;
    $("messages").replaceChildren();
    for (const person of session.people.values()) this.#addTile(person);
    for (const message of admitted.chat) this.#addMessage(message);
    this.#listen();
    this.#showKnocks(admitted.knocks);
    this.#refresh();
    this.sizes = new ResizeObserver(() => this.#layOut());
    this.sizes.observe($("stage"));
    if (innerWidth > 760 && !controls.recorded) this.#openPanel("people");
    else this.#closePanel();
  }

  close() {
    this.stop.abort();
    this.sizes.disconnect();
    for (const tile of this.tiles.values()) tile.video.srcObject = null;
    for (const screen of this.screens.values()) screen.firstChild.srcObject = null;
    this.session.screen.track?.stop();
    $("stage").replaceChildren();
    $("knocks").replaceChildren();
    $("people").replaceChildren();
    $("leave-dialog").close();
  }

  // --- what happens ---------------------------------------------------------------------------

  #listen() {
    const on = (target, name, handler) => target.addEventListener(name, handler, { signal: this.stop.signal });
    const session = this.session;
    on(session, "joined", ({ detail }) => {
      this.#addTile(detail.person);
      this.controls.announce(`${detail.person.name} joined.`);
      this.#refresh();
    });
    on(session, "left", ({ detail }) => {
      const tile = this.tiles.get(detail.id);
      if (tile) this.controls.announce(`${tile.name} left.`);
      tile?.element.remove();
      this.tiles.delete(detail.id);
      this.screens.get(detail.id)?.remove();
      this.screens.delete(detail.id);
      this.#refresh();
    });
    on(session, "changed", () => this.#refresh());
    on(session, "speaking", ({ detail }) => this.#showSpeaking(detail.id, detail.speaking));
    on(session, "chat", ({ detail }) => this.#arrived(detail.message));
    on(session, "knocks", ({ detail }) => this.#showKnocks(detail.people));
    on(session, "track", ({ detail }) => this.#play(detail.id, detail.track));
    on(session, "screen", ({ detail }) => this.#showScreen(detail.id, detail.track));
    on($("share"), "click", () => this.#toggleShare());
    on($("view"), "click", () => this.#toggleView());

    on($("mic"), "click", () => this.#toggleMic());
    on($("camera"), "click", () => this.#toggleCamera());
    on($("show-people"), "click", () => this.#togglePanel("people"));
    on($("show-chat"), "click", () => this.#togglePanel("chat"));
    on($("tab-people"), "click", () => this.#openPanel("people"));
    on($("tab-chat"), "click", () => this.#openPanel("chat"));
    on($("panel-close"), "click", () => this.#closePanel(true));
    on($("leave"), "click", () => (this.#self()?.host ? $("leave-dialog").showModal() : session.leave()));
    on($("just-leave"), "click", () => session.leave());
    on($("end-for-all"), "click", () => session.send("end"));
    on($("stay"), "click", () => $("leave-dialog").close());
    on($("unblock-sound"), "click", () => this.#unblock());
    on($("copy-link"), "click", () => this.#copyLink());
    on($("chat-to"), "change", () => this.#sayReceiver());
    on($("chat-form"), "submit", (event) => {
      event.preventDefault();
      const text = $("chat-text").value.trim();
      const to = $("chat-to").value;
      if (to && !session.people.has(to)) return this.controls.announce("They have left. Choose whom your message is for.");
      if (text) session.send("chat", to ? { text, to } : { text });
      $("chat-text").value = "";
    });
    on(document, "keydown", (event) => this.#key(event));
  }

  #key(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "Escape" && !$("panel").hidden && !$("leave-dialog").open) return this.#closePanel(true);
    if (["ArrowLeft", "ArrowRight"].includes(event.key) && event.target.role === "tab") {
      this.#openPanel(event.target === $("tab-people") ? "chat" : "people");
      return $($("tab-people").ariaSelected === "true" ? "tab-people" : "tab-chat").focus();
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.toLowerCase() === "m") this.#toggleMic();
    if (event.key.toLowerCase() === "v") this.#toggleCamera();
  }

  #self() {
    return this.session.people.get(this.session.id);
  }

  // --- tiles ----------------------------------------------------------------------------------

  #addTile(person) {
    const isSelf = person.id === this.session.id;
    const video = element("video", { playsinline: "", hidden: "" });
    video.autoplay = true;
    video.muted = isSelf;
    const face = avatar(person);
    const plate = element("div", { class: "plate" });
    const made = element("div", { class: isSelf ? "tile self" : "tile", "data-tile": person.id }, face, video, plate);
    this.tiles.set(person.id, { element: made, video, face, plate, name: person.name });
    $("stage").append(made);
    if (isSelf && this.controls.devices.video) video.srcObject = new MediaStream([this.controls.devices.video]);
  }

  async #play(id, track) {
    const tile = this.tiles.get(id);
    if (!tile) return;
    tile.video.srcObject ??= new MediaStream();
    tile.video.srcObject.addTrack(track);
    try {
      await tile.video.play();
    } catch (error) {
      if (error.name === "NotAllowedError") $("unblock-sound").hidden = false;
    }
  }

  // --- screens that are shared ------------------------------------------------------------------

  #showScreen(id, track) {
    const name = this.session.people.get(id)?.name ?? "";
    const video = element("video", { playsinline: "" });
    video.autoplay = video.muted = true;
    video.srcObject = new MediaStream([track]);
    const plate = element("div", { class: "plate" }, element("span", { text: `${name}'s screen` }));
    const made = element("div", { class: "tile screen", "data-shared-by": id }, video, plate);
    this.screens.get(id)?.remove();
    this.screens.set(id, made);
    $("stage").prepend(made);
    this.controls.announce(`${name} shares a screen.`);
    track.addEventListener("ended", () => this.#hideScreen(id, made));
    this.#layOut();
  }

  #hideScreen(id, made) {
    made.remove();
    if (this.screens.get(id) === made) this.screens.delete(id);
    this.#layOut();
  }

  async #toggleShare() {
    const button = $("share");
    let track = null;
    if (!this.session.screen.track) {
      try {
        const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 10 } }, audio: false });
        [track] = stream.getVideoTracks();
      } catch {
        return; // they chose none
      }
      track.addEventListener("ended", () => this.session.screen.track === track && this.#toggleShare());
    } else this.session.screen.track.stop();
    this.session.share(track);
    button.setAttribute("aria-pressed", String(Boolean(track)));
    button.querySelector("span").textContent = track ? "Stop sharing" : "Share";
  }

  #unblock() {
    $("unblock-sound").hidden = true;
    for (const tile of this.tiles.values()) if (tile.video.srcObject) tile.video.play();
  }

  // Who speaks is large, or a screen that is shared, and the others are small below.
  #toggleView() {
    this.speakerView = !this.speakerView;
    $("view").setAttribute("aria-pressed", String(this.speakerView));
    $("view").querySelector("span").textContent = this.speakerView ? "Gallery view" : "Speaker view";
    this.#layOut();
  }

  #spotlit() {
    const [screen] = this.screens.values();
    const others = [...this.tiles.keys()].filter((id) => id !== this.session.id);
    const id = this.tiles.has(this.lastSpeaker) ? this.lastSpeaker : (others[0] ?? this.session.id);
    return screen ?? this.tiles.get(id)?.element;
  }

  #layOut() {
    const stage = $("stage");
    const count = Math.max(1, this.tiles.size + this.screens.size);
    const spotlit = this.speakerView && count > 1 ? this.#spotlit() : null;
    for (const tile of stage.querySelectorAll(".tile")) tile.classList.toggle("spotlit", tile === spotlit);
    stage.classList.toggle("speaker", spotlit !== null);
    const style = getComputedStyle(stage);
    const gap = parseFloat(style.columnGap) || 0;
    const width = stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = stage.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom) - (count === 1 ? 56 : 0);
    if (spotlit) {
      const stripHeight = Math.min(Math.max(72, height * 0.2), (width - gap * (count - 2)) / (count - 1) / ASPECT);
      const mainHeight = Math.min(height - stripHeight - gap, width / ASPECT);
      stage.style.setProperty("--main-width", `${Math.floor(mainHeight * ASPECT)}px`);
      stage.style.setProperty("--main-height", `${Math.floor(mainHeight)}px`);
      stage.style.setProperty("--tile-width", `${Math.floor(stripHeight * ASPECT)}px`);
      stage.style.setProperty("--tile-height", `${Math.floor(stripHeight)}px`);
      return;
    }
    let best = { area: 0, columns: 1, tileWidth: width, tileHeight: height };
    for (let columns = 1; columns <= count; columns++) {
      const rows = Math.ceil(count / columns);
      const roomWide = (width - gap * (columns - 1)) / columns;
      const roomHigh = (height - gap * (rows - 1)) / rows;
      // A tile may be less wide than 16:9, down to 4:5, before it gets smaller.
      const tileWidth = Math.min(roomWide, roomHigh * ASPECT);
      const tileHeight = Math.min(roomHigh, tileWidth * 1.25);
      if (tileWidth * tileHeight > best.area) best = { area: tileWidth * tileHeight, columns, tileWidth, tileHeight };
    }
    stage.style.setProperty("--columns", best.columns);
    stage.style.setProperty("--tile-width", `${Math.floor(best.tileWidth)}px`);
    stage.style.setProperty("--tile-height", `${Math.floor(best.tileHeight)}px`);
  }

  // --- everything that follows from who is there ------------------------------------------------

  #refresh() {
    const people = [...this.session.people.values()];
    $("call-count").textContent = people.length === 1 ? "Only you" : `${people.length} people`;
    for (const person of people) this.#dress(person);
    this.#listPeople(people);
    this.#listReceivers();
    this.#buttons();
    const alone = $("stage").querySelector(".alone");
    if (people.length > 1) alone?.remove();
    else if (!alone) $("stage").append(element("p", { class: "alone", text: "Nobody else is here yet." }));
    this.#layOut();
  }

  #dress(person) {
    const tile = this.tiles.get(person.id);
    if (!tile) return;
    const isSelf = person.id === this.session.id;
    tile.video.hidden = !person.camera;
    tile.face.hidden = person.camera;
    const name = element("span", { text: isSelf ? `${person.name} (you)` : person.name });
    const marks = person.bot ? [element("b", { class: "bot-mark", text: "Bot" })] : [];
    tile.plate.replaceChildren(...(person.muted ? [icon("mic-off")] : []), name, ...marks);
    tile.element.classList.toggle("speaking", person.speaking);
  }

  #showSpeaking(id, speaking) {
    this.tiles.get(id)?.element.classList.toggle("speaking", speaking);
    if (speaking && id !== this.session.id && id !== this.lastSpeaker) {
      this.lastSpeaker = id;
      if (this.speakerView) this.#layOut();
    }
    const entry = $("people").querySelector(`[data-participant-id="${CSS.escape(id)}"]`);
    if (entry) entry.dataset.speaking = String(speaking);
  }

  #listPeople(people) {
    const iAmHost = this.#self()?.host;
    const kept = new Map([...$("people").children].map((entry) => [entry.dataset.participantId, entry]));
    const entries = people.map((person) => {
      const entry = kept.get(person.id) ?? element("li", { "data-participant-id": person.id });
      const isSelf = person.id === this.session.id;
      const data = { name: person.name, muted: person.muted, speaking: person.speaking, host: person.host, bot: person.bot, self: isSelf };
      for (const [key, value] of Object.entries(data)) {
        if (entry.dataset[key] !== String(value)) entry.dataset[key] = String(value);
      }
      const look = JSON.stringify([person.name, person.muted, person.host, person.bot, isSelf, iAmHost]);
      if (entry.look !== look) {
        entry.look = look;
        entry.replaceChildren(...this.#personParts(person, isSelf, iAmHost));
      }
      return entry;
    });
    for (const [id, entry] of kept) if (!this.session.people.has(id)) entry.remove();
    entries.forEach((entry, index) => {
      if ($("people").children[index] !== entry) $("people").insertBefore(entry, $("people").children[index] ?? null);
    });
  }

  #personParts(person, isSelf, iAmHost) {
    const roles = [isSelf && "You", person.host && "Host", person.bot && "Bot"].filter(Boolean).join(" · ");
    const who = element("div", { class: "who" }, element("strong", { text: person.name }));
    if (roles) who.append(element("small", { text: roles }));
    const bars = element("span", { class: "bars" }, element("i"), element("i"), element("i"));
    const microphone = element("span", { class: "unseen", text: person.muted ? "Microphone off" : "Microphone on" });
    const state = element("span", { class: "state" }, icon(person.muted ? "mic-off" : "mic"), bars, microphone);
    const parts = [avatar(person, "small"), who, state];
    if (iAmHost && !isSelf) {
      const remove = element("button", { class: "remove", type: "button", text: "Remove", "aria-label": `Remove ${person.name}` });
      remove.addEventListener("click", () => this.session.send("remove", { id: person.id }));
      parts.push(remove);
    }
    return parts;
  }

  // --- the waiting room --------------------------------------------------------------------------

  #showKnocks(people) {
    const before = $("knocks").childElementCount;
    $("knocks").hidden = people.length === 0;
    $("knocks").replaceChildren(...people.map((person) => {
      const deny = element("button", { class: "secondary", type: "button", text: "Deny", "aria-label": `Deny ${person.name}` });
      const admit = element("button", { class: "primary", type: "button", text: "Admit", "aria-label": `Admit ${person.name}` });
      deny.addEventListener("click", () => this.session.send("deny", { id: person.id }));
      admit.addEventListener("click", () => this.session.send("admit", { id: person.id }));
      const text = element("p", {}, element("b", { text: person.name }), person.bot ? " (a bot) wants to join" : " wants to join");
      return element("div", { class: "knock", "data-knock": person.id }, text, deny, admit);
    }));
    if (people.length > before) this.controls.announce(`${people.at(-1).name} wants to join.`);
  }

  // --- chat -------------------------------------------------------------------------------------

  #listReceivers() {
    const select = $("chat-to");
    const chosen = select.value;
    const others = [...this.session.people.values()].filter(({ id }) => id !== this.session.id);
    const options = others.map(({ id, name }) => element("option", { value: id, text: name }));
    // Never to everybody what was meant for one: who has left stays chosen, and nothing is sent.
    const [option] = select.selectedOptions;
    const gone = chosen && !this.session.people.has(chosen);
    if (gone) options.push(element("option", { value: chosen, text: `${option.textContent.replace(/ \(left\)$/, "")} (left)` }));
    select.replaceChildren(element("option", { value: "", text: "Everybody" }), ...options);
    select.value = chosen;
    this.#sayReceiver();
  }

  #sayReceiver() {
    const [option] = $("chat-to").selectedOptions;
    $("chat-text").placeholder = option?.value ? `Message to ${option.textContent} alone` : "Message to everybody";
  }

  #addMessage(message) {
    const own = message.from === this.session.id;
    const alone = message.to === undefined ? {} : { "data-to-id": message.to, "data-to-name": message.to_name };
    const whom = message.to === this.session.id ? "you" : message.to_name;
    const note = message.to === undefined ? [] : [element("em", { text: `to ${whom} alone` })];
    const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const head = element("header", {}, element("strong", { text: own ? `${message.name} (you)` : message.name }), ...note, element("time", { text: time }));
    $("messages").append(element("li", {
      "data-message-id": message.id,
      "data-sender-id": message.from,
      "data-sender-name": message.name,
      "data-own": String(own),
      ...alone,
    }, head, element("p", { text: message.text })));
    $("messages").scrollTop = $("messages").scrollHeight;
  }

  #arrived(message) {
    this.#addMessage(message);
    if (message.from === this.session.id || this.#shown() === "chat") return;
    this.#setUnread(this.unread + 1);
    this.controls.announce(`Message from ${message.name}${message.to === undefined ? "" : " to you alone"}: ${message.text}`);
  }

  #setUnread(count) {
    this.unread = count;
    $("unread").hidden = count === 0;
    $("unread").textContent = count > 9 ? "9+" : String(count);
    $("show-chat").setAttribute("aria-label", count ? `Chat, ${count} unread` : "Chat");
  }

  // --- buttons ----------------------------------------------------------------------------------

  #buttons() {
    const { devices } = this.controls;
    this.#control($("mic"), !this.controls.isMuted(), "mic", ["Mute", "Unmute", "No mic"], devices.audio);
    this.#control($("camera"), !this.controls.isCameraOff(), "camera", ["Camera off", "Camera on", "No camera"], devices.video);
  }

  #control(button, on, picture, [whenOn, whenOff, whenNone], device) {
    button.classList.toggle("off", !on);
    button.setAttribute("aria-pressed", String(!on));
    button.disabled = !device;
    button.firstElementChild.replaceWith(icon(on ? picture : `${picture}-off`));
    button.querySelector("span").textContent = device ? (on ? whenOn : whenOff) : whenNone;
  }

  #toggleMic() {
    if (!this.controls.devices.audio) return;
    this.controls.setMuted(!this.controls.isMuted());
    this.#buttons();
  }

  #toggleCamera() {
    if (!this.controls.devices.video) return;
    this.controls.setCameraOff(!this.controls.isCameraOff());
    this.#buttons();
  }

  #shown() {
    if ($("panel").hidden) return null;
    return $("chat-panel").hidden ? "people" : "chat";
  }

  #togglePanel(name) {
    if (this.#shown() === name) this.#closePanel();
    else this.#openPanel(name, true);
  }

  #openPanel(name, focus = false) {
    $("panel").hidden = false;
    for (const each of ["people", "chat"]) {
      const chosen = each === name;
      $(`${each}-panel`).hidden = !chosen;
      $(`tab-${each}`).setAttribute("aria-selected", String(chosen));
      $(`tab-${each}`).tabIndex = chosen ? 0 : -1;
      $(`show-${each}`).setAttribute("aria-expanded", String(chosen));
    }
    if (name === "chat") {
      this.#setUnread(0);
      $("messages").scrollTop = $("messages").scrollHeight;
      if (focus) $("chat-text").focus();
    }
  }

  #closePanel(focus = false) {
    const shown = this.#shown();
    $("panel").hidden = true;
    for (const each of ["people", "chat"]) $(`show-${each}`).setAttribute("aria-expanded", "false");
    if (focus && shown) $(`show-${shown}`).focus();
  }

  async #copyLink() {
    const label = $("copy-link");
    try {
      await navigator.clipboard.writeText(this.controls.guestLink);
      label.textContent = "Copied";
    } catch {
      label.textContent = this.controls.guestLink;
    }
    setTimeout(() => (label.textContent = "Copy the guest link"), 4000);
  }
}
