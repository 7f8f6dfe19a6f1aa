// Tells whose voice a captured track carries at a time, as WebRTC knows it: the sources that contribute
// to it. A service that mixes, or that lends few tracks to many speakers, names them so in each packet.
//
// A source begins once it was heard twice in a row and ends after several times unheard; what is told is
// the frame of the first, and of the last. Where the packets name nobody, `source` is null: somebody is
// heard on that track. The receiver is asked by the method that the page itself would find.
if (meetcore.config.contributingSources && meetcore.connected && meetcore.captured) {
  const { captured, soundFrame, tellHost: tell, config } = meetcore;
  const POLL_MS = 100;
  const RECENT_MS = 250;
  const AUDIBLE = 0.01;
  const BEGIN_AFTER = 2;
  const END_AFTER = 4;
  const tracks = new Map(); // number of a track -> source -> how it is with it

  const ageMs = ({ timestamp }) => {
    const now = performance.now();
    // By the standard it counts from the document's beginning; Chromium gives the wall's time.
    return timestamp > 1e11 ? performance.timeOrigin + now - timestamp : now - timestamp;
  };
  const audible = (entry) => (entry.audioLevel ?? 1) >= AUDIBLE && ageMs(entry) <= RECENT_MS;

  const heardNow = (receiver) => {
    const contributing = receiver.getContributingSources();
    const now = new Map(contributing.filter(audible).map((entry) => [entry.source, ageMs(entry)]));
    if (contributing.length === 0) {
      const [entry] = receiver.getSynchronizationSources().filter(audible);
      if (entry) now.set(null, ageMs(entry));
    }
    return now;
  };

  const frameAt = (age) => Math.max(0, soundFrame() - Math.round((Math.max(0, age) * config.sampleRate) / 1000));

  const follow = (number, receiver) => {
    const now = heardNow(receiver);
    const known = tracks.get(number) ?? tracks.set(number, new Map()).get(number);
    for (const source of now.keys()) {
      if (!known.has(source)) known.set(source, { active: false, heard: 0, missed: 0, first: 0, last: 0 });
    }
    for (const [source, state] of known) {
      if (now.has(source)) {
        const frame = frameAt(now.get(source));
        if (state.heard === 0 && !state.active) state.first = frame;
        Object.assign(state, { heard: state.heard + 1, missed: 0, last: frame });
        if (state.active || state.heard < BEGIN_AFTER) continue;
        state.active = true;
        tell("source", { track: number, source, active: true, frame: state.first });
      } else {
        Object.assign(state, { heard: 0, missed: state.missed + 1 });
        if (state.missed < END_AFTER) continue;
        known.delete(source);
        if (state.active) tell("source", { track: number, source, active: false, frame: state.last });
      }
    }
  };

  const poll = () => {
    try {
      if (soundFrame() !== null) {
        for (const { number, transceiver } of captured()) follow(number, transceiver.receiver);
      }
    } catch (error) {
      // A track without a source's name is still heard: it is told, and the others go on.
      tell("trouble", { detail: `contributing sources cannot be read: ${error}` });
      return;
    }
    setTimeout(poll, POLL_MS);
  };
  setTimeout(poll, POLL_MS);
}
