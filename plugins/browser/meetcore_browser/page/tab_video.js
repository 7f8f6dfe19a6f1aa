// Records the tab as H.264, where the browser has no screen of its own that could be recorded.
//
// It is the browser's own capture of this very tab, accepted by a switch (`LaunchOptions.tab_capture`),
// encoded here and told piece by piece, each with its time on the sound's clock. It costs three times
// what a screen's recording costs.
{
  const { tellHost: tell, soundFrame, pictureEncoder } = meetcore;
  const devices = navigator.mediaDevices;
  const getDisplayMedia = devices?.getDisplayMedia;
  const PATIENCE_MS = 8000;
  const KEY_FRAME_S = 2;
  const PLACES_AGO = 5; // how many frames may be in the encoder at once before one is left out
  let stop = null;

  async function asked(width, height, rate) {
    const late = new Promise((_, reject) => {
      setTimeout(() => reject(new Error("nobody accepted the capture")), PATIENCE_MS);
    });
    const video = { width: { max: width }, height: { max: height }, frameRate: { max: rate } };
    const stream = getDisplayMedia.call(devices, { preferCurrentTab: true, audio: false, video });
    const [track] = (await Promise.race([stream, late])).getVideoTracks();
    return track;
  }

  async function record({ width, height, rate }) {
    const track = await asked(width, height, rate);
    const { readable } = new MediaStreamTrackProcessor({ track });
    const reader = readable.getReader();
    const fail = (error) => {
      stop?.();
      tell("picture", { failed: String(error) });
    };
    const { encoder, places } = await pictureEncoder({ width, height, rate, fail, take: (piece) => tell("picture", piece) });
    stop = () => {
      stop = null;
      track.stop();
      reader.cancel().catch(() => {});
      if (encoder.state !== "closed") encoder.close();
    };
    let last = null; // the newest picture: a tab that does not change gives none
    let keyAt = -Infinity;
    const show = (picture) => {
      const place = soundFrame();
      if (encoder.state !== "configured" || place === null || encoder.encodeQueueSize > PLACES_AGO) return;
      const now = performance.now();
      const keyFrame = now - keyAt >= KEY_FRAME_S * 1000;
      if (keyFrame) keyAt = now;
      places.set(picture.timestamp, place);
      encoder.encode(picture, { keyFrame });
    };
    const timer = setInterval(() => {
      if (!stop) return clearInterval(timer);
      if (!last || performance.now() - last.seenAt < 900) return;
      const again = new VideoFrame(last.picture, { timestamp: Math.round(performance.now() * 1000) });
      last.picture.close();
      last = { picture: again, seenAt: performance.now() };
      show(again);
    }, 300);
    track.addEventListener("ended", () => stop && fail("the capture of the tab ended"));
    (async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        last?.picture.close();
        const timestamp = Math.round(performance.now() * 1000);
        last = { picture: new VideoFrame(value, { timestamp }), seenAt: performance.now() };
        value.close();
        show(last.picture);
      }
    })().catch(fail);
  }

  // Returns null when it records, or why it cannot.
  async function tabVideo(wanted) {
    if (!wanted) return void stop?.() ?? null;
    if (stop) return null;
    try {
      await record(wanted);
      return null;
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
  }

  if (getDisplayMedia && window.VideoEncoder && window.MediaStreamTrackProcessor && window === window.top) {
    meetcore.offer("tabVideo", tabVideo);
  }
}
