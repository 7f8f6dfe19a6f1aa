// Reads along what the service sends to its own client on datachannels: who is there, what is written and
// said, who speaks. It listens and sends nothing; what the bytes mean is the host's to find out.
const LABELS = new Set(["collections", "captions", "dcrpc"]);
const LONGEST = 512 * 1024;
const proto = window.RTCPeerConnection?.prototype;
const listened = new WeakSet();

const base64 = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
};

const bytesOf = async (data) => {
  if (typeof data === "string") return new TextEncoder().encode(data);
  return new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data);
};

const listen = (channel) => {
  if (listened.has(channel) || !LABELS.has(channel.label)) return;
  listened.add(channel);
  channel.addEventListener("message", async ({ data }) => {
    const bytes = await bytesOf(data);
    if (bytes.length > LONGEST) return;
    meetcore.tell("channel", { label: channel.label, bytes: base64(bytes) });
  });
};

if (proto) {
  const { setRemoteDescription, createDataChannel } = proto;
  proto.setRemoteDescription = function (...parameters) {
    if (!listened.has(this)) {
      listened.add(this);
      this.addEventListener("datachannel", ({ channel }) => listen(channel));
    }
    return setRemoteDescription.apply(this, parameters);
  };
  proto.createDataChannel = function (...parameters) {
    const channel = createDataChannel.apply(this, parameters);
    listen(channel);
    return channel;
  };
}
