// What the page shows of a call: people, who speaks, chat, captions. It only looks, so that the same file
// reads a saved page; whatever is looked for stands in the pack.
const { reader, pack } = meetcore;
const SHARED = "(presentation)";
const MOVED_MS = 700;

const words = (name) => (pack.controls[name]?.selectors ?? []).map(({ value }) => reader.plain(value).toLowerCase());
const one = (name, within) => reader.all(name, within)[0] ?? null;
// As it is written, but for white space and characters that nobody sees: names and words are people's own.
const written = (text) =>
  (text ?? "").replace(/[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, "").replace(/\s+/g, " ").trim();
const says = (element) => written(element?.textContent);

const idOf = (element) => element.closest("[data-participant-id]")?.getAttribute("data-participant-id") ?? null;

// A screen that is shared has a tile as well; its media are others than those of the camera.
const isShared = (tile) => {
  const [id, media] = [tile.getAttribute("data-participant-id"), tile.getAttribute("data-tile-media-id")];
  return Boolean(media && media !== id) || nameIn(tile).toLowerCase().includes(SHARED);
};

// The texts of an element, each leaf for itself.
const leaves = (element) => {
  const found = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (written(data) && !parentElement.closest("button, i, [aria-hidden=true]")) found.push(written(data));
  }
  return found;
};

// Where nothing that is known holds the name, the only text in a tile is it; one of several may not be.
const nameIn = (tile) => {
  const known = one("tile_name", tile);
  if (known) return says(known);
  const texts = leaves(tile);
  return texts.length === 1 ? texts[0] : "";
};

const tiles = () => reader.all("tile").filter((tile) => !isShared(tile));
const rows = () => reader.all("person_row").filter((row) => row.getAttribute("data-participant-id") && !isShared(row));

const marked = (name, element) => {
  const text = reader.plain(element.textContent).toLowerCase();
  return words(name).some((word) => text.includes(word));
};

const fromRow = (row) => ({
  id: row.getAttribute("data-participant-id"),
  name: written(row.getAttribute("aria-label")) || says(one("row_name", row)),
  self: marked("self_words", row),
  host: marked("host_words", row),
});

const fromTile = (tile) => ({
  id: tile.getAttribute("data-participant-id"),
  name: nameIn(tile),
  self: one("own_tile_mark", tile) !== null || marked("own_tile_words", tile),
  host: false,
});

const merged = (list) => {
  const people = new Map();
  for (const person of list) {
    const known = people.get(person.id);
    people.set(person.id, known ? { ...known, name: known.name || person.name, self: known.self || person.self } : person);
  }
  return [...people.values()];
};

const count = () => {
  for (const element of reader.all("people_count")) {
    const text = element.getAttribute("data-avatar-count") || reader.plain(element.textContent);
    const number = /^\D*(\d{1,4})\D*$/.exec(text);
    if (number) return Number(number[1]);
  }
  return null;
};

const people = () => {
  const inTiles = tiles().map(fromTile);
  const inRows = rows().map(fromRow);
  if (inRows.length) {
    // A tile knows better whether it is our own; the panel knows everybody.
    const own = new Set(inTiles.filter((person) => person.self).map((person) => person.id));
    return merged(inRows.map((person) => ({ ...person, self: person.self || own.has(person.id) })));
  }
  const list = merged(inTiles);
  if (list.length === 0) return null;
  const all = count();
  if (all !== null && all > list.length) return { error: `${list.length} of ${all} people have a tile` };
  return list;
};

// Who speaks has an indicator whose classes change many times a second; which they are changes from one
// version to the next. So it is the movement that counts, and a known class only on a page that stands
// still, which is a saved one.
const movements = new WeakMap();
let anyMoved = false;

const watch = (indicator) => {
  let known = movements.get(indicator);
  if (!known) {
    known = { times: [] };
    movements.set(indicator, known);
    const observer = new MutationObserver((changes) => {
      const now = performance.now();
      for (const { oldValue, target } of changes) if (oldValue !== target.className) known.times.push(now);
      known.times = known.times.slice(-8);
    });
    observer.observe(indicator, { attributes: true, attributeFilter: ["class"], attributeOldValue: true });
  }
  return known;
};

