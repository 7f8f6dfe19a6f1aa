// Hears what the tab plays, as a last resort: where no track and no Web Audio gives anything.
//
// It is the browser's own screen capture of this very tab, accepted by a switch
// (`LaunchOptions.tab_capture`). Everybody is in it at once, so it is a mix, and nothing of it says
// who speaks. Off until the host asks for it: it costs a video track, however small that is.
{
  const { captureTrack, releaseTrack } = meetcore;
  const devices = navigator.mediaDevices;
  const getDisplayMedia = devices?.getDisplayMedia;
  const PATIENCE_MS = 8000;
  let stream = null;

  const stop = () => {
    for (const track of stream?.getTracks() ?? []) {
      releaseTrack(track);
      track.stop();
    }
    stream = null;
  };

  const ask = async () => {
    const late = new Promise((_, reject) => {
      setTimeout(() => reject(new Error("nobody accepted the capture")), PATIENCE_MS);
    });
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const video = { width: { max: 64 }, height: { max: 36 }, frameRate: { max: 1 } };
    const asked = getDisplayMedia.call(devices, { preferCurrentTab: true, audio: plain, video });
    return Promise.race([asked, late]);
  };

  // Returns null when it is done, or why it cannot be done.
  const tabCapture = async (on) => {
    if (!on) return void stop() ?? null;
    if (stream) return null;
    try {
      stream = await ask();
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
    const [track] = stream.getAudioTracks();
    if (!track) {
      stop();
      return "the tab gave no sound";
    }
    track.addEventListener("ended", () => stop());
    await captureTrack(track, "tab capture");
    return null;
  };

  if (getDisplayMedia && captureTrack && window === window.top) meetcore.offer("tabCapture", tabCapture);
}
