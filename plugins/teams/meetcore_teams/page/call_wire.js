// Listens to what the client is told anyway: who is there, whose stream is whose, who is dominant.
//
// Passive: no message is sent, held back or changed. Three sources, each only where there is one:
// * the client's notification socket and its HTTP answers carry rosters. A frame is `3:::` and JSON;
//   where its url ends in `rosterUpdate` the body is deflated JSON in base64. One who came late gets
//   only changes there, so only an HTTP answer counts as a whole list, and only where changes come;
// * the data channel `main-channel` carries the history of dominant speakers, the newest first;
// * contributing sources of the received tracks say who is in a mix at this moment.
//
// Whoever is signed in is told of the other calls of the account, too: each call's people are kept by
// themselves, and only those of the call that was joined are anybody's.
{
  const PERSON = /^\d+:[\w.+-]+(:[\w.+-]+)*$/;
  const GONE = /^(inactive|left|removed|disconnected|declined|invited)$/i;
  const ROSTER_URL = /roster|participants|conversation|\/conv\/|\/calls?\//i;
  const ENDED_URL = /\/(call\/(end|rejection)|conversation\/conversationEnd)\/?$/;
  const THREAD = /19:[\w+.=-]+@thread\.\w+/;
  const MOST_BYTES = 2_000_000;
  const MOST_CALLS = 40;
  const SOURCES_MS = 100;
  const SILENT_MS = 400;

  // --- which call a roster is of ---------------------------------------------------------

  const newCall = () => ({
    keys: new Set(), // its thread, or what the client calls it where no thread is named
    clients: new Set(), // what the client calls it
    endpoints: new Set(), // of its people: the same in the list and in its changes, and in no other call
    people: new Map(),
    sources: new Map(),
    complete: false,
    live: false,
  });
  const nobody = newCall();
  const all = newCall(); // of a guest, who has but one
  const calls = [];
  let found = null; // the joined call, once it is known
  const joined = { thread: null, account: false };
  const threadIn = (text) => THREAD.exec(text)?.[0] ?? null;
  const pageThread = () => {
    try {
      return threadIn(decodeURIComponent(location.href));
    } catch {
      return null;
    }
  };

  const callOf = (url, body, people) => {
    const named = [body, body?.roster, body?.conversation, body?.groupChat].map((part) =>
      threadIn(String(part?.threadId ?? part?.conversationId ?? "")),
    );
    const thread = named.find(Boolean) ?? threadIn(url.replace(/%3a/gi, ":").replace(/%40/g, "@"));
    const client = /callAgent\/([^/]+)\//.exec(url)?.[1] ?? /\/conv\/([^/?]+)/.exec(url)?.[1] ?? "";
    const key = thread ?? client;
    const endpoints = people.flatMap(([, one]) => Object.keys(one?.endpoints ?? {}));
    let call = calls.find(({ keys }) => keys.has(key));
    call ??= calls.find((one) => endpoints.some((endpoint) => one.endpoints.has(endpoint)));
    if (!call && !key && !endpoints.length) return newCall(); // of whatever call: of none
    if (!call) calls.push((call = newCall()));
    if (calls.length > MOST_CALLS) calls.splice(calls.findIndex((one) => one !== found), 1);
    if (key) call.keys.add(key);
    if (client) call.clients.add(client);
    for (const endpoint of endpoints) call.endpoints.add(endpoint);
    return call;
  };

  const isThread = (key) => key.startsWith("19:");
  const bare = (name) => wire.bare?.(name) ?? name;
  const hasUs = ({ people }) =>
    Boolean(wire.self) && [...people.values()].some(({ name }) => bare(name) === bare(wire.self));

  // The joined call; with a doubt left nobody's, and the page's own list is read instead. Once it is
  // known it stays, whatever is told of others later.
  const chosen = () => {
    if (!joined.account) return all;
    const thread = joined.thread ?? pageThread();
    const named = thread && calls.find(({ keys }) => keys.has(thread));
    if (named) return (found = named);
    const others = ({ keys }) => thread && [...keys].some(isThread);
    if (found && !others(found)) return found;
    const ours = calls.filter((call) => !others(call) && hasUs(call));
    found = ours.length === 1 ? ours[0] : null;
    return found ?? nobody;
  };

  const wire = {
    self: null,
    get people() {
      return chosen().people;
    },
    get sources() {
      return chosen().sources;
    },
    get complete() {
      return chosen().complete;
    },
    get live() {
      return chosen().live;
    },
  };
  meetcore.wire = wire;
  meetcore.offer("iam", (name) => void (wire.self = name) ?? null);
  meetcore.offer("joins", (meeting) => void Object.assign(joined, meeting) ?? null);

  // --- rosters ---------------------------------------------------------------------------

  const inflate = async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).text();
  };

  const takePerson = (call, key, entry) => {
    const details = entry?.details;
    const id = details?.id ?? key;
    if (typeof id !== "string" || !PERSON.test(id)) return;
    const endpoints = Object.values(entry?.endpoints ?? {});
    const legs = endpoints.map((endpoint) => endpoint?.call).filter(Boolean);
    if (!entry || GONE.test(entry.state ?? "") || (endpoints.length && !legs.length)) {
      call.people.delete(id); // gone, or in the lobby still
      return;
    }
    const before = call.people.get(id);
    const name = details?.displayName ?? before?.name ?? "";
    call.people.set(id, { id, name, role: entry.meetingRole ?? before?.role ?? "" });
    for (const leg of legs) {
      for (const stream of leg.mediaStreams ?? []) {
        const sends = !/^(inactive|recvonly)$/i.test(stream.direction ?? "");
        if (stream.type === "audio" && sends) call.sources.set(String(stream.sourceId), id);
      }
    }
  };

  const takeRoster = (url, body, whole) => {
    const people = body?.participants ?? body?.roster?.participants;
    if (!people || typeof people !== "object") return;
    const entries = Array.isArray(people) ? people.map((one) => [one?.details?.id, one]) : Object.entries(people);
    if (!entries.some(([, entry]) => entry?.details?.displayName !== undefined)) return;
    for (const call of [all, callOf(url, body, entries)]) {
      if (whole) call.people.clear();
      call[whole ? "complete" : "live"] = true;
      for (const [key, entry] of entries) takePerson(call, key, entry);
    }
  };

  // Why the service ended a call, as a number; of one that is not ours it says nothing.
  const takeEnd = (url, body) => {
    const parts = [body, ...Object.values(body ?? {})];
    const code = parts.map((part) => part?.subCode).find(Number.isInteger);
    const client = /callAgent\/([^/]+)\//.exec(url)?.[1] ?? "";
    const known = calls.filter(({ clients }) => clients.has(client));
    const another = joined.account && !known.includes(chosen());
    if (code !== undefined && !another) meetcore.tell("ended", code);
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
      const [url] = String(message.url ?? "").split("?");
      const ends = ENDED_URL.test(url);
      if (!ends && !/rosterUpdate\/?$/.test(url)) return;
      const text = typeof message.body === "string" ? message.body : JSON.stringify(message.body);
      const body = JSON.parse(text.trim().startsWith("{") ? text : await inflate(text));
      if (ends) takeEnd(url, body);
      else takeRoster(url, body, false);
    });

  const takeAnswer = (url, type, text) => {
    if (!/json/i.test(type ?? "") || !ROSTER_URL.test(url) || text.length > MOST_BYTES) return;
    if (text.includes("displayName") && text.includes("participants")) takeRoster(url, JSON.parse(text), true);
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
