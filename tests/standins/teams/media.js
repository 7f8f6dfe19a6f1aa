// The sound of the stand-in: a tone for each person, mixed into one track of a real WebRTC call between
// two peers of this page, with a redundant twin; a data channel that tells the dominant speakers.
class Media {
  constructor(switches) {
    this.switches = switches;
    this.tones = new Map(); // id -> { oscillator, gain }
    this.history = [];
    this.active = new Set();
    this.sources = new Map(); // id -> its number in the mix
  }

  async begin() {
    this.context = new AudioContext();
    this.mix = new GainNode(this.context);
    if (this.switches.sound === "tab") {
      this.mix.connect(this.context.destination);
      return;
    }
    if (this.switches.sound === "none") return;
    this.main = new GainNode(this.context, { gain: this.switches.mix_silent ? 0 : 1 });
    this.mix.connect(this.main);
    const outlets = [this.main, this.mix].map((node) => {
      const outlet = new MediaStreamAudioDestinationNode(this.context);
      node.connect(outlet);
      return outlet.stream;
    });
    if (this.switches.csrc) this.pretendSources();
    const [service, client] = [new RTCPeerConnection(), new RTCPeerConnection()];
    service.onicecandidate = ({ candidate }) => client.addIceCandidate(candidate);
    client.onicecandidate = ({ candidate }) => service.addIceCandidate(candidate);
    client.ontrack = ({ track }) => this.play(track);
    this.channel = service.createDataChannel("main-channel");
    client.ondatachannel = ({ channel }) => (this.received = channel);
    const names = this.switches.mix === "none" ? ["audioOne", "audioTwo"] : ["mainAudio-0", "audio-redundant"];
    const order = this.switches.twin_first ? [1, 0] : [0, 1];
    const tracks = order.map((n) => [outlets[n].getAudioTracks()[0], names[n], outlets[n]]);
    for (const [track, , stream] of tracks) service.addTrack(track, stream);
    const offer = await service.createOffer();
    await service.setLocalDescription(offer);
    let { sdp } = offer;
    for (const [track, name] of tracks) sdp = sdp.replaceAll(track.id, name);
    await client.setRemoteDescription({ type: "offer", sdp });
    await client.setLocalDescription(await client.createAnswer());
    await service.setRemoteDescription(client.localDescription);
  }

  play(track) {
    const audio = new Audio();
    audio.srcObject = new MediaStream([track]);
    audio.muted = true;
    audio.play().catch(() => {});
    (this.players ??= []).push(audio);
  }

  add(id, hz, source) {
    if (!hz || this.tones.has(id) || !this.context) return;
    const oscillator = new OscillatorNode(this.context, { frequency: hz });
    const gain = new GainNode(this.context, { gain: 0 });
    oscillator.connect(gain).connect(this.mix);
    oscillator.start();
    this.tones.set(id, { oscillator, gain });
    this.sources.set(id, source);
    if (this.switches.dominant_stuck && this.tones.size === 1) this.tellDominant(id);
  }

  remove(id) {
    this.tones.get(id)?.oscillator.stop();
    this.tones.delete(id);
    this.active.delete(id);
  }

  speak(id, on) {
    const tone = this.tones.get(id);
    if (tone) tone.gain.gain.value = on ? 0.3 : 0;
    if (on) this.active.add(id);
    else this.active.delete(id);
    if (on && !this.switches.dominant_stuck) this.tellDominant(id);
  }

  tellDominant(id) {
    const source = this.sources.get(id);
    this.history = [source, ...this.history.filter((one) => one !== source)];
    if (this.switches.dominant === false || !this.channel) return;
    const text = JSON.stringify([{ type: "dsh", history: this.history }]);
    const bytes = new TextEncoder().encode(text);
    const message = new Uint8Array(bytes.length + 4);
    message.set([0, 1, 2, 255]);
    message.set(bytes, 4);
    const send = () => this.channel.send(message);
    if (this.channel.readyState === "open") send();
    else this.channel.addEventListener("open", send, { once: true });
  }

  // A loopback call has no contributing sources: the service's mixer would set them.
  pretendSources() {
    const media = this;
    RTCRtpReceiver.prototype.getContributingSources = function () {
      return [...media.active].map((id) => ({
        source: media.sources.get(id),
        timestamp: performance.now(),
        audioLevel: 0.2,
      }));
    };
  }
}
