// The sound of the stand-in: a tone for each person, over a real peer connection within the page. A service
// side with few senders is lent to whoever speaks; a client side receives, and knows no person.
const SLOTS = 3;

class Media {
  constructor(switches) {
    this.switches = switches;
    this.slots = [];
    this.channels = {};
    this.queue = Promise.resolve();
  }

  async open() {
    const { switches } = this;
    this.context = new AudioContext({ sinkId: { type: "none" } });
    await this.context.resume();
    // Where the browser lets it, some builds of a client decode by themselves, into one stream for all.
    const encoded = switches.sound === "encoded" && "createEncodedStreams" in RTCRtpReceiver.prototype;
    this.one = encoded || switches.sound === "one_destination" ? this.context.createMediaStreamDestination() : null;
    report("sound", { way: this.one ? "one destination" : "tracks" });
    this.service = new RTCPeerConnection();
    this.client = new RTCPeerConnection();
    this.service.onicecandidate = ({ candidate }) => candidate && this.client.addIceCandidate(candidate);
    this.client.onicecandidate = ({ candidate }) => candidate && this.service.addIceCandidate(candidate);
    this.client.ontrack = ({ track }) => {
      const audio = h("audio");
      audio.srcObject = new MediaStream([track]);
      document.body.append(audio);
    };
    this.receivers = new Map();
    this.claimSources();
    if (switches.wire !== false) {
      for (const label of ["collections", "captions", "dcrpc"]) {
        this.channels[label] = this.service.createDataChannel(label);
      }
    } else this.service.createDataChannel("media-director");
    const late = switches.late_slot_ms ?? 0;
    for (let i = 0; i < SLOTS - (late ? 1 : 0); i++) this.addSlot();
    await this.negotiate();
    if (late) setTimeout(() => { this.addSlot(); this.negotiate(); }, late);
    if (this.one) {
      // A decoder gives something all the time; what stops altogether leaves its last moments in a buffer.
      const nothing = new ConstantSourceNode(this.context, { offset: 0 });
      nothing.connect(this.one);
      nothing.start();
      const audio = h("audio", { autoplay: true });
      audio.srcObject = this.one.stream;
      document.body.append(audio);
      audio.play();
    }
  }

  addSlot() {
    const destination = this.context.createMediaStreamDestination();
    const [track] = destination.stream.getAudioTracks();
    const slot = { destination, track, person: null, source: 0, lastMs: 0, level: 0, number: this.slots.length };
    slot.sender = this.service.addTrack(track, destination.stream);
    slot.stream = destination.stream.id;
    this.slots.push(slot);
  }

  async negotiate() {
    await this.service.setLocalDescription();
    await this.client.setRemoteDescription(this.service.localDescription);
    await this.client.setLocalDescription();
    await this.service.setRemoteDescription(this.client.localDescription);
    // Transceivers come in the order of the slots.
    const receivers = this.client.getReceivers().filter(({ track }) => track.kind === "audio");
    receivers.forEach((receiver, number) => this.receivers.set(receiver, this.slots[number]));
  }

  // A browser does not let a page write contributing sources into packets; so what the service would have
  // written is answered where the client asks.
  claimSources() {
    const { receivers, switches } = this;
    RTCRtpReceiver.prototype.getContributingSources = function () {
      const slot = receivers.get(this);
      if (!slot?.source || switches.sources === false) return [];
      if (slot.person) slot.lastMs = performance.now();
      if (performance.now() - slot.lastMs > 10000) return [];
      const audioLevel = slot.person ? 0.3 : 0;
      return [{ source: slot.source, timestamp: performance.timeOrigin + slot.lastMs, audioLevel, rtpTimestamp: 0 }];
    };
  }

  speak(person, on) {
    if (on === Boolean(person.oscillator) || this.switches.sound === "nothing") return;
    if (!on) {
      person.oscillator.stop();
      person.oscillator.disconnect();
      person.oscillator = null;
      if (person.slot) {
        person.slot.person = null;
        // Who is silent sends nothing at all.
        const { slot } = person;
        setTimeout(() => slot.person === null && slot.sender.replaceTrack(null), 200);
      }
      return;
    }
    person.oscillator = new OscillatorNode(this.context, { frequency: person.tone });
    const gain = new GainNode(this.context, { gain: 0.3 });
    person.oscillator.connect(gain);
    person.oscillator.start();
    if (this.one) {
      gain.connect(this.one);
      return;
    }
    const free = this.slots.filter((slot) => slot.person === null);
    const slot = free.find((one) => one === person.slot) ?? free.sort((a, b) => a.lastMs - b.lastMs)[0];
    if (!slot) return; // nobody hears who finds no slot
    person.slot = slot;
    Object.assign(slot, { person, source: person.source, lastMs: performance.now() });
    slot.sender.replaceTrack(slot.track);
    gain.connect(slot.destination);
  }

  // In order, whatever each takes to be packed.
  send(label, bytes, format = "deflate") {
    const channel = this.channels[label];
    if (!channel) return;
    this.queue = this.queue.then(async () => {
      const data = format ? await packed(await bytes, format) : await bytes;
      if (channel.readyState === "connecting") await new Promise((resolve) => channel.addEventListener("open", resolve));
      if (channel.readyState === "open") channel.send(data);
    });
  }

  close() {
    this.service?.close();
    this.client?.close();
    this.context?.close();
  }
}
