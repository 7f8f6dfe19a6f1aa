// Microphone and camera of this device: asking, choosing, measuring; every trouble as a sentence.

const VIDEO = { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { max: 24 } };
const SPEAKING_LEVEL = 0.02;
const SILENCE_MS = 450;

export class Devices extends EventTarget {
  constructor() {
    super();
    this.audio = null;
    this.video = null;
    this.note = "";
  }

  // Opens what there is; afterwards `audio` and `video` are tracks or null, `note` says why.
  async open() {
    if (!navigator.mediaDevices) {
      this.note =
        "This page came over plain http from another machine, so the browser gives it neither " +
        "microphone nor camera. You can join and listen. Open it on the machine that serves it, or " +
        "through https, to be heard.";
      return;
    }
    const audio = await this.#ask("audio", { echoCancellation: true, noiseSuppression: true });
    const video = await this.#ask("video", VIDEO);
    this.audio = audio.track;
    this.video = video.track;
    this.note = sentence(audio.trouble, video.trouble);
  }

  async choose(kind, deviceId) {
    const base = kind === "video" ? VIDEO : { echoCancellation: true, noiseSuppression: true };
    this[kind]?.stop();
    const { track, trouble } = await this.#ask(kind, { ...base, deviceId: { exact: deviceId } });
    this[kind] = track;
    this.note = trouble ? sentence(kind === "audio" ? trouble : "", kind === "video" ? trouble : "") : "";
    return track;
  }

  async list(kind) {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return all.filter((device) => device.kind === `${kind}input` && device.deviceId);
  }

  close() {
    this.audio?.stop();
    this.video?.stop();
    this.audio = this.video = null;
  }

  async #ask(kind, constraints) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ [kind]: constraints });
      return { track: stream.getTracks()[0], trouble: "" };
    } catch (error) {
      return { track: null, trouble: error.name };
    }
  }
}

function sentence(audio, video) {
  if (!audio && !video) return "";
  const denied = audio === "NotAllowedError" || video === "NotAllowedError";
  if (audio && video) {
    return denied
      ? "Microphone and camera are blocked in this browser. You can join and listen, or allow them in the address bar and reload."
      : "No microphone or camera was found. You can join and listen.";
  }
  const name = audio ? "microphone" : "camera";
  if (denied) return `The ${name} is blocked in this browser. Allow it in the address bar and reload to use it.`;
  return audio
    ? "No microphone was found. The others will see you, but not hear you."
    : "No camera was found. The others will hear you and see your initials.";
}

// Calls `onLevel(0..1)` some times a second and `onSpeaking(bool)` when speech begins or ends.
export class LevelMeter {
  constructor(track, { onLevel = () => {}, onSpeaking = () => {} }) {
    this.context = new AudioContext();
    this.source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.analyser = new AnalyserNode(this.context, { fftSize: 1024 });
    this.source.connect(this.analyser);
    const samples = new Float32Array(this.analyser.fftSize);
    this.speaking = false;
    this.onSpeaking = onSpeaking;
    let lastLoud = -Infinity;
    this.timer = setInterval(() => {
      this.analyser.getFloatTimeDomainData(samples);
      const rms = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
      const level = track.enabled ? rms : 0;
      onLevel(Math.min(1, level * 6));
      const now = performance.now();
      if (level > SPEAKING_LEVEL) lastLoud = now;
      const loud = now - lastLoud < SILENCE_MS;
      if (loud !== this.speaking) onSpeaking((this.speaking = loud));
    }, 100);
  }

  close() {
    clearInterval(this.timer);
    this.context.close();
    if (this.speaking) this.onSpeaking((this.speaking = false));
  }
}
