// A video track that shows the pictures it is given: what a bot's camera and its screen are made of.
//
// Facts of Chromium this file is built on (measured with 156):
// * A canvas whose stream is captured with 0 frames a second gives a frame where one is requested.
{
  const STILL_MS = 500; // how often a picture that does not move is sent, for whoever comes later
  const SHORTEST_FRAME_MS = 40;

  // Is made at once, its canvas and track where they are first needed: `made` says whether they are.
  class PictureTrack {
    #size;
    #brush = null;
    #track = null;
    #given = 0; // how many pictures there were so far
    #showing = 0; // number of the picture that is shown

    constructor(size) {
      this.#size = size;
    }

    get made() {
      return this.#track !== null;
    }

    track() {
      if (this.#track) return this.#track;
      const canvas = Object.assign(document.createElement("canvas"), this.#size);
      // In memory, where a captured stream takes its frames from, not on a graphics card.
      this.#brush = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
      this.#track = canvas.captureStream(0).getVideoTracks()[0];
      return this.#track;
    }

    // Returns the picture's size. What cannot be decoded is thrown, and what was shown before stays.
    async show([base64, type]) {
      this.track();
      const bytes = Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const blob = new Blob([bytes], { type });
      const number = ++this.#given;
      const moves = type === "image/gif" && window.ImageDecoder;
      return await (moves ? this.#moving(blob, type, number) : this.#still(blob, number));
    }

    // A picture takes the place of what is shown once it is decoded, unless a later one has it by then.
    #takePlace(number) {
      if (number < this.#showing) return false;
      this.#showing = number;
      return true;
    }

    hide() {
      this.#showing = ++this.#given;
      this.#blacken();
      this.#track.requestFrame();
      return true;
    }

    #blacken() {
      this.#brush.fillStyle = "#000000";
      this.#brush.fillRect(0, 0, this.#size.width, this.#size.height);
    }

    // Draws a frame as large as it fits, in the middle.
    #draw(image, width, height) {
      const { width: whole, height: high } = this.#size;
      const scale = Math.min(whole / width, high / height);
      const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
      this.#blacken();
      this.#brush.drawImage(image, Math.round((whole - w) / 2), Math.round((high - h) / 2), w, h);
      this.#track.requestFrame();
    }

    async #still(blob, number) {
      const bitmap = await createImageBitmap(blob);
      const { width, height } = bitmap;
      this.#takePlace(number);
      const again = () => {
        if (this.#showing !== number) return bitmap.close();
        this.#draw(bitmap, width, height);
        setTimeout(again, STILL_MS);
      };
      again();
      return { width, height, frames: 1 };
    }

    async #moving(blob, type, number) {
      const decoder = new ImageDecoder({ data: await blob.arrayBuffer(), type });
      await Promise.all([decoder.tracks.ready, decoder.completed]);
      const { frameCount } = decoder.tracks.selectedTrack;
      const first = (await decoder.decode()).image;
      const { displayWidth: width, displayHeight: height } = first;
      if (this.#takePlace(number)) this.#draw(first, width, height);
      first.close();
      const next = async (index) => {
        if (this.#showing !== number) return decoder.close();
        const { image } = await decoder.decode({ frameIndex: index });
        if (this.#showing !== number) {
          image.close();
          return decoder.close();
        }
        this.#draw(image, width, height);
        const pause = frameCount === 1 ? STILL_MS : Math.max(SHORTEST_FRAME_MS, (image.duration ?? 0) / 1000);
        image.close();
        setTimeout(() => next((index + 1) % frameCount).catch(() => {}), pause);
      };
      next(0).catch(() => {});
      return { width, height, frames: frameCount };
    }
  }

  meetcore.pictureTrack = (size) => new PictureTrack(size);
}
