// Takes the sound of every remote WebRTC track of this document and hands it to the host in blocks.
//
// Facts of Chromium this file is built on (measured with 156, headless, no sound card):
// * A remote track that is in no media element is digital silence for Web Audio, without any error:
//   nobody pulls its jitter buffer. A detached, muted element with the track is enough, as long as
//   it is referenced. Its mark is `jitterBufferEmittedCount` standing still while packets arrive.
// * An AudioContext whose sink is {type: "none"} runs without a device; its source nodes resample
//   48 kHz to the context's 16 kHz.
// * Remote tracks only ever appear inside setRemoteDescription, and pc.close() ends them silently.
{
  const { config, tellHost: tell, tellAudio } = meetcore;
  const proto = window.RTCPeerConnection?.prototype;
  const { setRemoteDescription, close, getStats } = proto ?? {};
  const NativeAudioContext = window.AudioContext;
  const RECEIVING = new Set(["recvonly", "sendrecv"]);

  const peers = new WeakMap(); // RTCPeerConnection -> its number in this document
  const openPeers = new Set(); // those that are not closed
  const captured = new Map(); // MediaStreamTrack -> what belongs to its capture
  const endings = new Set(); // of captures that are being closed
  const outlets = new WeakSet(); // contexts whose audio thread has its port to here
  const tickets = new Map(); // of commands to an audio thread -> what is called when they are done

  // By which a script of a joiner's says which track of the page it means: ids of tracks are only
  // unique within a peer connection.
  meetcore.numberOf = (track) => captured.get(track)?.number ?? null;
  let peersSeen = 0;
  let tracksSeen = 0;
  let context = null;
  let ready = null;
  let placed = null;

  function openContext() {
    // 40 ms at a time and not 8: most of the audio thread's work is the waking up, and a source holds
    // 100 ms. A browser that does not know the option passes over it.
    const latencyHint = Math.min(0.04, config.blockS);
    const renderSizeHint = Math.round(config.sampleRate * latencyHint);
    const wanted = { sampleRate: config.sampleRate, latencyHint, renderSizeHint };
    try {
      context = new NativeAudioContext({ ...wanted, sinkId: { type: "none" } });
    } catch {
      context = new NativeAudioContext(wanted); // a browser that does not know sinks
    }
    if (!context.audioWorklet) throw new Error("AudioWorklet is missing: the page is not https");
    context.addEventListener("statechange", keepRunning);
    ready = loadWorklet().then(async () => {
      await context.resume();
      // Where this document's frames lie in time; the host puts all documents on one clock.
      const wallMs = performance.timeOrigin + performance.now();
      const frame = Math.round(context.currentTime * context.sampleRate);
      tell("clock", { wallMs, frame, sampleRate: context.sampleRate });
      placed = { ms: performance.now(), s: context.currentTime };
    });
  }

  // How many seconds passed that were never rendered: a machine that is too busy falls behind, and what
  // is said last is still to come when the meeting ends.
  const behindS = () =>
    placed ? (performance.now() - placed.ms) / 1000 - (context.currentTime - placed.s) : 0;

  // The frame that is being rendered now: the time of whatever is told now, on the sound's clock.
  meetcore.soundFrame = () => (placed ? Math.round(context.currentTime * context.sampleRate) : null);

  // For page/sources.js.
  meetcore.captured = () => [...captured.values()].filter(({ transceiver }) => transceiver);

  // A context that has just begun skips frames while the machine is busy with a call that begins; one
  // that runs since the page came does not. If it cannot be opened, the first track will say so.
  function warmUp() {
    try {
      openContext();
      ready.catch(() => {});
    } catch {
      context = null;
    }
  }

  async function loadWorklet(into = context) {
    const blob = URL.createObjectURL(new Blob([config.worklet], { type: "text/javascript" }));
    try {
      await into.audioWorklet.addModule(blob);
    } catch {
      // Some content security policies take one kind of URL and not the other.
      const data = "data:text/javascript," + encodeURIComponent(config.worklet);
      await into.audioWorklet.addModule(data);
    } finally {
      URL.revokeObjectURL(blob);
    }
  }

  function keepRunning() {
    if (context.state === "suspended" || context.state === "interrupted") context.resume();
  }

  async function begin(peer, transceiver, track, streams, layer = "peer connections") {
    if (captured.has(track)) return;
    const number = ++tracksSeen;
    const capture = { number, peer, transceiver, nodes: null, element: null };
    captured.set(track, capture);
    track.addEventListener("ended", () => end(track));
    try {
      if (!context) openContext();
      await ready;
      tell("track", {
        track: number,
        label: track.id,
        streams: streams.map((stream) => stream.id),
        peer: peers.get(peer) ?? 0,
        mid: transceiver?.mid ?? null,
        layer,
        sampleRate: context.sampleRate,
      });
      if (captured.get(track) !== capture) return tell("gone", { track: number });
      if (config.attachElement && peer) capture.element = mutedElement(track);
      capture.nodes = connect(track, number);
    } catch (error) {
      captured.delete(track);
      tell("trouble", { detail: `capture of a track could not begin: ${error}` });
    }
  }

  function mutedElement(track) {
    const element = new Audio();
    element.muted = true;
    element.autoplay = true;
    element.srcObject = new MediaStream([track]);
    return element;
  }

  function connect(track, number) {
    const mediaStream = new MediaStream([track]);
    const source = new MediaStreamAudioSourceNode(context, { mediaStream });
    const worklet = pcmNode(context, number);
    source.connect(worklet);
    return { source, worklet };
  }

  // The node that cuts a track into blocks. `shift` gives by how many frames the context's clock is
  // behind this document's.
  function pcmNode(into, number, shift = () => 0) {
    const node = new AudioWorkletNode(into, "meetcore-pcm", {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      processorOptions: { track: number, blockFrames: Math.round(into.sampleRate * config.blockS) },
    });
    if (outlets.has(into)) return node;
    outlets.add(into);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) tellAudio(data, shift());
      else tickets.get(data.done)?.();
    };
    node.port.postMessage({ port: port2 }, [port2]);
    return node;
  }

  // Has the audio thread hand over what it holds of a block, and returns when that is told.
  async function command(worklet, name) {
    const ticket = crypto.randomUUID();
    const answered = new Promise((resolve) => tickets.set(ticket, resolve));
    const givenUp = new Promise((resolve) => setTimeout(resolve, config.flushMs));
    worklet.port.postMessage({ command: name, ticket });
    await Promise.race([answered, givenUp]);
    tickets.delete(ticket);
  }

  // Also what was closed just now may not have told its last block yet: a meeting that ends closes all.
  async function flush() {
    const worklets = [...captured.values()].flatMap(({ nodes }) => nodes?.worklet ?? []);
    const open = worklets.map((worklet) => command(worklet, "flush"));
    await Promise.all([...open, ...endings]);
  }

  function end(track) {
    const capture = captured.get(track);
    if (!capture) return;
    captured.delete(track);
    capture.behindS = behindS();
    if (!capture.nodes) return; // `begin` is still at it and tells the end itself
    const ending = closeCapture(capture);
    endings.add(ending);
    ending.finally(() => endings.delete(ending));
  }

  async function closeCapture(capture) {
    await command(capture.nodes.worklet, "close");
    capture.nodes.source.disconnect();
    if (capture.element) capture.element.srcObject = null;
    tell("gone", { track: capture.number, behindS: capture.behindS });
  }

  // A track whose m-line no longer receives is over, whatever its own state says. It comes back with
  // another `track` event.
  function dropWhatNoLongerReceives(peer) {
    if (peer.signalingState !== "stable") return;
    for (const [track, { peer: owner, transceiver }] of captured) {
      if (owner === peer && !RECEIVING.has(transceiver.currentDirection)) end(track);
    }
  }

  function attach(peer) {
    if (peers.has(peer)) return;
    peers.set(peer, ++peersSeen);
    openPeers.add(peer);
    peer.addEventListener("track", ({ track, transceiver, streams }) => {
      // Some clients hear the same track twice.
      if (track.kind === "audio" && !captured.has(track)) begin(peer, transceiver, track, streams);
    });
    peer.addEventListener("signalingstatechange", () => dropWhatNoLongerReceives(peer));
  }

  // Whether a peer connection gave a track. Who asks may have heard of the track before we did.
  function isRemote(track) {
    if (captured.has(track)) return true;
    return [...openPeers].some((peer) => peer.getReceivers().some((receiver) => receiver.track === track));
  }

  // For page/web_audio.js.
  meetcore.firstLayer = {
    isRemote,
    loadWorklet,
    pcmNode,
    command,
    flush,
    context: () => context,
    next: () => ++tracksSeen,
    open() {
      if (!context) openContext();
      return ready;
    },
  };

  async function tellHealth() {
    if (captured.size === 0) return;
    const owners = new Set([...captured.values()].map(({ peer }) => peer).filter(Boolean));
    const stats = new Map();
    for (const peer of owners) {
      for (const entry of (await getStats.call(peer)).values()) {
        if (entry.type === "inbound-rtp") stats.set(entry.trackIdentifier, entry);
      }
    }
    const tracks = [];
    for (const [track, { number }] of captured) {
      const entry = stats.get(track.id);
      tracks.push({
        track: number,
        packets: entry?.packetsReceived ?? 0,
        emitted: entry?.jitterBufferEmittedCount ?? 0,
        energy: entry?.totalAudioEnergy ?? 0,
        concealed: entry?.concealedSamples ?? 0,
      });
    }
    const place = { wallMs: performance.timeOrigin + performance.now(), frame: meetcore.soundFrame() };
    tell("health", { context: context?.state ?? "none", tracks, ...place });
  }

  async function watchHealth() {
    try {
      await tellHealth();
    } catch (error) {
      tell("trouble", { detail: `statistics of the call cannot be read: ${error}` });
    }
    setTimeout(watchHealth, config.healthMs);
  }

  if (proto && meetcore.connected) {
    proto.setRemoteDescription = function (...parameters) {
      attach(this);
      return setRemoteDescription.apply(this, parameters);
    };
    proto.close = function () {
      for (const [track, { peer }] of captured) if (peer === this) end(track);
      openPeers.delete(this);
      return close.call(this);
    };
    // For page/tab_capture.js.
    meetcore.captureTrack = (track, layer) => begin(null, null, track, [], layer);
    meetcore.releaseTrack = end;
    meetcore.offer("flush", flush);
    setTimeout(watchHealth, config.healthMs);
    if (window === window.top && location.protocol.startsWith("http")) warmUp();
  }
}
