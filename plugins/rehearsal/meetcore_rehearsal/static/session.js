// One participant in a room: the signalling socket and one WebRTC connection per other participant.
//
// Who is there already offers to who comes, so a newcomer only answers. Later offers (a restart of
// ICE) may come from both sides at once and follow the perfect-negotiation pattern: the newcomer is
// the polite one. Each side has one audio and one video transceiver from the start; microphone and
// camera are switched by replacing the sender's track, which needs no negotiation.
//
// A received track has to be its participant's with certainty. The id of the sender's MediaStream is
// the browser's choice, so on its way out the session description gets the participant's id in its
// place: the receiver's `streams[0].id` is the participant id the server gave. A screen that is shared has
// a transceiver of its own, with `.screen` behind that id.

const END_MESSAGES = new Set(["refused", "denied", "removed", "ended"]);
const SENDING = new Set(["sendonly", "sendrecv"]);
const SCREEN = ".screen";

export class Session extends EventTarget {
  // `tracks` is {audio, video}, either may be null. `connectTo(person)` says with whom to connect.
  constructor({ url, hello, tracks = {}, connectTo = () => true }) {
    super();
    this.id = null;
    this.people = new Map();
    this.tracks = { audio: tracks.audio ?? null, video: tracks.video ?? null };
    this.stream = new MediaStream();
    this.screen = { stream: new MediaStream(), track: null };
    this.peers = new Map();
    this.connectTo = connectTo;
    this.over = false;
    this.socket = new WebSocket(url);
    this.socket.addEventListener("open", () => this.send("hello", hello));
    this.socket.addEventListener("message", ({ data }) => this.#receive(JSON.parse(data)));
    this.socket.addEventListener("close", () => this.#end("lost", {}));
  }

  send(type, data = {}) {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ type, ...data }));
    }
  }

  // Sends another track of that kind from now on, or nothing.
  setTrack(kind, track) {
    this.tracks[kind] = track;
    for (const peer of this.peers.values()) peer.sendTrack(kind, track);
  }

  // Shares a screen with everybody from now on, or none with null.
  share(track) {
    if (track) track.contentHint = "detail";
    this.screen.track = track;
    for (const peer of this.peers.values()) peer.share(track);
  }

  leave() {
    this.send("leave");
    this.#end("left", {});
  }

  connectionState(id) {
    return this.peers.get(id)?.pc.connectionState ?? "none";
  }

  // Whether anybody takes the picture that is sent from here.
  get isWatched() {
    return [...this.peers.values()].some((peer) => peer.isWatched);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #end(name, detail) {
    if (this.over) return;
    this.over = true;
    for (const peer of this.peers.values()) peer.close();
    this.peers.clear();
    this.socket.close();
    this.#emit("end", { how: name, ...detail });
  }

  #receive(message) {
    if (this.over) return;
    const { type } = message;
    if (END_MESSAGES.has(type)) return this.#end(type, message);
    if (type === "admitted") {
      this.id = message.you;
      for (const person of message.people) this.people.set(person.id, person);
    } else if (type === "joined") {
      this.people.set(message.person.id, message.person);
      if (this.connectTo(message.person)) this.#peer(message.person.id, true);
    } else if (type === "changed") {
      this.people.set(message.person.id, message.person);
    } else if (type === "left") {
      this.people.delete(message.id);
      this.peers.get(message.id)?.close();
      this.peers.delete(message.id);
    } else if (type === "speaking") {
      const person = this.people.get(message.id);
      if (person) person.speaking = message.speaking;
    } else if (type === "signal") {
      if (this.people.has(message.from)) this.#peer(message.from, false).take(message.data);
      return;
    }
    this.#emit(type, message);
  }

  #peer(id, offers) {
    let peer = this.peers.get(id);
    if (!peer) {
      peer = new Peer({
        offers,
        stream: this.stream,
        streamName: this.id,
        tracks: this.tracks,
        screen: this.screen,
        signal: (data) => this.send("signal", { to: id, data }),
        onTrack: (track, shared) => this.#emit(shared ? "screen" : "track", { id, track }),
        onState: (state) => this.#emit("connection", { id, state }),
      });
      this.peers.set(id, peer);
    }
    return peer;
  }
}

