// Encodes pictures as H.264, piece by piece, each with its place on the sound's clock.
//
// For tab_video.js and share_video.js. Pieces are access units as a byte stream, in base64.
if (window.VideoEncoder) {
  const base64 = (bytes) => {
    if (bytes.toBase64) return bytes.toBase64();
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };

  meetcore.base64 = base64;

  // `take` gets {frame, key, data}; `places` maps a picture's time stamp to its place on the clock.
  meetcore.pictureEncoder = async ({ width, height, rate, fail, take }) => {
    const config = {
      codec: height > 720 ? "avc1.420028" : "avc1.42001f",
      width,
      height,
      framerate: rate,
      bitrate: Math.round(width * height * rate * 0.1),
      latencyMode: "realtime",
      avc: { format: "annexb" },
    };
    const { supported } = await VideoEncoder.isConfigSupported(config);
    if (!supported) throw new Error("this browser has no encoder of H.264");
    const places = new Map();
    const encoder = new VideoEncoder({
      output(chunk) {
        const bytes = new Uint8Array(chunk.byteLength);
        chunk.copyTo(bytes);
        const frame = places.get(chunk.timestamp);
        places.delete(chunk.timestamp);
        take({ frame, key: chunk.type === "key", data: base64(bytes) });
      },
      error: fail,
    });
    encoder.configure(config);
    return { encoder, places };
  };
}
