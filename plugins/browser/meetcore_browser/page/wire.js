// Carries messages and audio from this document to the host, through the one binding there is.
//
// A fragment: the host joins these files inside one function whose only name is `meetcore`
// ({config}). The binding is a function that Chromium put on the window; it is taken away
// again before any script of the page runs. Audio goes as base64, little-endian: u32 document, then
// for each block u32 track, u32 samples, f64 index of the first frame, and the samples as int16.
// Everything else goes as JSON.
{
  const DOCUMENT_BYTES = 4;
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

  // Begins the names of whatever is counted anew in each document.
  meetcore.documentName = documentId.toString(36);

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

  // Takes what page/pcm_worklet.js laid out, and by how many frames it is later on this document's
  // clock than on the clock of the context that it is from.
  meetcore.tellAudio = (message, shift) => {
    if (!meetcore.connected) return;
    const view = new DataView(message);
    view.setUint32(0, documentId, true);
    for (let at = DOCUMENT_BYTES; shift && at < message.byteLength; ) {
      view.setFloat64(at + 8, view.getFloat64(at + 8, true) + shift, true);
      at += HEADER_BYTES + 2 * view.getUint32(at + 4, true);
    }
    push(base64(new Uint8Array(message)));
  };

  // The way in, for the host's own evaluations: not enumerable, under a symbol.
  const commands = {};
  Object.defineProperty(window, Symbol.for("meetcore"), { value: commands });
  meetcore.offer = (name, command) => {
    commands[name] = command;
  };
}
