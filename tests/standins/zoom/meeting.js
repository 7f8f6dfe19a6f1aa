// The meeting itself: stage, toolbar, people, chat, captions, and what comes over them.

import { Sound } from "./sound.js";
import { escaped, make, say } from "./wording.js";

const OVERHEARD = `onmessage = ({ data }) => postMessage({ type: "message", data });`;
const FOOTER_MS = 1500;

export class Meeting {
  constructor(room, root, report) {
    Object.assign(this, { room, root, report });
    this.people = new Map();
    this.lines = [];
    this.sharing = false;
    this.captionsOn = false;
    this.devices = { microphone: false, camera: false };
    this.sound = new Sound(room.sound ?? "worklet");
    this.worker = new Worker(URL.createObjectURL(new Blob([OVERHEARD], { type: "text/javascript" })));
    this.footer = this.makeFooter();
    document.addEventListener("mousemove", () => this.showFooter());
  }

  signal(evt, body) {
    if (this.room.signalling !== false) this.worker.postMessage(JSON.stringify({ evt, body, seq: 1 }));
  }

  item({ id, name, host, muted, bot }) {
    const dn2 = btoa(String.fromCharCode(...new TextEncoder().encode(name)));
    return { id, dn2, bHost: Boolean(host), bHold: false, muted: muted !== false, bBotUser: Boolean(bot) };
  }

  // --- the toolbar: in the page long before the meeting is ------------------------------------

  makeFooter() {
    const footer = make(`
      <footer id="wc-footer" class="footer main-footer"><div id="foot-bar" class="footer__inner">
        <div class="audio"><button class="mic" hidden></button><button class="cam" hidden></button>
          <button class="share" aria-label="Share Screen">Share Screen</button></div>
        <div><button class="people-button"><span class="footer-button__number-counter">0</span></button>
          <button class="chat-button" aria-label="open the chat panel">Chat</button>
          <button class="more" aria-label="${say("more")}">…</button></div>
        <div footer-section="right"><div class="footer__leave-btn-container">
          <button class="leave" aria-label="${say("leave")}">${say("leave")}</button></div></div>
      </div></footer>`);
    const on = (css, act) => (footer.querySelector(css).onclick = act);
    on(".leave", () => this.askToLeave());
    on(".people-button", () => this.togglePeople());
    on(".chat-button", () => this.toggleChat());
    on(".more", () => this.more());
    on(".mic", () => this.toggle("microphone"));
    on(".cam", () => this.toggle("camera"));
    on(".share", () => this.share());
    return footer;
  }

