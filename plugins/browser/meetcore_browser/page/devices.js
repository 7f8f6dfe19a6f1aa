// The bot's own microphone, camera and screen, which the page gets in place of this machine's.
//
// A bot never opens a real device: it may run on a person's own machine. What the page asks for is made
// here: a microphone that plays what the host sends, a camera and a screen that show the pictures they
// were given. Until the bot first speaks the microphone's context is suspended, and until they are given
// a picture camera and screen have no frames: a bot that only listens pays for none of them.
//
// Facts of Chromium this file is built on (measured with 156):
// * A page may stop a track that it was handed; each gets a clone, so that the source lives on.
// * An AudioContext whose sink is {type: "none"} runs without a device.
if (meetcore.config.devices && window.MediaDevices && navigator.mediaDevices) {
  const { config, captureTrack, pictureTrack } = meetcore;
  const { getUserMedia, enumerateDevices } = MediaDevices.prototype;
  const NativeAudioContext = window.AudioContext;
  const { connect } = AudioNode.prototype;
  const GROUP = "meetcore";
  const MICROPHONE = { deviceId: "meetcore-microphone", kind: "audioinput", label: "Bot microphone", groupId: GROUP };
  const CAMERA = { deviceId: "meetcore-camera", kind: "videoinput", label: "Bot camera", groupId: GROUP };
  const ON_SCREEN = { displaySurface: "monitor", logicalSurface: true, cursor: "never" };
  const SCREEN = { deviceId: "meetcore-screen", kind: "videoinput", label: "screen:0:0", groupId: GROUP };

  // --- what the page is handed -----------------------------------------------------------

  // Gives a track the device's name and settings, and its clones, too.
  function dressed(track, device) {
    const { getSettings } = MediaStreamTrack.prototype;
    Object.defineProperties(track, {
      label: { value: device.label },
      getSettings: { value: () => ({ ...getSettings.call(track), deviceId: device.deviceId, groupId: GROUP, ...(device === SCREEN && ON_SCREEN) }) },
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
    if (video) tracks.push(handedOut(camera.track(), CAMERA));
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

  // --- camera and screen -------------------------------------------------------------------

  // Both are made where they are first asked for, by the page or by the host.
  const camera = pictureTrack(config.picture);
  const screen = pictureTrack(config.screen);
  const shared = new Set(); // tracks of the screen that the page has
  let sharing = false;

  // Returns the picture's size; null in a document whose page never asked for the camera. What cannot be
  // decoded is thrown, and what was shown before stays.
  meetcore.offer("showPicture", (given) => (camera.made ? camera.show(given) : null));
  meetcore.offer("hidePicture", () => (camera.made ? camera.hide() : null));

  // Until the host shares something there is no screen, as where a person chooses none.
  MediaDevices.prototype.getDisplayMedia = async function () {
    if (!sharing) throw new DOMException("Permission denied", "NotAllowedError");
    const track = handedOut(screen.track(), SCREEN);
    track.contentHint = "detail";
    for (const each of shared) if (each.readyState === "ended") shared.delete(each);
    shared.add(track);
    return new MediaStream([track]);
  };

  // The page may ask for the screen from now on, and whoever has it already sees the picture.
  meetcore.offer("sharePicture", async (given) => {
    const shown = await screen.show(given);
    sharing = true;
    return shown;
  });
  meetcore.offer("shares", () => [...shared].some(({ readyState }) => readyState === "live"));
  // Ends what the page still has of it, as the browser's own 'Stop sharing' does.
  meetcore.offer("stopSharing", () => {
    sharing = false;
    if (screen.made) screen.hide();
    for (const track of shared) {
      if (track.readyState === "ended") continue;
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }
    shared.clear();
    return true;
  });
}
