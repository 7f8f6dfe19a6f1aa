// Runs on the audio thread: cuts one track into blocks of int16 PCM, each with the context's frame
// index of its first sample. All tracks of a context are rendered in the same quanta, so those
// indices are one sample clock, and a hole in them is audio that was never rendered.
class MeetcorePcm extends AudioWorkletProcessor {
  constructor({ processorOptions: { blockFrames } }) {
    super();
    this.block = new Int16Array(blockFrames);
    this.filled = 0;
    this.firstFrame = 0;
    this.closed = false;
    this.port.onmessage = ({ data: { command, ticket } }) => {
      this.flush();
      this.closed = command === "close";
      this.port.postMessage({ done: ticket });
    };
  }

  flush() {
    if (this.filled === 0) return;
    const pcm = this.block.slice(0, this.filled);
    this.port.postMessage({ firstFrame: this.firstFrame, pcm }, [pcm.buffer]);
    this.filled = 0;
  }

  process([channels]) {
    if (this.closed) return false;
    const count = channels.length;
    // No channels: the source gives nothing at all. What there was so far must not look continuous.
    if (count === 0 || this.firstFrame + this.filled !== currentFrame) this.flush();
    if (count === 0) return true;
    const frames = channels[0].length;
    for (let i = 0; i < frames; i++) {
      if (this.filled === 0) this.firstFrame = currentFrame + i;
      let sum = 0;
      for (let c = 0; c < count; c++) sum += channels[c][i];
      const sample = Math.max(-1, Math.min(1, sum / count));
      this.block[this.filled++] = Math.round(sample * 32767);
      if (this.filled === this.block.length) this.flush();
    }
    return true;
  }
}
registerProcessor("meetcore-pcm", MeetcorePcm);
