// The second layer: hears what no peer connection gives, but the page plays all the same.
//
// Some clients decode the meeting's sound by themselves and play it by Web Audio, or from an element
// with a URL. Every node that is connected to a context's destination is connected to a worklet of
// ours as well, in the page's own context and at its rate; elements that play a stream, or a URL, are
// heard in the context of capture.js. Nothing is taken away from what the page hears: connections
// are only added, none is put in between, and no element is rerouted.
//
// What the first layer has is left out: a node into which nothing but remote tracks flows, an
// element that plays one. So each node knows what flows into it, by the connections that were made:
// sound that is made in the page (`made`), and nodes of which that is to be asked when it matters
// (`origins`): sources of streams, and processors, which make sound where nothing flows into them.
if (meetcore.connected && window.AudioContext && meetcore.firstLayer) {
  const { config, tellHost: tell, firstLayer: capture } = meetcore;
  const { connect, disconnect } = AudioNode.prototype;
  const { play, captureStream } = HTMLMediaElement.prototype;
  const { clone } = MediaStreamTrack.prototype;
  const { clone: cloneStream } = MediaStream.prototype;
  const { getUserMedia } = window.MediaDevices?.prototype ?? {};
  const DRIFT_S = 0.25;
  const SETTLED_S = 0.2; // a context that has just begun skips some frames

  let on = config.webAudio === "on";
  let lastTrouble = null;
  const flows = new WeakMap(); // AudioNode -> what flows into it and where it is connected to
  const sinks = new Set(); // WeakRefs of the nodes that are connected to a destination
  const taps = new Map(); // AudioContext of the page -> what belongs to its capture
  const heard = new Map(); // media element -> what belongs to its capture
  const watched = new WeakSet(); // media elements whose events we hear
  const elements = new Set(); // WeakRefs of those
  const rerouted = new WeakSet(); // media elements whose sound goes into a context
  const ownTracks = new WeakSet(); // of the bot's own microphone
  const originals = new WeakMap(); // clone of a MediaStreamTrack -> what it was cloned from
  const nodeOfTrack = new WeakMap(); // MediaStreamTrack -> the node of a context that makes it
  const ours = new WeakSet(); // nodes of this file

  const told = (error) => {
    const detail = `sound of the page itself cannot be heard: ${error}`;
    if (detail !== lastTrouble) tell("trouble", { detail });
    lastTrouble = detail;
  };

  // --- what flows where ------------------------------------------------------------------

  const isProcessor = (node) =>
    node instanceof AudioWorkletNode || (window.ScriptProcessorNode && node instanceof ScriptProcessorNode);

  const flow = (node) => {
    let known = flows.get(node);
    if (known) return known;
    const scheduled = node instanceof AudioScheduledSourceNode && !(node instanceof ConstantSourceNode);
    const element = window.MediaElementAudioSourceNode && node instanceof MediaElementAudioSourceNode;
    known = { to: new Set(), made: Boolean(scheduled || element), origins: new Set(), outputs: new Set(), tapped: false };
    if (isProcessor(node) || node instanceof MediaStreamAudioSourceNode) known.origins.add(node);
    flows.set(node, known);
    if (element) {
      rerouted.add(node.mediaElement);
      considerElement(node.mediaElement);
    }
    return known;
  };

  const trackKind = (given, depth) => {
    let track = given;
    while (originals.has(track)) track = originals.get(track);
    if (!track || ownTracks.has(track)) return "nothing";
    if (capture.isRemote(track)) return "taken";
    const node = nodeOfTrack.get(track);
    return node ? kind(node, depth + 1) : "made";
  };

  const originKind = (origin, depth) => {
    if (origin instanceof MediaStreamAudioSourceNode) {
      return trackKind(origin.mediaStream.getAudioTracks()[0], depth);
    }
    const known = flow(origin);
    return known.made || known.origins.size > 1 ? "nothing" : "made"; // what flows in speaks for itself
  };

  // `made` where anything flows in that the first layer does not have, `taken` where it has all.
  const kind = (node, depth = 0) => {
    const known = flow(node);
    if (known.made) return "made";
    if (depth > 8) return "nothing";
    const kinds = new Set([...known.origins].map((origin) => originKind(origin, depth)));
    return kinds.has("made") ? "made" : kinds.has("taken") ? "taken" : "nothing";
  };

  const spread = (from, to) => {
    const { made, origins } = flow(from);
    const seen = new Set([from]);
    const open = [to];
    for (let node = open.pop(); node; node = open.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      const known = flow(node);
      known.made ||= made;
      for (const origin of origins) known.origins.add(origin);
      if (known.outputs.size) consider(node);
      open.push(...known.to);
    }
  };

  const connected = (from, to, output) => {
    if (!(to instanceof AudioNode) || ours.has(from) || ours.has(to)) return;
    if (from.context instanceof OfflineAudioContext) return;
    const known = flow(from);
    if (to instanceof AudioDestinationNode) {
      if (!known.outputs.size) remember(sinks, from);
      known.outputs.add(output);
      known.tapped = false;
      consider(from);
      return;
    }
    known.to.add(to);
    if (to instanceof MediaStreamAudioDestinationNode) {
      for (const track of to.stream.getAudioTracks()) nodeOfTrack.set(track, to);
    }
    spread(from, to);
    if (to instanceof MediaStreamAudioDestinationNode) considerElements();
  };

  const disconnected = (node, to, output) => {
    const known = flows.get(node);
    if (!known || ours.has(node)) return;
    const all = to === undefined;
    if (typeof to === "number") known.outputs.delete(to);
    else if (all || to instanceof AudioDestinationNode) {
      if (output === undefined) known.outputs.clear();
      else known.outputs.delete(output);
    }
    if (all) known.to.clear();
    else if (to instanceof AudioNode) known.to.delete(to);
    if (!(all || typeof to === "number" || to instanceof AudioDestinationNode) || !known.tapped) return;
    // A bare disconnect() has taken our connection away, too; after another one we begin anew.
    unplug(node);
    known.tapped = false;
    if (known.outputs.size) consider(node);
  };

  const remember = (set, thing) => {
    if (set.size > 256) for (const old of set) if (!old.deref()) set.delete(old);
    set.add(new WeakRef(thing));
  };

  // --- nodes that reach a destination --------------------------------------------------------

  const unplug = (node) => {
    const tap = taps.get(node.context);
    try {
      if (tap) disconnect.call(node, tap.junction);
    } catch {
      // It was not connected.
    }
  };

  const consider = (node) => {
    if (!on) return;
    const known = flow(node);
    const wanted = kind(node) === "made";
    if (wanted && !known.tapped) {
      const { junction } = tapOf(node.context);
      for (const output of known.outputs) connect.call(node, junction, output);
      known.tapped = true;
    } else if (!wanted && known.tapped) {
      unplug(node);
      known.tapped = false;
    }
  };

  const tapOf = (context) => {
    let tap = taps.get(context);
    if (tap) return tap;
    const junction = new GainNode(context);
    ours.add(junction);
    tap = { junction, worklet: null, number: 0, shift: 0, busy: false, loaded: null };
    taps.set(context, tap);
    context.addEventListener("statechange", () => followState(context, tap));
    followState(context, tap);
    return tap;
  };

  // A context that stands still makes no sound, and its time stands still as well: its track is
  // over, and a new one begins when it goes on, at another place of the call's clock.
  const followState = async (context, tap) => {
    if (context.state === "closed") taps.delete(context);
    if (tap.busy) return;
    tap.busy = true;
    try {
      if (wantsTap(context) && !tap.worklet) await beginTap(context, tap);
      else if (!wantsTap(context) && tap.worklet) await endTap(tap);
    } catch (error) {
      told(error);
    }
    tap.busy = false;
    if (wantsTap(context) !== Boolean(tap.worklet) && !tap.failed) followState(context, tap);
  };

  const wantsTap = (context) => on && context.state === "running";

  const shiftOf = (context) =>
    Math.max(0, Math.round((capture.context().currentTime - context.currentTime) * context.sampleRate));

  const beginTap = async (context, tap) => {
    tap.failed = true;
    await capture.open();
    tap.loaded ??= capture.loadWorklet(context);
    await tap.loaded;
    for (let turn = 0; turn < 20 && wantsTap(context) && context.currentTime < SETTLED_S; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    tap.failed = false;
    if (!wantsTap(context)) return;
    tap.number = capture.next();
    tap.shift = shiftOf(context);
    tellTrack(tap.number, `context-${tap.number}`, context.sampleRate);
    tap.worklet = pcmNode(context, tap.number, () => tap.shift);
    connect.call(tap.junction, tap.worklet);
  };

  const endTap = async (tap) => {
    const { worklet, number } = tap;
    tap.worklet = null;
    disconnect.call(tap.junction, worklet);
    await capture.command(worklet, "close");
    tell("gone", { track: number });
  };

  // Two contexts on two clocks part in the course of hours, or of a busy second. What is behind is
  // placed later from then on; what is ahead would come before what was told, and is a track anew.
  const mindDrift = async () => {
    for (const [context, tap] of taps) {
      if (!tap.worklet || tap.busy || context.state !== "running") continue;
      const ahead = tap.shift - shiftOf(context);
      if (ahead < -DRIFT_S * context.sampleRate) tap.shift -= ahead;
      if (ahead < 2 * DRIFT_S * context.sampleRate) continue;
      tap.busy = true;
      await endTap(tap);
      tap.busy = false;
      followState(context, tap);
    }
  };

  // --- elements that play --------------------------------------------------------------------

  const tracksOf = (element) => {
    if (element.srcObject instanceof MediaStream) {
      return element.srcObject.getAudioTracks().filter((track) => trackKind(track, 0) === "made");
    }
    if (element.srcObject || !captureStream || !element.currentSrc) return [];
    return captureStream.call(element).getAudioTracks();
  };

  const plays = (element) =>
    !element.paused && !element.ended && !element.muted && element.volume > 0 && !rerouted.has(element);

  const considerElement = (element) => {
    const known = heard.get(element);
    if (!on || !plays(element)) {
      if (known) endElement(element);
      return;
    }
    if (known && known.source === (element.srcObject ?? element.currentSrc)) return;
    if (known) endElement(element);
    try {
      const tracks = tracksOf(element).filter((track) => track.readyState === "live");
      if (tracks.length) beginElement(element, tracks);
    } catch (error) {
      told(error); // of another origin, or protected
    }
  };

  const considerElements = () => {
    for (const ref of elements) {
      const element = ref.deref();
      if (element) considerElement(element);
    }
  };

  const beginElement = async (element, tracks) => {
    const known = { source: element.srcObject ?? element.currentSrc, number: capture.next(), nodes: [], worklet: null };
    heard.set(element, known);
    await capture.open();
    if (heard.get(element) !== known) return;
    const context = capture.context();
    tellTrack(known.number, `element-${known.number}`, context.sampleRate);
    known.worklet = pcmNode(context, known.number);
    for (const track of tracks) {
      const node = new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([track]) });
      ours.add(node);
      connect.call(node, known.worklet);
      known.nodes.push(node);
      track.addEventListener("ended", () => considerElement(element));
    }
  };

  const endElement = async (element) => {
    const known = heard.get(element);
    heard.delete(element);
    if (!known.worklet) return;
    await capture.command(known.worklet, "close");
    for (const node of known.nodes) disconnect.call(node);
    tell("gone", { track: known.number });
  };

  const watch = (element) => {
    if (!(element instanceof HTMLMediaElement) || watched.has(element)) return;
    watched.add(element);
    remember(elements, element);
    for (const name of ["playing", "pause", "ended", "emptied", "volumechange"]) {
      element.addEventListener(name, () => considerElement(element));
    }
    considerElement(element);
  };

  // --- to the host ---------------------------------------------------------------------------

  const tellTrack = (number, label, sampleRate) =>
    tell("track", { track: number, layer: "web audio", label, streams: [], peer: 0, mid: null, sampleRate });

  const pcmNode = (...parameters) => {
    const node = capture.pcmNode(...parameters);
    ours.add(node);
    return node;
  };

  const flush = () =>
    Promise.all(
      [...taps.values(), ...heard.values()].map(({ worklet }) => worklet && capture.command(worklet, "flush"))
    );

  // --- what is wrapped -----------------------------------------------------------------------

  AudioNode.prototype.connect = function (...parameters) {
    const result = connect.apply(this, parameters);
    try {
      connected(this, parameters[0], parameters[1] ?? 0);
    } catch (error) {
      told(error);
    }
    return result;
  };

  AudioNode.prototype.disconnect = function (...parameters) {
    const result = disconnect.apply(this, parameters);
    try {
      disconnected(this, parameters[0], parameters[1]);
    } catch (error) {
      told(error);
    }
    return result;
  };

  HTMLMediaElement.prototype.play = function (...parameters) {
    watch(this);
    return play.apply(this, parameters);
  };

  const srcObject = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
    ...srcObject,
    set(value) {
      srcObject.set.call(this, value);
      watch(this);
    },
  });

  MediaStreamTrack.prototype.clone = function () {
    const copy = clone.call(this);
    originals.set(copy, this);
    return copy;
  };

  MediaStream.prototype.clone = function () {
    const tracks = this.getAudioTracks();
    const copy = cloneStream.call(this);
    copy.getAudioTracks().forEach((track, i) => tracks[i] && originals.set(track, tracks[i]));
    return copy;
  };

  if (getUserMedia) {
    MediaDevices.prototype.getUserMedia = async function (...parameters) {
      const stream = await getUserMedia.apply(this, parameters);
      for (const track of stream.getAudioTracks()) ownTracks.add(track);
      return stream;
    };
  }

  window.addEventListener("play", ({ target }) => watch(target), true);

  setInterval(() => mindDrift().catch(told), config.healthMs);
  meetcore.offer("flush", () => Promise.all([capture.flush(), flush()]));
  meetcore.offer("webAudio", (wanted) => {
    on = wanted;
    for (const ref of sinks) {
      const node = ref.deref();
      if (!node) continue;
      if (!on && flow(node).tapped) unplug(node);
      flow(node).tapped &&= on;
      if (flow(node).outputs.size) consider(node);
    }
    for (const [context, tap] of taps) followState(context, tap);
    considerElements();
    return true;
  });
}
