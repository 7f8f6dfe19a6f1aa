// Runs on the audio thread: plays what the bot says, sample by sample, and says how much was played.
//
// What is cut off ends within a few milliseconds by a ramp and not with a click.
const RAMP_FRAMES = 240;

class MeetcoreSpeech extends AudioWorkletProcessor {
  constructor() {
    super();
    this.pieces = [];
    this.at = 0; // the next sample of the first piece
    this.waiting = 0;
    this.played = 0;
    this.port.onmessage = ({ data: { command, pcm, ticket } }) => {
      if (command === "begin") this.played = 0;
      if (command === "stop") this.cut();
      if (pcm) {
        this.pieces.push(pcm);
        this.waiting += pcm.length;
      }
      this.port.postMessage({ ticket, played: this.played, waiting: this.waiting });
    };
  }

  // Keeps a moment of what is under way, fading.
  cut() {
    const rest = this.pieces.length ? this.pieces[0].slice(this.at, this.at + RAMP_FRAMES) : [];
    const fading = Int16Array.from(rest, (sample, i) => sample * (1 - (i + 1) / rest.length));
    this.pieces = fading.length ? [fading] : [];
    this.at = 0;
    this.waiting = fading.length;
  }

  process(_, [[out]]) {
    let filled = 0;
    while (filled < out.length && this.pieces.length) {
      const piece = this.pieces[0];
      const count = Math.min(out.length - filled, piece.length - this.at);
      for (let i = 0; i < count; i++) out[filled + i] = piece[this.at + i] / 32768;
      filled += count;
      this.at += count;
      if (this.at === piece.length) {
        this.pieces.shift();
        this.at = 0;
      }
    }
    this.played += filled;
    this.waiting -= filled;
    return true;
  }
}
registerProcessor("meetcore-speech", MeetcoreSpeech);
