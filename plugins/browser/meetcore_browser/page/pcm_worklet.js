// Runs on the audio thread: cuts tracks into blocks of int16 PCM, each with the context's frame index
// of its first sample. All tracks of a context are rendered in the same quanta, so those indices are
// one sample clock, and a hole in them is audio that was never rendered.
//
// Blocks of all tracks end at the same frames, and what ends in one quantum is handed over as one
// message: the way to the host costs by the message, hardly by the byte. It is laid out as wire.js
// sends it: a u32 left for the document's number, then for each block u32 track, u32 samples, f64
// index of the first frame, and the samples.
const DOCUMENT_BYTES = 4;
const HEADER_BYTES = 16;

const processors = new Set(); // those of this context that are not closed
let blocks = []; // what is not handed over yet
let out = null; // one port for all: the last block of a track must not be overtaken by its end
let quantum = -1;
let heardInQuantum = 0;

function handOver() {
  if (!out || blocks.length === 0) return;
  const sizes = blocks.map(({ pcm }) => HEADER_BYTES + pcm.byteLength);
  const message = new ArrayBuffer(sizes.reduce((sum, size) => sum + size, DOCUMENT_BYTES));
  const bytes = new Uint8Array(message);
  const view = new DataView(message);
  let at = DOCUMENT_BYTES;
  for (const { track, firstFrame, pcm } of blocks) {
    view.setUint32(at, track, true);
    view.setUint32(at + 4, pcm.length, true);
    view.setFloat64(at + 8, firstFrame, true);
    bytes.set(new Uint8Array(pcm.buffer), at + HEADER_BYTES);
    at += HEADER_BYTES + pcm.byteLength;
  }
  blocks = [];
  out.postMessage(message, [message]);
}

function mixed(channels) {
  const mono = channels[0].slice();
  for (const channel of channels.slice(1)) for (let i = 0; i < mono.length; i++) mono[i] += channel[i];
  for (let i = 0; i < mono.length; i++) mono[i] /= channels.length;
  return mono;
}

class MeetcorePcm extends AudioWorkletProcessor {
  constructor({ processorOptions: { track, blockFrames } }) {
    super();
    this.track = track;
    this.block = new Int16Array(blockFrames);
    this.filled = 0;
    this.firstFrame = 0;
    processors.add(this);
    this.port.onmessage = ({ data: { port, command, ticket } }) => {
      if (port) {
        out = port;
        return;
      }
      this.flush();
      handOver();
      if (command === "close") processors.delete(this);
      out?.postMessage({ done: ticket });
    };
  }

  flush() {
    if (this.filled === 0) return;
    const { track, firstFrame } = this;
    blocks.push({ track, firstFrame, pcm: this.block.slice(0, this.filled) });
    this.filled = 0;
  }

  process([channels]) {
    if (!processors.has(this)) return false;
    if (quantum !== currentFrame) {
      handOver(); // somebody was not asked in the last one
      quantum = currentFrame;
      heardInQuantum = 0;
    }
    this.take(channels);
    heardInQuantum += 1;
    if (heardInQuantum >= processors.size) handOver();
    return true;
  }

  take(channels) {
    const count = channels.length;
    // No channels: the source gives nothing at all. What there was so far must not look continuous.
    if (count === 0 || this.firstFrame + this.filled !== currentFrame) this.flush();
    if (count === 0) return;
    const { block } = this;
    const mono = count === 1 ? channels[0] : mixed(channels);
    const frames = mono.length;
    for (let from = 0; from < frames; ) {
      const frame = currentFrame + from;
      if (this.filled === 0) this.firstFrame = frame;
      const room = block.length - (frame % block.length);
      const to = Math.min(frames, from + room);
      let filled = this.filled;
      for (let i = from; i < to; i++) {
        const sample = mono[i];
        const within = sample > 1 ? 1 : sample < -1 ? -1 : sample;
        block[filled++] = within * 32767 + (within < 0 ? -0.5 : 0.5); // what is stored is cut off
      }
      this.filled = filled;
      if (to - from === room) this.flush();
      from = to;
    }
  }
}
registerProcessor("meetcore-pcm", MeetcorePcm);
