// The bot's own microphone and camera, which the page gets in place of this machine's.
//
// A bot never opens a real device: it may run on a person's own machine. What the page asks for is made
// here: a microphone that plays what the host sends, and a camera that shows the picture it was given.
// Until the bot first speaks the microphone's context is suspended, and until it is given a picture the
// camera has no frames: a bot that only listens pays for neither.
//
// Facts of Chromium this file is built on (measured with 156):
// * A page may stop a track that it was handed; each gets a clone, so that the source lives on.
// * A canvas whose stream is captured with 0 frames a second gives a frame where one is requested.
// * An AudioContext whose sink is {type: "none"} runs without a device.
if (meetcore.config.devices && window.MediaDevices && navigator.mediaDevices) {
  const { config, captureTrack } = meetcore;
  const { getUserMedia, enumerateDevices } = MediaDevices.prototype;
  const NativeAudioContext = window.AudioContext;
  const { connect } = AudioNode.prototype;
  const GROUP = "meetcore";
  const MICROPHONE = { deviceId: "meetcore-microphone", kind: "audioinput", label: "Bot microphone", groupId: GROUP };
  const CAMERA = { deviceId: "meetcore-camera", kind: "videoinput", label: "Bot camera", groupId: GROUP };
  const { width: WIDTH, height: HEIGHT } = config.picture;
  const STILL_MS = 500; // how often a picture that does not move is sent, for whoever comes later
  const SHORTEST_FRAME_MS = 40;

  // --- what the page is handed -----------------------------------------------------------

  // Gives a track the device's name and settings, and its clones, too.
  function dressed(track, device) {
    const { getSettings } = MediaStreamTrack.prototype;
    Object.defineProperties(track, {
      label: { value: device.label },
      getSettings: { value: () => ({ ...getSettings.call(track), deviceId: device.deviceId, groupId: GROUP }) },
      clone: { value: () => dressed(MediaStreamTrack.prototype.clone.call(track), device) },
    });
    return track;
  }

  const handedOut = (track, device) => dressed(MediaStreamTrack.prototype.clone.call(track), device);

  function fits(wanted, device) {
    const exact = wanted?.deviceId?.exact;
    return exact === undefined || [exact].flat().includes(device.deviceId);
  }

  async function ownDevices(constraints) {
    const { audio, video } = constraints ?? {};
    const elsewhere = [audio, video].some((wanted) => wanted?.mandatory?.chromeMediaSource);
    if (elsewhere || (!audio && !video)) return getUserMedia.call(navigator.mediaDevices, constraints);
    if (!fits(audio, MICROPHONE) || !fits(video, CAMERA)) throw new OverconstrainedError("deviceId");
    const tracks = [];
    if (audio) tracks.push(handedOut(microphone(), MICROPHONE));
    if (video) tracks.push(handedOut(camera(), CAMERA));
    return new MediaStream(tracks);
  }

  MediaDevices.prototype.getUserMedia = async function (constraints) {
    return ownDevices(constraints);
  };
  for (const name of ["getUserMedia", "webkitGetUserMedia"]) {
    if (typeof navigator[name] !== "function") continue;
    Object.defineProperty(Navigator.prototype, name, {
      configurable: true,
      writable: true,
      value: (constraints, done, failed) => void ownDevices(constraints).then(done, failed),
    });
  }
  MediaDevices.prototype.enumerateDevices = async function () {
    const outputs = (await enumerateDevices.call(this)).filter(({ kind }) => kind === "audiooutput");
    return [...[MICROPHONE, CAMERA].map((device) => ({ ...device, toJSON: () => ({ ...device }) })), ...outputs];
  };

  // --- the microphone --------------------------------------------------------------------

  let context = null;
  let voice = null; // the node that plays
  let source = null; // its track
  let ready = null;
  let awake = false;
  const tickets = new Map();

  function microphone() {
    if (source) return source;
    const wanted = { sampleRate: config.speechRate, latencyHint: "interactive" };
    try {
      context = new NativeAudioContext({ ...wanted, sinkId: { type: "none" } });
    } catch {
      context = new NativeAudioContext(wanted); // a browser that does not know sinks
    }
    context.suspend();
    context.addEventListener("statechange", () => {
      if (awake && context.state !== "running" && context.state !== "closed") context.resume();
    });
    const outlet = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    source = outlet.stream.getAudioTracks()[0];
    ready = prepare(outlet);
    ready.catch(() => {}); // whoever speaks first is told
    return source;
  }

  async function prepare(outlet) {
    const blob = URL.createObjectURL(new Blob([config.speechWorklet], { type: "text/javascript" }));
    try {
      await context.audioWorklet.addModule(blob);
    } catch {
      // Some content security policies take one kind of URL and not the other.
      await context.audioWorklet.addModule("data:text/javascript," + encodeURIComponent(config.speechWorklet));
    } finally {
      URL.revokeObjectURL(blob);
    }
    voice = new AudioWorkletNode(context, "meetcore-speech", { numberOfInputs: 0, outputChannelCount: [1] });
    voice.port.onmessage = ({ data }) => {
      tickets.get(data.ticket)?.(data);
      tickets.delete(data.ticket);
    };
    connect.call(voice, outlet);
  }

  // Returns how many samples were played since the speech began, and how many are still to be.
  function told(message, transfer = []) {
    const ticket = crypto.randomUUID();
    const answer = new Promise((resolve) => tickets.set(ticket, resolve));
    voice.port.postMessage({ ...message, ticket }, transfer);
    return answer;
  }

  function samplesOf(base64) {
    const bytes = Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    return new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1).slice();
  }

  // Returns null in a document whose page never asked for the microphone.
  meetcore.offer("beginSpeech", async () => {
    if (!source) return null;
    await ready;
    if (!awake) {
      awake = true;
      await context.resume();
      await captureTrack?.(source, "own voice");
    }
    return told({ command: "begin" });
  });
  meetcore.offer("speak", (base64) => {
    const pcm = samplesOf(base64);
    return told({ pcm }, [pcm.buffer]);
  });
  meetcore.offer("speechState", () => told({}));
  meetcore.offer("stopSpeech", () => told({ command: "stop" }));

  // --- the camera ------------------------------------------------------------------------

  let canvas = null;
  let brush = null;
  let picture = null; // its track
  let showing = 0; // number of the picture that is shown

  function camera() {
    if (picture) return picture;
    canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    // In memory, where a captured stream takes its frames from, not on a graphics card.
    brush = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    picture = canvas.captureStream(0).getVideoTracks()[0];
    return picture;
  }

  // Draws a frame as large as it fits, in the middle.
  function draw(image, width, height) {
    const scale = Math.min(WIDTH / width, HEIGHT / height);
    const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
    brush.fillStyle = "#000000";
    brush.fillRect(0, 0, WIDTH, HEIGHT);
    brush.drawImage(image, Math.round((WIDTH - w) / 2), Math.round((HEIGHT - h) / 2), w, h);
    picture.requestFrame();
  }

  async function still(blob, number) {
    const bitmap = await createImageBitmap(blob);
    const { width, height } = bitmap;
    const again = () => {
      if (showing !== number) return bitmap.close();
      draw(bitmap, width, height);
      setTimeout(again, STILL_MS);
    };
    again();
    return { width, height, frames: 1 };
  }

  async function moving(blob, type, number) {
    const decoder = new ImageDecoder({ data: await blob.arrayBuffer(), type });
    await Promise.all([decoder.tracks.ready, decoder.completed]);
    const { frameCount } = decoder.tracks.selectedTrack;
    const first = (await decoder.decode()).image;
    const { displayWidth: width, displayHeight: height } = first;
    draw(first, width, height);
    first.close();
    const next = async (index) => {
      if (showing !== number) return decoder.close();
      const { image } = await decoder.decode({ frameIndex: index });
      draw(image, width, height);
      const pause = frameCount === 1 ? STILL_MS : Math.max(SHORTEST_FRAME_MS, (image.duration ?? 0) / 1000);
      image.close();
      setTimeout(() => next((index + 1) % frameCount).catch(() => {}), pause);
    };
    next(0).catch(() => {});
    return { width, height, frames: frameCount };
  }

  // Returns the picture's size; null in a document whose page never asked for the camera. What cannot be
  // decoded is thrown, and what was shown before stays.
  meetcore.offer("showPicture", async ([base64, type]) => {
    if (!picture) return null;
    const bytes = Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const blob = new Blob([bytes], { type });
    const before = showing;
    const number = before + 1;
    showing = number;
    try {
      return await (type === "image/gif" && window.ImageDecoder ? moving(blob, type, number) : still(blob, number));
    } catch (error) {
      if (showing === number) showing = before;
      throw error;
    }
  });
  meetcore.offer("hidePicture", () => {
    if (!picture) return null;
    showing += 1;
    brush.fillStyle = "#000000";
    brush.fillRect(0, 0, WIDTH, HEIGHT);
    picture.requestFrame();
    return true;
  });
}
