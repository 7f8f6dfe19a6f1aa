// Listens to what the client is told anyway: who is there, whose stream is whose, who is dominant.
//
// Passive: no message is sent, held back or changed. Three sources, each only where there is one:
// * the client's notification socket and its HTTP answers carry rosters. A frame is `3:::` and JSON;
//   where its url ends in `rosterUpdate` the body is deflated JSON in base64. One who came late gets
//   only changes there, so only an HTTP answer counts as a whole list, and only where changes come;
// * the data channel `main-channel` carries the history of dominant speakers, the newest first;
// * contributing sources of the received tracks say who is in a mix at this moment.
{
  const PERSON = /^\d+:[\w.+-]+(:[\w.+-]+)*$/;
  const GONE = /^(inactive|left|removed|disconnected|declined|invited)$/i;
  const ROSTER_URL = /roster|participants|conversation|\/conv\/|\/calls?\//i;
  const MOST_BYTES = 2_000_000;
  const SOURCES_MS = 100;
  const SILENT_MS = 400;

  const wire = { self: null, people: new Map(), sources: new Map(), complete: false, live: false };
  meetcore.wire = wire;
  meetcore.offer("iam", (name) => void (wire.self = name) ?? null);

  // --- rosters ---------------------------------------------------------------------------

  const inflate = async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).text();
  };

  const takePerson = (key, entry) => {
    const details = entry?.details;
    const id = details?.id ?? key;
    if (typeof id !== "string" || !PERSON.test(id)) return;
    const endpoints = Object.values(entry?.endpoints ?? {});
    const calls = endpoints.map((endpoint) => endpoint?.call).filter(Boolean);
    if (!entry || GONE.test(entry.state ?? "") || (endpoints.length && !calls.length)) {
      wire.people.delete(id); // gone, or in the lobby still
      return;
    }
    const before = wire.people.get(id);
    const name = details?.displayName ?? before?.name ?? "";
    wire.people.set(id, { id, name, role: entry.meetingRole ?? before?.role ?? "" });
    for (const call of calls) {
      for (const stream of call.mediaStreams ?? []) {
        const sends = !/^(inactive|recvonly)$/i.test(stream.direction ?? "");
        if (stream.type === "audio" && sends) wire.sources.set(String(stream.sourceId), id);
      }
    }
  };

  const takeRoster = (body, whole) => {
    const people = body?.participants ?? body?.roster?.participants;
    if (!people || typeof people !== "object") return;
    const entries = Array.isArray(people) ? people.map((one) => [one?.details?.id, one]) : Object.entries(people);
    if (!entries.some(([, entry]) => entry?.details?.displayName !== undefined)) return;
    if (whole) {
      wire.people.clear();
      wire.complete = true;
    }
    for (const [key, entry] of entries) takePerson(key, entry);
  };

  const quietly = (work) => {
    Promise.resolve()
      .then(work)
      .catch(() => {}); // not what it looked like: nothing is learned from it
  };

  const takeFrame = (data) =>
    quietly(async () => {
      if (typeof data !== "string" || !data.startsWith("3:::")) return;
      const message = JSON.parse(data.slice(4));
      if (!/rosterUpdate\/?$/.test(String(message.url ?? "").split("?")[0])) return;
      const body = typeof message.body === "string" ? message.body : JSON.stringify(message.body);
      takeRoster(JSON.parse(body.trim().startsWith("{") ? body : await inflate(body)), false);
      wire.live = true;
    });

  const takeAnswer = (url, type, text) => {
    if (!/json/i.test(type ?? "") || !ROSTER_URL.test(url) || text.length > MOST_BYTES) return;
    if (text.includes("displayName") && text.includes("participants")) takeRoster(JSON.parse(text), true);
  };

  window.WebSocket = new Proxy(window.WebSocket, {
    construct(target, parameters, made) {
      const socket = Reflect.construct(target, parameters, made);
      socket.addEventListener("message", ({ data }) => takeFrame(data));
      return socket;
    },
  });
  const { fetch } = window;
  window.fetch = async function (...parameters) {
    const answer = await fetch.apply(this, parameters);
    if (ROSTER_URL.test(answer.url) && /json/i.test(answer.headers.get("content-type") ?? "")) {
      const copy = answer.clone();
      quietly(async () => takeAnswer(copy.url, copy.headers.get("content-type"), await copy.text()));
    }
    return answer;
  };
  const { send } = window.XMLHttpRequest.prototype;
  window.XMLHttpRequest.prototype.send = function (...parameters) {
    this.addEventListener("load", () =>
      quietly(() => {
        const text = this.responseType === "json" ? JSON.stringify(this.response) : this.responseText;
        takeAnswer(this.responseURL, this.getResponseHeader("content-type"), text);
      }),
    );
    return send.apply(this, parameters);
  };

  // --- who speaks ------------------------------------------------------------------------

  // A person's id in the newest list of people, or null: a wrong one is worse than none.
  const personOf = (source) => {
    const id = wire.sources.get(String(source));
    return id === undefined ? null : (wire.listed?.(id, wire.people.get(id)?.name) ?? null);
  };

  const takeMessage = (data) =>
    quietly(async () => {
      const bytes = data instanceof Blob ? await data.arrayBuffer() : data;
      const text = typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes);
      const begin = text.search(/[[{]/);
      if (begin < 0) return;
      const message = JSON.parse(text.slice(begin, Math.max(text.lastIndexOf("]"), text.lastIndexOf("}")) + 1));
      for (const part of Array.isArray(message) ? message : [message]) {
        if (part?.type !== "dsh" || !Array.isArray(part.history)) continue;
        const dominant = part.history.length ? personOf(part.history[0]) : null;
        meetcore.tell("dominant", dominant === null ? [] : [dominant]);
      }
    });

  const listened = new WeakSet();
  const listen = (channel) => {
    if (channel?.label !== "main-channel" || listened.has(channel)) return;
    listened.add(channel);
    channel.addEventListener("message", ({ data }) => takeMessage(data));
  };

  const peers = new Set();
  const attach = (peer) => {
    if (peers.has(peer)) return;
    peers.add(peer);
    peer.addEventListener("datachannel", ({ channel }) => listen(channel));
  };
  const proto = window.RTCPeerConnection?.prototype;
  if (proto) {
    const { setRemoteDescription, createDataChannel } = proto;
    proto.setRemoteDescription = function (...parameters) {
      attach(this);
      return setRemoteDescription.apply(this, parameters);
    };
    proto.createDataChannel = function (...parameters) {
      const channel = createDataChannel.apply(this, parameters);
      listen(channel);
      return channel;
    };
  }

  const newest = new Map(); // source -> [its time stamp, when that was another than before]
  let told = "[]";
  const pollSources = () => {
    const now = performance.now();
    for (const peer of peers) {
      if (peer.connectionState === "closed") {
        peers.delete(peer);
        continue;
      }
      for (const receiver of peer.getReceivers()) {
        if (receiver.track?.kind !== "audio") continue;
        for (const { source, timestamp, audioLevel } of receiver.getContributingSources()) {
          const [before] = newest.get(source) ?? [];
          const heard = audioLevel === undefined || audioLevel > 0.003;
          if (before !== timestamp && heard) newest.set(source, [timestamp, now]);
        }
      }
    }
    const active = [...newest].filter(([, [, at]]) => now - at <= SILENT_MS).map(([source]) => personOf(source));
    const ids = [...new Set(active.filter((id) => id !== null))].sort();
    if (newest.size && JSON.stringify(ids) !== told) {
      told = JSON.stringify(ids);
      meetcore.tell("sources", ids);
    }
    setTimeout(pollSources, SOURCES_MS);
  };
  if (proto) setTimeout(pollSources, SOURCES_MS);

  // --- captions as a witness of who speaks -----------------------------------------------

  const CAPTIONED_MS = 300;
  const CAPTION_OVER_MS = 1500;
  const lines = new Map();
  let captioned = "[]";
  let watched = false;
  meetcore.offer("watchCaptions", (on) => void (watched = on) ?? null);
  const pollCaptions = () => {
    setTimeout(pollCaptions, CAPTIONED_MS);
    if (!watched) return;
    const now = performance.now();
    for (const { key, name, text } of meetcore.readers?.captions?.() ?? []) {
      const before = lines.get(key);
      if (before?.text !== text) lines.set(key, { name, text, at: before || lines.size ? now : 0 });
    }
    const fresh = [...lines.values()].filter(({ at }) => at && now - at < CAPTION_OVER_MS);
    const ids = [...new Set(fresh.map(({ name }) => wire.named?.(name) ?? null).filter(Boolean))].sort();
    if (lines.size && JSON.stringify(ids) !== captioned) {
      captioned = JSON.stringify(ids);
      meetcore.tell("captioned", ids);
    }
  };
  setTimeout(pollCaptions, CAPTIONED_MS);

  // --- for the joiner's own hand ---------------------------------------------------------

  meetcore.offer("warmUp", async () => {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
      for (const track of stream.getTracks()) track.stop();
      return "devices are there";
    } catch (error) {
      return `no devices: ${error.name}`;
    }
  });
}
