// Carries messages and audio from this document to the host, through the one binding there is.
//
// A fragment: the host joins these files inside one function whose only name is `meetcore`
// ({config}). The binding is a function that Chromium put on the window; it is taken away
// again before any script of the page runs. Audio goes as base64 of a little-endian header (u32
// document, u32 track, f64 index of the first frame) and int16 samples; everything else as JSON.
{
  const HEADER_BYTES = 16;
  const push = window[meetcore.config.binding];
  delete window[meetcore.config.binding];

  const documentId = crypto.getRandomValues(new Uint32Array(1))[0];
  const stringify = JSON.stringify.bind(JSON);
  const native64 = Uint8Array.prototype.toBase64;
  const base64 = (bytes) => {
    if (native64) return native64.call(bytes);
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };

  // In a cross-site frame with a process of its own there is no binding: nothing can be said there.
  meetcore.connected = typeof push === "function";

  meetcore.tell = (topic, data = null) => {
    if (!meetcore.connected) return;
    push(stringify({ document: documentId, topic, data, frame: meetcore.soundFrame?.() ?? null }));
  };

  // What our own files say goes by another way than a joiner's topics, so that no name of theirs
  // can be one of ours. It is closed before the joiner's files run, as is the way for audio.
  meetcore.tellHost = (topic, data = null) => {
    if (meetcore.connected) push(stringify({ document: documentId, own: true, topic, data }));
  };

  meetcore.tellAudio = (track, firstFrame, pcm) => {
    if (!meetcore.connected) return;
    const bytes = new Uint8Array(HEADER_BYTES + pcm.byteLength);
    const header = new DataView(bytes.buffer);
    header.setUint32(0, documentId, true);
    header.setUint32(4, track, true);
    header.setFloat64(8, firstFrame, true);
    bytes.set(new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength), HEADER_BYTES);
    push(base64(bytes));
  };

  // The way in, for the host's own evaluations: not enumerable, under a symbol.
  const commands = {};
  Object.defineProperty(window, Symbol.for("meetcore"), { value: commands });
  meetcore.offer = (name, command) => {
    commands[name] = command;
  };
}