class Peer {
  #makingOffer = false;
  #ignoringOffer = false;
  #work = Promise.resolve();

  constructor({ offers, stream, streamName, tracks, screen, signal, onTrack, onState }) {
    this.polite = !offers;
    this.stream = stream;
    this.streamName = streamName;
    this.tracks = tracks;
    this.screen = screen;
    this.sharing = null;
    this.signal = signal;
    this.senders = {};
    this.pc = new RTCPeerConnection();
    this.pc.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate) signal({ candidate: candidate.toJSON() });
    });
    this.pc.addEventListener("track", ({ track, streams }) => onTrack(track, Boolean(streams[0]?.id.endsWith(SCREEN))));
    this.pc.addEventListener("connectionstatechange", () => onState(this.pc.connectionState));
    this.pc.addEventListener("iceconnectionstatechange", () => {
      if (this.pc.iceConnectionState === "failed") this.pc.restartIce();
    });
    this.pc.addEventListener("negotiationneeded", () => this.#inTurn(() => this.#offer()));
    if (offers) {
      for (const kind of ["audio", "video"]) {
        this.#use(this.pc.addTransceiver(kind, { direction: "sendrecv", streams: [stream] }), kind);
      }
      if (screen.track) this.share(screen.track);
    }
  }

  // Takes a description or a candidate of the other side; one after the other.
  take(data) {
    this.#inTurn(() => (data.description ? this.#describe(data.description) : this.#reach(data)));
  }

  sendTrack(kind, track) {
    this.senders[kind]?.replaceTrack(track);
  }

  share(track) {
    this.sharing?.stop();
    this.sharing = track && this.pc.addTransceiver(track, { direction: "sendonly", streams: [this.screen.stream] });
  }

  get isWatched() {
    return this.pc.getTransceivers().some(({ sender, currentDirection }) =>
      sender === this.senders.video && SENDING.has(currentDirection));
  }

  close() {
    this.pc.close();
  }

  #inTurn(step) {
    this.#work = this.#work.then(async () => {
      if (this.pc.signalingState !== "closed") await step();
    }).catch((error) => console.error("negotiation", error));
  }

  async #offer() {
    if (this.polite && !this.senders.audio) return; // the other side makes the first offer
    try {
      this.#makingOffer = true;
      await this.pc.setLocalDescription();
      this.#send(this.pc.localDescription);
    } finally {
      this.#makingOffer = false;
    }
  }

  async #describe(description) {
    const busy = this.#makingOffer || this.pc.signalingState !== "stable";
    this.#ignoringOffer = description.type === "offer" && busy && !this.polite;
    if (this.#ignoringOffer) return;
    await this.pc.setRemoteDescription(description);
    if (description.type !== "offer") return;
    const mine = this.pc.getTransceivers().filter((transceiver) => transceiver !== this.sharing);
    for (const transceiver of mine) {
      const kind = transceiver.receiver.track.kind;
      if (this.senders[kind]) continue;
      transceiver.direction = "sendrecv";
      transceiver.sender.setStreams(this.stream);
      this.#use(transceiver, kind);
    }
    await this.pc.setLocalDescription();
    this.#send(this.pc.localDescription);
  }

  async #reach({ candidate }) {
    try {
      await this.pc.addIceCandidate(candidate);
    } catch (error) {
      if (!this.#ignoringOffer) throw error;
    }
  }

  #use(transceiver, kind) {
    this.senders[kind] = transceiver.sender;
    if (this.tracks[kind]) transceiver.sender.replaceTrack(this.tracks[kind]);
  }

  #send({ type, sdp }) {
    const named = sdp
      .replaceAll(this.stream.id, this.streamName)
      .replaceAll(this.screen.stream.id, this.streamName + SCREEN);
    this.signal({ description: { type, sdp: named } });
  }
}
