// The meeting's sound: a tone for each person, heard while they speak. By default it is made in the
// page, as by a decoder in WebAssembly, and reaches the speakers by Web Audio; no track exists of it.

const PLAYER = `registerProcessor("player", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.tones = [];
    this.port.onmessage = ({ data }) => (this.tones = data);
  }
  process(_, [[out]]) {
    out.fill(0);
    for (const hz of this.tones)
      for (let i = 0; i < out.length; i++)
        out[i] += 0.2 * Math.sin((2 * Math.PI * hz * (currentFrame + i)) / sampleRate);
    return true;
  }
})`;

export class Sound {
  constructor(how) {
    this.how = how;
    this.tones = [];
  }

  async begin() {
    this.context = new AudioContext({ sampleRate: 48000 });
    const url = URL.createObjectURL(new Blob([PLAYER], { type: "text/javascript" }));
    await this.context.audioWorklet.addModule(url);
    this.player = new AudioWorkletNode(this.context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    const volume = new GainNode(this.context);
    this.player.connect(volume);
    if (this.how === "element" || this.how === "peer") {
      const out = new MediaStreamAudioDestinationNode(this.context);
      volume.connect(out);
      const stream = this.how === "peer" ? await overTheWire(out.stream) : out.stream;
      this.element = new Audio();
      this.element.srcObject = stream;
      this.element.play();
    } else {
      volume.connect(this.context.destination);
    }
    this.update();
  }

  set(tones) {
    this.tones = tones;
    this.update();
  }

  update() {
    this.player?.port.postMessage(this.tones);
  }

  end() {
    this.context?.close();
    this.element?.pause();
    this.player = null;
  }
}

// Real WebRTC, between two peers of this page.
async function overTheWire(stream) {
  const here = new RTCPeerConnection();
  const there = new RTCPeerConnection();
  here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
  there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
  for (const track of stream.getTracks()) there.addTrack(track, stream);
  const arrived = new Promise((resolve) => (here.ontrack = ({ streams }) => resolve(streams[0])));
  await there.setLocalDescription(await there.createOffer());
  await here.setRemoteDescription(there.localDescription);
  await here.setLocalDescription(await here.createAnswer());
  await there.setRemoteDescription(here.localDescription);
  return arrived;
}
