// Records the tab as H.264, where the browser has no screen of its own that could be recorded.
//
// It is the browser's own capture of this very tab, accepted by a switch (`LaunchOptions.tab_capture`),
// encoded here and told piece by piece, each with its time on the sound's clock. It costs three times
// what a screen's recording costs.
{
  const { tellHost: tell, soundFrame, pictureEncoder, base64 } = meetcore;
  const devices = navigator.mediaDevices;
  const getDisplayMedia = devices?.getDisplayMedia;
  const PATIENCE_MS = 8000;
  const KEY_FRAME_S = 2;
  const PLACES_AGO = 5; // how many frames may be in the encoder at once before one is left out
  const JUDGED_EVERY_MS = 1000;
  const SAMPLE = [160, 90];
  let stop = null; // ends what records
  let beginning = null; // promise of a recording that is being set up

  async function asked(width, height, rate) {
    let over = false;
    const late = new Promise((_, reject) => {
      setTimeout(() => {
        over = true;
        reject(new Error("nobody accepted the capture"));
      }, PATIENCE_MS);
    });
    const video = { width: { max: width }, height: { max: height }, frameRate: { max: rate } };
    const stream = getDisplayMedia.call(devices, { preferCurrentTab: true, audio: false, video });
    const drop = (unwanted) => over && unwanted.getTracks().forEach((track) => track.stop());
    stream.then(drop, () => {});
    const [track] = (await Promise.race([stream, late])).getVideoTracks();
    return track;
  }

  // Tells a thinned-out picture (its luma, in the range of a video's) by which the host judges it.
  let brush = null;
  let judgedAt = -Infinity;
  function judge(picture) {
    const now = performance.now();
    if (now - judgedAt < JUDGED_EVERY_MS) return;
    judgedAt = now;
    brush ??= new OffscreenCanvas(...SAMPLE).getContext("2d", { willReadFrequently: true });
    brush.drawImage(picture, 0, 0, ...SAMPLE);
    const { data } = brush.getImageData(0, 0, ...SAMPLE);
    const luma = new Uint8Array(data.length / 4);
    for (let at = 0; at < luma.length; at++) {
      luma[at] = 16 + 0.86 * Math.max(data[4 * at], data[4 * at + 1], data[4 * at + 2]);
    }
    tell("picture", { sample: base64(luma) });
  }

  async function record(wanted) {
    const track = await asked(wanted.width, wanted.height, wanted.rate);
    try {
      await recordTrack(track, wanted);
    } catch (error) {
      track.stop();
      throw error;
    }
  }

  async function recordTrack(track, { width, height, rate }) {
    const { readable } = new MediaStreamTrackProcessor({ track });
    const reader = readable.getReader();
    let over = false;
    const fail = (error) => {
      if (over) return;
      stop?.();
      tell("picture", { failed: String(error) });
    };
    const { encoder, places } = await pictureEncoder({ width, height, rate, fail, take: (piece) => tell("picture", piece) });
    stop = () => {
      stop = null;
      over = true;
      track.stop();
      reader.cancel().catch(() => {});
      if (encoder.state !== "closed") encoder.close();
    };
    let last = null; // the newest picture: a tab that does not change gives none
    let keyAt = -Infinity;
    const show = (picture) => {
      judge(picture);
      const place = soundFrame();
      if (encoder.state !== "configured" || place === null || encoder.encodeQueueSize > PLACES_AGO) return;
      const now = performance.now();
      const keyFrame = now - keyAt >= KEY_FRAME_S * 1000;
      if (keyFrame) keyAt = now;
      places.set(picture.timestamp, place);
      encoder.encode(picture, { keyFrame });
    };
    const timer = setInterval(() => {
      if (over) return clearInterval(timer);
      if (!last || performance.now() - last.seenAt < 900) return;
      const again = new VideoFrame(last.picture, { timestamp: Math.round(performance.now() * 1000) });
      last.picture.close();
      last = { picture: again, seenAt: performance.now() };
      show(again);
    }, 300);
    track.addEventListener("ended", () => fail("the capture of the tab ended"));
    (async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return fail("the capture of the tab gives no more");
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
    try {
      if (!wanted) {
        await beginning?.catch(() => {});
        stop?.();
      } else if (!stop) {
        // Who asks again while it begins, as it takes long, asks for the same.
        beginning ??= record(wanted).finally(() => (beginning = null));
        await beginning;
      }
      return null;
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
  }

  if (getDisplayMedia && window.VideoEncoder && window.MediaStreamTrackProcessor && window === window.top) {
    meetcore.offer("tabVideo", tabVideo);
  }
}
