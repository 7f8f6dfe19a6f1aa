// Records a screen that somebody shares, as a stream of its own: the track as it comes, encoded here.
//
// A joiner's script knows which track that is, and gives it a name. A screen changes rarely, and a track
// without changes gives no pictures: the last one is told again now and then, so that whoever takes them
// knows that nothing changed.
if (meetcore.pictureEncoder && window.MediaStreamTrackProcessor) {
  const { tellHost: tell, soundFrame, pictureEncoder } = meetcore;
  const RATE = 5;
  const KEY_FRAME_MS = 2000;
  const AGAIN_MS = 900;
  const LEAST = [1280, 720];
  const MOST = [1920, 1080];
  const shares = new Map(); // what the host calls it -> the newest Share of that name

  // The stream keeps its size, and WebRTC begins with a small picture: what is smaller is made larger.
  const size = ({ displayWidth, displayHeight }) => {
    const into = ([width, height]) => Math.min(width / displayWidth, height / displayHeight);
    const part = Math.min(into(MOST), Math.max(1, into(LEAST)));
    return { width: 2 * Math.floor((displayWidth * part) / 2), height: 2 * Math.floor((displayHeight * part) / 2) };
  };

  class Share {
    constructor(share, track) {
      this.share = share;
      this.source = track;
      this.track = track.clone();
      this.reader = new MediaStreamTrackProcessor({ track: this.track }).readable.getReader();
      this.last = null;
      this.shownAt = this.keyAt = -Infinity;
      this.over = false;
      track.addEventListener("ended", () => this.end());
      this.timer = setInterval(() => this.#again(), 300);
      this.#read().catch((error) => this.#fail(error));
    }

    end() {
      if (this.over) return;
      this.over = true;
      clearInterval(this.timer);
      this.track.stop();
      this.reader.cancel().catch(() => {});
      this.last?.close();
      if (this.encoder?.state === "configured") this.encoder.flush().then(() => this.encoder.close(), () => {});
    }

    #fail(error) {
      if (this.over) return;
      this.end();
      tell("picture", { share: this.share, failed: String(error) });
    }

    async #read() {
      for (;;) {
        const { value, done } = await this.reader.read();
        if (done) return this.end();
        if (this.over) return value.close();
        if (!this.encoder) {
          const fail = (error) => this.#fail(error);
          const take = (piece) => tell("picture", { share: this.share, ...piece });
          Object.assign(this, await pictureEncoder({ ...size(value), rate: RATE, fail, take }));
          if (this.over) {
            this.encoder.close();
            return value.close();
          }
        }
        if (performance.now() - this.shownAt < 1000 / RATE - 20) value.close();
        else this.#show(value);
      }
    }

    #again() {
      if (!this.last || performance.now() - this.shownAt < AGAIN_MS) return;
      this.#show(new VideoFrame(this.last, { timestamp: Math.round(performance.now() * 1000) }));
    }

    #show(value) {
      const now = performance.now();
      const picture = new VideoFrame(value, { timestamp: Math.round(now * 1000) });
      value.close();
      this.last?.close();
      this.last = picture;
      this.shownAt = now;
      const place = soundFrame();
      if (this.over || place === null || this.encoder.state !== "configured" || this.encoder.encodeQueueSize > RATE) return;
      const keyFrame = now - this.keyAt >= KEY_FRAME_MS;
      if (keyFrame) this.keyAt = now;
      this.places.set(picture.timestamp, place);
      this.encoder.encode(picture, { keyFrame });
    }
  }

  // Records a track until it ends, once; `share` is what the host calls it. A client may show one share
  // after the other by the same track.
  meetcore.recordShare = (share, track) => {
    if (shares.get(share)?.source === track || track.readyState !== "live") return;
    shares.get(share)?.end();
    try {
      shares.set(share, new Share(share, track));
    } catch (error) {
      shares.set(share, { source: track, end() {} });
      tell("picture", { share, failed: String(error) });
    }
  };

  // Ends all but those that are still shown, and forgets them.
  meetcore.keepShares = (shown) => {
    for (const [share, recording] of shares) {
      if (shown.has(share)) continue;
      shares.delete(share);
      recording.end();
    }
  };
}