  showFooter() {
    if (this.room.footer_stays) return;
    this.footer.classList.remove("footer--hidden");
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => this.footer.classList.add("footer--hidden"), FOOTER_MS);
  }

  toggle(device) {
    this.devices[device] = !this.devices[device];
    this.report("device", { device, on: this.devices[device] });
    this.drawDevices();
    if (this.devices[device]) this.openDevice({ audio: device === "microphone", video: device === "camera" });
  }

  // In the corner above the stage.
  viewMenu() {
    const menu = make(`<div class="full-screen-widget"><button id="full-screen-dropdown" aria-label="View">View</button></div>`);
    menu.firstElementChild.onclick = () => {
      const list = make(`<ul role="menu"><li><a role="menuitem" href="#" aria-label="Speaker View">Speaker View</a></li><li><a role="menuitem" href="#" aria-label="Gallery View">Gallery View</a></li></ul>`);
      list.onclick = ({ target }) => {
        this.report("view", { name: target.textContent });
        list.remove();
      };
      menu.append(list);
    };
    return menu;
  }

  // The bar above a shared screen has the button that ends it.
  async share() {
    const [track] = (await navigator.mediaDevices.getDisplayMedia({ video: true })).getVideoTracks();
    const bar = make(`<div class="sharer-controlbar"><button class="sharer-button sharer-button--stop">Stop Share</button></div>`);
    const end = () => {
      track.stop();
      bar.remove();
      this.report("device", { device: "screen", on: false });
    };
    bar.querySelector("button").onclick = end;
    track.addEventListener("ended", end);
    this.root.append(bar);
    this.report("device", { device: "screen", on: true });
  }

  async openDevice(wanted) {
    this.streams = [...(this.streams ?? []), await navigator.mediaDevices.getUserMedia(wanted)];
  }

  drawDevices() {
    const { microphone, camera } = this.devices;
    const mic = this.footer.querySelector(".mic");
    const cam = this.footer.querySelector(".cam");
    mic.setAttribute("aria-label", microphone ? "mute my microphone" : "unmute my microphone");
    cam.setAttribute("aria-label", camera ? "stop my video" : "start my video");
    const label = (text) => `<span class="footer-button-base__button-label">${text}</span>`;
    mic.innerHTML = label(microphone ? "Mute" : "Unmute");
    cam.innerHTML = label(camera ? "Stop Video" : "Start Video");
    mic.hidden = cam.hidden = false;
  }

  // --- entering ---------------------------------------------------------------------------------

  enter(own) {
    this.stage = make(`<div id="meeting-app" class="meeting-app"><div class="meeting-client">
      <div id="video-share-layout"><div class="stage"></div></div>
      <div id="wc-container-right"></div><div class="captions"></div></div></div>`);
    this.right = this.stage.querySelector("#wc-container-right");
    this.stage.append(this.viewMenu());
    this.root.replaceChildren(this.stage, this.footer);
    this.people.set("1", { id: "1", name: own, me: true });
    this.devices = this.room.device_reset === false ? own.devices : { microphone: true, camera: true };
    this.drawDevices();
    if (this.room.join_audio === false) this.beginSound();
    else this.offerAudio();
    this.signal(4098, { res: 0 });
    const told = [...this.people.values()].filter(({ me }) => me || this.room.signalling !== "partly");
    this.signal(7937, { add: told.map((person) => this.item(person)) });
    this.entered = true;
    this.draw();
    this.showFooter();
    this.report("entered");
    for (const popup of this.room.popups ?? []) this.popup(popup);
  }

  offerAudio() {
    const button = make(`<button class="join-audio" aria-label="join audio">${say("join_audio")}</button>`);
    button.onclick = () => this.askAudio();
    this.footer.querySelector(".audio").prepend(button);
  }

  askAudio() {
    if (this.dialogs().length) return;
    this.dialog({
      body: `<button class="join-audio-by-voip__join-btn zm-btn">${say("by_computer")}</button>`,
    }).querySelector("button").onclick = ({ target }) => {
      target.closest(".ReactModalPortal").remove();
      this.footer.querySelector(".join-audio").remove();
      this.beginSound();
    };
  }

  async beginSound() {
    this.report("audio joined");
    if (this.room.allowed !== false) await this.sound.begin();
    this.play();
  }

  play() {
    this.sound.set([...this.people.values()].filter((p) => p.speaking && p.hz).map((p) => p.hz));
  }

  // --- drawing ------------------------------------------------------------------------------------

  draw() {
    if (!this.entered) return;
    const count = this.people.size;
    const button = this.footer.querySelector(".people-button");
    const word = this.list ? "close" : "open";
    const what = this.isHost ? `manage participants list pane,${count}` : `participants list pane,[${count}]`;
    button.setAttribute("aria-label", `${word} the ${what} particpants`);
    button.querySelector("span").textContent = count;
    this.drawStage();
    if (this.list) this.drawList();
  }

  drawStage() {
    const others = [...this.people.values()].filter((person) => !person.me);
    const speaker = others.find((person) => person.speaking) ?? this.lastSpeaker ?? others[0];
    this.lastSpeaker = speaker;
    const frame = (css, { name }) =>
      `<div class="${css}"><video-player></video-player><div class="video-avatar__avatar-title">${escaped(name)}</div><div class="video-avatar__avatar-footer"><span>${escaped(name)}</span></div></div>`;
    const view = this.room.view ?? "speaker";
    let html = "";
    if (view === "gallery") {
      html = [...this.people.values()]
        .map((p) => frame(`gallery-video-container__video-frame${p.speaking ? " gallery-video-container__video-frame--active" : ""}`, p))
        .join("");
    } else if (view === "bar") {
      html = others
        .map((p) => frame(`speaker-bar-container__video-frame${p === speaker ? " speaker-bar-container__video-frame--active" : ""}`, p))
        .join("");
    } else if (speaker) {
      html = frame(view === "single" ? "single-main-container__video-frame" : "speaker-active-container__video-frame", speaker);
    }
    this.stage.querySelector(".stage").innerHTML = html;
  }

  togglePeople() {
    if (this.list) this.list.remove();
    this.list = this.list ? null : make(`<div class="participants-section-container"><div id="participants-ul" role="list" aria-label="Participants list"></div></div>`);
    if (this.list) this.right.append(this.list);
    this.draw();
  }

  // Only the rows that fit are there; while a screen is shared, one.
  drawList() {
    if (this.room.other_list) {
      this.list.innerHTML = [...this.people.values()].map(({ name }) => `<p class="x">${escaped(name)}</p>`).join("");
      return;
    }
    const rows = this.sharing ? 1 : (this.room.rows ?? 4);
    const all = [...this.people.values()].slice(0, rows);
    this.list.firstElementChild.innerHTML = all
      .map(({ name, me, host, muted }, n) => {
        const marks = [host ? say("host") : "", me ? say("me") : ""].filter(Boolean).join(", ");
        const suffix = marks ? ` (${marks})` : "";
        const label = `${name}${suffix},computer audio ${muted === false ? "unmuted" : "muted"},video off`;
        return `<div id="participants-list-${n}" class="participants-li" role="application" aria-label="${escaped(label)}">
          <div class="participants-item__item-layout"><span class="participants-item__display-name">${escaped(name)}</span>
          <span class="participants-item__name-label">${suffix}</span></div></div>`;
      })
      .join("");
  }

  toggleChat() {
    const button = this.footer.querySelector(".chat-button");
    if (this.chat) this.chat.remove();
    this.chat = this.chat ? null : this.makeChat();
    button.setAttribute("aria-label", this.chat ? "close the chat panel" : "open the chat panel, 1 unread message");
    if (this.chat) {
      this.right.append(this.chat);
      this.drawChat();
    }
  }

  makeChat() {
    const rich = this.room.chat === "rich";
    const off = this.room.chat === "off" ? "disabled" : "";
    const field = rich
      ? `<div class="chat-rtf-box__editor-outer"><div contenteditable="true" style="min-height:20px"></div></div>`
      : `<textarea class="chat-box__chat-textarea" title="chat message" placeholder="Type message here ..." maxlength="1024" ${off}></textarea>`;
    const panel = make(`<div class="chat-container" role="dialog"><div id="chat-list-content"><div role="table" aria-label="Chat Message List"></div></div><div class="chat-receiver-list"></div>${field}</div>`);
    this.receiver = null;
    this.drawReceiver(panel.querySelector(".chat-receiver-list"));
    const input = panel.querySelector("textarea, [contenteditable]");
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      const text = rich ? input.innerText : input.value;
      if (rich) input.innerText = "";
      else input.value = "";
      const to = this.receiver;
      this.report("chat", to === null ? { text } : { text, to });
      this.message("1", text, to ?? false);
    });
    return panel;
  }

  // The client remembers who was chosen. One person alone is named in it, with marks beside the name.
  drawReceiver(place) {
    if (this.room.direct === "off") {
      place.innerHTML = `<span class="chat-receiver-list__read-only-receiver">${say("everyone")}</span>`;
      return;
    }
    const name = this.receiver === null ? say("everyone") : this.people.get(this.receiver)?.name ?? "";
    place.innerHTML = `<span class="chat-receiver-list__to-text">To:</span>
      <div class="chat-receiver-list__menu"><button class="chat-receiver-list__receiver" aria-label="Send chat to ${escaped(name)}"><span class="chat-receiver-list__label">${escaped(name)}</span></button></div>`;
    place.querySelector("button").onclick = () => this.openReceivers(place);
  }

  openReceivers(place) {
    if (place.querySelector("ul")) return place.querySelector("ul").remove();
    const others = [...this.people].filter(([, person]) => !person.me);
    const rows = [[null, say("everyone"), ""], ...others.map(([id, { name, host }]) => [id, name, host ? "(Host)" : ""])];
    const list = make(`<ul class="chat-receiver-list__scrollbar" role="menu"></ul>`);
    for (const [id, name, mark] of rows) {
      const item = make(`<li><a href="#" class="chat-receiver-list__menu-item"><span class="chat-receiver-list__label">${escaped(name)}</span><span class="chat-receiver-list__appendix">${mark}</span></a></li>`);
      item.firstChild.onclick = (event) => {
        event.preventDefault();
        if (this.room.direct !== "deaf") this.receiver = id;
        setTimeout(() => this.drawReceiver(place), 30);
      };
      list.append(item);
    }
    setTimeout(() => place.querySelector(".chat-receiver-list__menu").append(list), 30);
  }

  message(who, text, alone = false) {
    const person = this.people.get(who) ?? { name: who };
    const at = new Date().toLocaleTimeString("en-US");
    const whom = alone === true ? "Me" : this.people.get(alone)?.name;
    const to = alone === false ? say("everyone") : `${whom} (Direct Message)`;
    this.lines.push({ id: who, name: person.name, me: person.me, text, at, to });
    this.drawChat();
  }

  drawChat() {
    if (!this.chat) return;
    this.chat.querySelector("[role=table]").innerHTML = this.lines
      .map(({ id, name, me, text, at, to }, n) => {
        const label = `${me ? say("me") : name} ${say("to")} ${to}, ${at}, ${text}`;
        const sender = `<span class="chat-item__sender" data-userid="${id}" data-name="${escaped(name)}">${escaped(name)}</span>`;
        const first = this.lines[n - 1]?.id !== id;
        return `<div role="row" class="new-chat-message__container" aria-label="${escaped(label)}">${first ? sender : ""}
          <div id="chat-message-content-${n}">${escaped(text)}</div></div>`;
      })
      .join("");
  }

  more() {
    const menu = make(`<ul class="more-menu"><li><a href="#" aria-label="Captions">Captions</a></li></ul>`);
    menu.querySelector("a").onclick = (event) => {
      event.preventDefault();
      menu.innerHTML = `<li><button aria-label="Your caption settings grouping Show Captions">Show Captions</button></li>`;
      menu.querySelector("button").onclick = () => {
        menu.remove();
        this.captionsOn = true;
        this.report("captions on");
      };
    };
    this.root.append(menu);
  }

  caption(who, text) {
    if (!this.captionsOn) return;
    const name = this.people.get(who).name;
    this.stage.querySelector(".captions").innerHTML = `<div id="live-transcription-subtitle"><div class="live-transcription-subtitle__item"><span class="subtitle-name">${escaped(name)}</span>: ${escaped(text)}</div></div>`;
  }

  // --- what comes over it ---------------------------------------------------------------------

  dialogs() {
    return document.querySelectorAll(".ReactModalPortal");
  }

  dialog({ label = "", title = "", body = "", buttons = [], css = "" }) {
    const portal = make(`<div class="ReactModalPortal"><div class="ReactModal__Overlay"><div class="ReactModal__Content zm-modal ${css}" role="dialog">
      <div class="zm-modal-body-title">${title}</div><div class="zm-modal-body-content">${body}</div>
      <div class="zm-modal-footer"><div class="zm-modal-footer-default-actions"></div></div></div></div></div>`);
    if (label) portal.querySelector("[role=dialog]").setAttribute("aria-label", label);
    const footer = portal.querySelector(".zm-modal-footer-default-actions");
    for (const [text, act, primary] of buttons) {
      const button = make(`<button class="zm-btn ${primary ? "zm-btn--primary" : ""}">${text}</button>`);
      button.onclick = () => {
        portal.remove();
        this.report("pressed", { text });
        act?.();
      };
      footer.append(button);
    }
    document.body.append(portal);
    return portal;
  }

  popup(kind) {
    const ok = make(`<div class="${kind}"><p>New here</p><button>${kind === "relative-tooltip" ? "Got it" : "OK"}</button></div>`);
    ok.querySelector("button").onclick = () => {
      ok.remove();
      this.report("pressed", { text: kind });
    };
    if (kind === "device") {
      const notice = make(`<div class="notice" role="dialog"><p>Cannot detect your microphone</p><button aria-label="close">×</button></div>`);
      notice.querySelector("button").onclick = () => (notice.remove(), this.report("pressed", { text: "device" }));
      this.root.append(notice);
    } else if (kind === "modal") this.dialog({ title: "Good to know", buttons: [["OK", null, true]] });
    else this.root.append(ok);
  }

  record(ai) {
    this.dialog({
      css: ai ? "" : "recording-disclaimer-dialog",
      title: say(ai ? "recorded_ai" : "recorded"),
      body: say("consent"),
      buttons: [[say("leave_meeting")], ["Got it", null, true]],
    });
  }

  askToLeave() {
    const end = `<button class="leave-meeting-options__btn leave-meeting-options__btn--default leave-meeting-options__btn--danger">End Meeting for All</button>`;
    const danger = this.isHost ? "" : "leave-meeting-options__btn--danger";
    const menu = make(`<div class="leave-meeting-options" role="menu">
      ${this.isHost ? end : ""}<button class="leave-meeting-options__btn ${danger} leave" role="menuitem" aria-label="">${say("leave_meeting")}</button>
      <div class="leave-option-container"><button class="leave-option-container__cancel-btn">Cancel</button></div></div>`);
    const cancel = () => menu.remove();
    menu.querySelector(".leave-option-container__cancel-btn").onclick = cancel;
    document.addEventListener("keydown", ({ key }) => key === "Enter" && cancel(), { once: true });
    for (const button of menu.querySelectorAll(".leave-meeting-options__btn")) button.onclick = () => {
      this.report(button.matches(".leave") ? "left" : "ended for all");
      this.close();
      this.root.innerHTML = "<p>Bye</p>";
    };
    this.root.append(menu);
  }

  close() {
    this.entered = false;
    this.sound.end();
    this.footer.querySelector(".join-audio")?.remove();
    this.list = this.chat = null;
  }

  // The host left, and the bot is the next: its toolbar says 'End'.
  promote() {
    this.isHost = true;
    this.people.get("1").host = true;
    const button = this.footer.querySelector(".leave");
    button.setAttribute("aria-label", "End");
    button.textContent = "End";
    this.draw();
  }

  // --- what people do -------------------------------------------------------------------------

  join({ who, name, hz, host, bot }) {
    const person = { id: who, name, hz, host, bot };
    this.people.set(who, person);
    if (this.room.signalling !== "partly") this.signal(7937, { add: [this.item(person)] });
    this.draw();
  }

  gone({ who }) {
    this.people.delete(who);
    this.signal(7937, { remove: [{ id: who }] });
    this.play();
    this.draw();
  }

  rename({ who, name }) {
    const person = this.people.get(who);
    person.name = name;
    this.signal(7937, { update: [{ id: who, dn2: this.item(person).dn2 }] });
    this.draw();
  }

  speak({ who, on }) {
    const person = this.people.get(who);
    person.speaking = on;
    person.muted = !on;
    this.play();
    const voices = [...this.people.values()].filter((p) => p.speaking).map((p) => p.id);
    this.signal(12033, Object.fromEntries([0, 1, 2].map((n) => [`asn${n + 1}`, voices[n] ?? ""])));
    this.signal(7937, { update: [{ id: who, muted: !on }] });
    this.draw();
  }
}
