// Tells who is there, who speaks, what is written and what the captions say, whenever it changes.
//
// The platform's own file stands between reader.js and this one and gives `meetcore.readers`: people(),
// speakers(), chat() and captions(), each a list, or null where the page does not show that now, and
// more under names of its own. They only look at the page, so the same file reads a saved one. One that
// tells apart the screens that are shared gives `meetcore.sharedTiles()`, too: for each its element, a
// `key` that stays while it is shown, and `by`, whose it is, or null.
{
  const { readers, reader } = meetcore;
  const EVERY_MS = { speakers: 150, captions: 250 };
  const LISTS_MS = 1000;

  const told = {};
  const tellChanges = (topic, read) => {
    let list;
    try {
      list = read();
    } catch (error) {
      list = { error: String(error).slice(0, 300) };
    }
    if (list === null || list === undefined) return;
    const text = JSON.stringify(list);
    if (told[topic] === text) return;
    told[topic] = text;
    meetcore.tell(topic, list);
  };

  // Each stretch of sharing gets a name that no other document gives; where that is wanted it is
  // recorded as a stream of its own.
  const shares = new Map();
  let sharesSeen = 0;
  const sharedScreens = () => {
    const tiles = meetcore.sharedTiles();
    if (!tiles.length && !sharesSeen) return null; // another frame may know of some
    const here = new Set(tiles.map(({ key }) => key));
    for (const key of shares.keys()) if (!here.has(key)) shares.delete(key);
    meetcore.keepShares?.(new Set(shares.values()));
    return tiles.map(({ key, by, element }) => {
      if (!shares.has(key)) shares.set(key, `share-${meetcore.documentName}-${++sharesSeen}`);
      const share = shares.get(key);
      const track = element.querySelector("video")?.srcObject?.getVideoTracks()[0];
      if (track) meetcore.recordShare?.(share, track);
      return { share, by };
    });
  };
  if (meetcore.sharedTiles) readers.shares = sharedScreens;

  const every = (ms, topic) => {
    if (!readers[topic]) return;
    const turn = () => {
      if (active) tellChanges(topic, readers[topic]);
      setTimeout(turn, ms);
    };
    setTimeout(turn, ms);
  };

  // Nothing is read before the host says that the bot is in the call: a lobby has tiles, too.
  let active = false;
  for (const topic of Object.keys(readers)) every(EVERY_MS[topic] ?? LISTS_MS, topic);

  meetcore.offer("look", () => reader.look());
  meetcore.offer("find", (name) => reader.find(name));
  meetcore.offer("forbidden", (element) => reader.forbidden(element));
  meetcore.offer("press", (element) => {
    const said = reader.forbidden(element);
    if (said === null) element.click();
    return said;
  });
  meetcore.offer("readNow", (topic) => readers[topic]?.() ?? null);
  meetcore.offer("observe", (on) => {
    active = on;
    for (const topic of Object.keys(told)) delete told[topic];
  });
}