const moves = (indicator) => {
  const since = performance.now() - MOVED_MS;
  const moved = watch(indicator).times.filter((time) => time >= since).length >= 2;
  anyMoved ||= moved;
  return moved;
};

// A frame that never had a tile says nothing of who speaks: another one knows.
let hadTiles = false;
const speakers = () => {
  const found = new Set();
  const indicators = reader.all("speaking_indicator");
  hadTiles ||= indicators.length > 0 || reader.all("tile").length > 0;
  if (!hadTiles) return null;
  const speaking = indicators.filter(moves);
  const still = anyMoved ? [] : reader.all("speaking_class").filter((element) => !element.matches(".gjg47c"));
  for (const element of [...speaking, ...still]) {
    const tile = element.closest("[data-participant-id]");
    const id = idOf(element);
    if (id && !isShared(tile)) found.add(id);
  }
  return [...found].sort();
};

// Messages in a row of the same person share a header, which stands in the first of them, or above it:
// whose header is the last one before a message's end wrote it.
const headerOf = (message, headers) =>
  headers.findLast(
    (header) => message.contains(header) || message.compareDocumentPosition(header) & Node.DOCUMENT_POSITION_PRECEDING,
  );

const chat = () => {
  const messages = reader.all("chat_message");
  if (messages.length === 0) return null;
  const own = words("own_chat_words");
  const headers = reader.all("chat_sender");
  return messages.map((message) => {
    const header = headerOf(message, headers);
    const sender = written(header?.getAttribute("data-sender-name")) || says(header);
    return {
      id: message.getAttribute("data-message-id"),
      name: sender,
      text: says(one("chat_text", message) ?? message),
      own: own.includes(sender.toLowerCase()),
    };
  });
};

// A line is told apart by its element, and where a page draws all of them anew, by what it says: the line
// that went on is the one of the same name whose words this one begins with.
let turns = 0;
let shown = []; // the lines of the last look: element, key, name, text
const goesOn = (before, now) => now.startsWith(before.slice(0, 40)) || before.startsWith(now);

const keyed = (lines) => {
  const here = new Set(lines.map(({ turn }) => turn));
  const left = shown.filter(({ turn }) => !here.has(turn));
  shown = lines.map((line) => {
    const same = shown.find(({ turn }) => turn === line.turn);
    const before = same ?? left.find(({ name, text }) => name === line.name && goesOn(text, line.text));
    if (left.includes(before)) left.splice(left.indexOf(before), 1);
    return { ...line, key: before?.key ?? String(++turns) };
  });
  return shown.map(({ key, name, text }) => ({ key, name, text }));
};

const captions = () => {
  const region = one("captions_region");
  if (!region) return null;
  let drawn = reader.all("caption_turn", region);
  const known = drawn.length > 0;
  if (!known) drawn = [...region.children].filter((child) => child.tagName !== "BUTTON");
  const lines = drawn.flatMap((turn) => {
    // Without the classes that are known: first the name, and then what was said.
    const [first, ...rest] = leaves(turn);
    const name = known ? says(one("caption_name", turn)) : (first ?? "");
    const text = known ? says(one("caption_text", turn)) : rest.join(" ");
    return name && text ? [{ turn, name, text }] : [];
  });
  return keyed(lines);
};

meetcore.readers = { people, speakers, chat, captions };

// Whose screen it is: where the tile has the id of a person, theirs; else of the one with that name.
meetcore.sharedTiles = () => {
  const others = [...tiles().map(fromTile), ...rows().map(fromRow)];
  return reader.all("tile").filter(isShared).map((element) => {
    const id = element.getAttribute("data-participant-id");
    const name = nameIn(element).replace(/\s*\([^()]*\)\s*$/, "");
    const named = new Set(others.filter((person) => person.name === name).map((person) => person.id));
    const by = others.some((person) => person.id === id) ? id : named.size === 1 ? [...named][0] : null;
    return { key: element.getAttribute("data-tile-media-id") ?? id, by, element };
  });
};
