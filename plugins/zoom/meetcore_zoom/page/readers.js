// Reads Zoom's page: people, speakers, chat, captions. It only looks; what it looks for is in the pack.
//
// What the client is told by its server (signalling.js) goes before what the page shows. The page's list
// of people is virtual: rows that do not fit are not there, and a shared screen takes most of them away.
// So who was seen once is kept until a list comes that is whole by the client's own count.
{
  const { reader } = meetcore;
  const { plain } = reader;
  const ME = new Set(["me", "ich", "mich", "yo", "自分", "私", "moi", "eu"]);
  const HOST = /\bhost\b|\banfitri[oó]na?\b|ホスト|\bco-host\b|\bcoanfitri/i;
  const TIME = /,\s*(?:上午|下午|午前|午後)?\s*\d{1,2}:\d\d(?::\d\d)?(?:\s?[ap]\.?\s?m\.?)?\s*,\s*/i;

  let ownName = "";
  document.addEventListener(
    "input",
    ({ target }) => {
      if (target === reader.find("name_field")) ownName = plain(target.value);
    },
    true,
  );

  // --- people --------------------------------------------------------------------------------

  const inside = (name, element) => reader.all(name, element)[0] ?? null;

  const readRow = (row) => {
    const label = plain(row.getAttribute("aria-label"));
    const shown = plain(inside("person_name", row)?.textContent);
    const badge = plain(inside("person_label", row)?.textContent);
    // A name may have a comma and a blank in it; what follows a bare comma is a state.
    const [whole] = label.split(/,(?=\S)/);
    const name = shown || whole;
    const rest = badge || (label.startsWith(name) ? label.slice(name.length) : whole);
    const brackets = rest.match(/[(\uff08][^()\uff08\uff09]*[)\uff09]/g) ?? [];
    const words = brackets.flatMap((text) => text.slice(1, -1).split(/[,\u3001\uff0c]/)).map((word) => plain(word).toLowerCase());
    const states = label.slice(whole.length);
    const muted = /\bunmuted\b/i.test(states) ? false : /\bmuted\b/i.test(states) ? true : null;
    return { name, me: words.some((word) => ME.has(word)), host: words.some((word) => HOST.test(word)), muted };
  };

  const counted = () => {
    for (const name of ["people_open", "people_closed"]) {
      const found = reader.find(name)?.getAttribute("aria-label")?.match(/\[(\d+)\]|,\s*(\d+)\s+part/i);
      if (found) return Number(found[1] ?? found[2]);
    }
    const number = plain(reader.find("people_number")?.textContent);
    return /^\d+$/.test(number) ? Number(number) : null;
  };

  const known = new Map(); // id -> who was seen in the list
  let listed = null;

  const readList = () => {
    if (!reader.find("people_list") && !reader.find("person_row")) return null;
    const rows = reader.all("person_row").map(readRow).filter(({ name }) => name);
    if (!rows.length) return null;
    const times = new Map();
    const seen = rows.map((row) => {
      const time = (times.get(row.name) ?? 0) + 1;
      times.set(row.name, time);
      return { id: time === 1 ? `name:${row.name}` : `name:${row.name}#${time}`, ...row };
    });
    const count = counted();
    if (count === null || seen.length >= count) known.clear();
    for (const person of seen) known.set(person.id, person);
    return [...known.values()];
  };

  // A build whose list is written otherwise still has tiles: who is on one is there, who is not may be.
  const PATIENCE = 8;
  let listMissed = 0;
  const readTiles = () => {
    listMissed += 1;
    if (listMissed < PATIENCE || !ownName) return null;
    if (counted() === 1) known.clear();
    for (const name of [ownName, ...reader.all("tile_name").map((tile) => plain(tile.textContent))]) {
      const id = `name:${name}`;
      if (name && !known.has(id)) known.set(id, { id, name, me: name === ownName, host: false, muted: null });
    }
    return [...known.values()];
  };

  // Who of them is the bot: the page's own mark, or the only one of the name that was typed.
  const withSelf = (people) => {
    if (people.some(({ me }) => me)) return people;
    const named = people.filter(({ name }) => ownName && plain(name) === ownName);
    if (named.length === 1) named[0].me = true;
    return people;
  };

  const told = ({ id, name, me, host, muted, bot }) => {
    const person = { id, name, self: Boolean(me), host: Boolean(host), muted: muted ?? null };
    return bot ? { ...person, bot } : person;
  };

  // One source for the whole call: their ids have nothing to do with each other. Messages that do not
  // tell of everybody, by the client's own count, are not believed.
  const MOST_MISMATCHES = 10;
  let source = null;
  let mismatches = 0;
  const people = () => {
    const signalled = meetcore.signalled?.people();
    if (source !== "list" && signalled?.length) {
      const all = withSelf(signalled.map((person) => ({ ...person })));
      const count = counted();
      const whole = count === null || count === all.length;
      mismatches = whole ? 0 : mismatches + 1;
      const believed = source === "signalled" ? mismatches < MOST_MISMATCHES : whole && all.some(({ me }) => me);
      if (believed) {
        source = "signalled";
        listed = all;
        return all.map(told);
      }
    }
    let all = readList();
    if (all === null) all = readTiles();
    else listMissed = 0;
    if (all === null) return null;
    source = "list";
    listed = withSelf(all);
    return listed.map(told);
  };

  // --- speakers ------------------------------------------------------------------------------

  const idOfName = (name) => {
    if (!listed) return `name:${name}`;
    const found = listed.filter((person) => plain(person.name) === name);
    return found.length === 1 ? found[0].id : null;
  };

  // Where everybody has a frame, who speaks is marked on it. The stage alone shows who spoke last.
  const shownSpeakers = () => {
    const frames = reader.all("speaker_frame");
    const alone = !frames.length && !reader.find("speaker_strip");
    const names = (alone ? reader.all("speaker_stage") : frames).map((frame) => plain(inside("speaker_name", frame)?.textContent));
    const ids = [...new Set(names.filter(Boolean))].map(idOfName);
    return ids.filter(Boolean).sort();
  };

  // A frame changes hands for a moment when somebody coughs: who is seen twice in a row speaks.
  let believed = null;
  let before = "";
  const speakers = () => {
    if (source === null) people();
    const signalled = source === "signalled" ? meetcore.signalled.speakers() : null;
    if (signalled) return signalled;
    const now = shownSpeakers();
    const text = JSON.stringify(now);
    if (believed === null || text === before) believed = now;
    before = text;
    return believed;
  };

  // --- chat ----------------------------------------------------------------------------------

  const senders = new Map(); // what stands before the time in a row's label -> the sender's name
  const keys = new WeakMap();
  let keysGiven = 0;
  const keyOf = (element) => {
    if (!keys.has(element)) keys.set(element, ++keysGiven);
    return keys.get(element);
  };

  const isPrivate = (head) => /\bto (?:me|you)\b|\(direct message\)|\(direktnachricht\)/i.test(head);

  const readMessage = (row, times) => {
    const label = plain(row.getAttribute("aria-label"));
    const at = label.search(TIME);
    const head = at < 0 ? "" : label.slice(0, at);
    const body = inside("chat_text", row);
    const text = body ? body.innerText?.trim() || plain(body.textContent) : at < 0 ? "" : label.slice(at).replace(TIME, "");
    if (!text || isPrivate(head)) return null;
    const sender = inside("chat_sender", row);
    const named = plain(sender?.dataset.name) || plain(sender?.textContent) || head.split(/ to | an | a /)[0];
    if (head && sender) senders.set(head, named);
    const name = (!sender && senders.get(head)) || named;
    const first = plain(head.split(/ to | an | a /)[0]).toLowerCase();
    const own = ME.has(first) || ME.has(name.toLowerCase()) || (Boolean(ownName) && name === ownName && !head);
    const time = (times.get(label) ?? 0) + 1;
    times.set(label, time);
    const id = body?.id || (label ? `${label}#${time}` : `row-${keyOf(row)}`);
    const id_of_sender = source === "signalled" && sender?.dataset.userid;
    const known = id_of_sender && listed?.some((person) => person.id === id_of_sender);
    const ownShown = ownName || listed?.find(({ me }) => me)?.name;
    return { id, name: (own && ownShown) || name, text, own, ...(known ? { sender: id_of_sender } : {}) };
  };

  const chat = () => {
    if (!reader.find("chat_open")) return null;
    const times = new Map();
    return reader
      .all("chat_row")
      .map((row) => readMessage(row, times))
      .filter(Boolean);
  };

  // --- captions ------------------------------------------------------------------------------

  const captions = () =>
    reader.all("caption_line").map((line) => {
      const by = line.querySelector("[class*='name'], [data-name]");
      const name = plain(by?.dataset?.name || by?.textContent || line.querySelector("img[alt]")?.alt);
      const whole = plain(line.textContent);
      const text = by && whole.startsWith(plain(by.textContent)) ? whole.slice(plain(by.textContent).length) : whole;
      return { key: String(keyOf(line)), name: name.replace(/[:\uff1a]$/, ""), text: text.replace(/^[\s:\uff1a]+/, "") };
    });

  meetcore.readers = { people, speakers, chat, captions };
}
