// One scripted person: a voice from recordings (or made up), and a face drawn on a canvas.

import { initials } from "/static/look.js";
import { Session } from "/static/session.js";

const WIDTH = 320;
const HEIGHT = 180;
const FRAMES_PER_S = 10;
const SLIDE_S = 4;
const SLIDES = ["#f4f1e8", "#dcecf7", "#f7dcdf", "#def2dd"];
const STILL_EVERY = 10; // one of so many frames is drawn of a face that nobody looks at

export class Actor {
  constructor(person, index, script, context) {
    this.person = person;
    this.index = index;
    this.script = script;
    this.context = context;
    this.session = null;
    this.inside = false;
    this.muted = false;
    this.talking = false;
    this.buffers = new Map();
    this.output = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    this.audio = this.output.stream.getAudioTracks()[0];
    this.canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    this.figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = person.name;
    this.figure.append(this.canvas, caption);
    this.figure.classList.add("away");
    // In memory, where a captured stream takes its frames from, not on a graphics card.
    this.brush = this.canvas.getContext("2d", { willReadFrequently: true });
    this.frame = 0;
    this.video = this.canvas.captureStream(FRAMES_PER_S).getVideoTracks()[0];
    this.#draw();
  }

  // Loads the recordings of this person's lines.
  async prepare() {
    const own = this.script.lines.filter((line) => line.who === this.person.id);
    await Promise.all(own.map(async (line) => {
      const buffer = line.audio ? await this.#load(line.audio) : this.#invent(line);
      this.buffers.set(line.index, buffer);
    }));
  }

  join() {
    const { id, name, host, is_bot: bot, colour } = this.person;
    this.session = new Session({
      url: `ws://${location.host}/r/${this.script.room}/socket`,
      hello: { name, host, bot, colour, wanted_id: id, cast_key: this.script.cast_key, muted: this.muted, camera: true },
      tracks: { audio: this.audio, video: this.video },
      connectTo: (person) => !person.scripted,
    });
    this.admitted = new Promise((resolve, reject) => {
      this.session.addEventListener("admitted", () => {
        this.inside = true;
        this.figure.classList.remove("away");
        this.timer = setInterval(() => this.#next(), 1000 / FRAMES_PER_S);
        resolve();
      });
      this.session.addEventListener("end", ({ detail }) => {
        this.inside = false;
        this.figure.classList.add("away");
        clearInterval(this.timer);
        reject(new Error(`${name} could not come: ${detail.how} ${detail.reason ?? ""}`));
      });
    });
    return this.session;
  }

  leave() {
    this.session?.leave();
  }

  mute(muted) {
    this.muted = muted;
    this.audio.enabled = !muted;
    this.session?.send("muted", { muted });
  }

  speaking(speaking) {
    this.talking = speaking;
    this.session?.send("speaking", { speaking });
  }

  // Shares slides, which change by themselves, or none any more.
  share(on) {
    clearInterval(this.slides);
    this.session?.share(null);
    if (!on) return;
    const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
    const brush = canvas.getContext("2d", { willReadFrequently: true });
    const began = performance.now();
    const draw = () => {
      const slide = Math.floor((performance.now() - began) / (SLIDE_S * 1000));
      brush.fillStyle = SLIDES[slide % SLIDES.length];
      brush.fillRect(0, 0, canvas.width, canvas.height);
      brush.fillStyle = "#101418";
      brush.font = "700 120px system-ui, sans-serif";
      brush.fillText(`${this.person.name}: slide ${slide + 1}`, 90, 380);
    };
    draw();
    this.slides = setInterval(draw, 200);
    this.session?.share(canvas.captureStream(5).getVideoTracks()[0]);
  }

  // Has a line heard from `start` on, on the audio clock.
  sound(line, start) {
    const source = new AudioBufferSourceNode(this.context, { buffer: this.buffers.get(line.index) });
    source.connect(this.output);
    source.start(start);
  }

  async #load(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return this.context.decodeAudioData(await answer.arrayBuffer());
  }

  // A voice-like sound for a line without a recording: a buzz of this person's pitch in syllables.
  #invent(line) {
    const rate = this.context.sampleRate;
    const buffer = this.context.createBuffer(1, Math.ceil(line.duration_s * rate), rate);
    const samples = buffer.getChannelData(0);
    const pitch = 105 + ((this.index * 37 + this.script.seed) % 120);
    for (let i = 0; i < samples.length; i++) {
      const t = i / rate;
      const syllable = Math.max(0, Math.sin(2 * Math.PI * 4 * t)) ** 0.5;
      let value = 0;
      for (let n = 1; n <= 12; n++) value += Math.sin(2 * Math.PI * pitch * n * t) / n;
      samples[i] = 0.12 * syllable * value;
    }
    return buffer;
  }

  // A guest who refuses video, as most bots do, sees no face, and a window that nobody sees shows
  // none. Now and then it is drawn all the same: a guest who comes has something to begin with.
  #next() {
    this.frame += 1;
    const watched = this.script.shown || this.session.isWatched;
    if (watched || this.frame % STILL_EVERY === 0) this.#draw();
  }

  #draw() {
    const { brush } = this;
    const loud = this.talking && !this.muted;
    const beat = loud ? Math.abs(Math.sin(performance.now() / 110)) : 0;
    brush.fillStyle = this.person.colour;
    brush.fillRect(0, 0, WIDTH, HEIGHT);
    brush.fillStyle = "rgb(0 0 0 / 28%)";
    brush.fillRect(0, 0, WIDTH, HEIGHT);
    brush.beginPath();
    brush.arc(WIDTH / 2, 88, 48 + 7 * beat, 0, 2 * Math.PI);
    brush.fillStyle = this.person.colour;
    brush.fill();
    brush.fillStyle = "#ffffff";
    brush.font = "600 38px system-ui, sans-serif";
    brush.textAlign = "center";
    brush.textBaseline = "middle";
    brush.fillText(initials(this.person.name), WIDTH / 2, 90);
  }
}
