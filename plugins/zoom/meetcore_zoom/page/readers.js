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

  // The client's own count of people, and the element that shows it.
  const count = () => {
    for (const name of ["people_open", "people_closed"]) {
      const element = reader.find(name);
      const found = element?.getAttribute("aria-label")?.match(/\[(\d+)\]|,\s*(\d+)\s+part/i);
      if (found) return { element, number: Number(found[1] ?? found[2]) };
    }
    const element = reader.find("people_number");
    const number = plain(element?.textContent);
    return /^\d+$/.test(number) ? { element, number: Number(number) } : { element: null, number: null };
  };
  const counted = () => count().number;

  const known = new Map(); // id -> who was seen in the list
  let listed = null;

  // The list has no ids: somebody is who stands there by a name. A rename is told from one who left and
  // another who came by the count: for those it changes in between. So where a list was whole and is,
  // the count stood still, and one name alone went and one came with the same marks, it is the same
  // person. Whoever is not recognised so has left, and is somebody new.
  const aliases = new Map(); // name in the list, numbered where there are several -> id, if another one
  let whole = null; // what stood in the list when it was whole last, and the count's element

  const idOf = (key) => {
    if (aliases.has(key)) return aliases.get(key);
    const own = `name:${key}`;
    const taken = new Set(aliases.values());
    if (!taken.has(own)) return own;
    let turn = 2; // whoever had this name goes by another one now
    while (taken.has(`${own} (${turn})`)) turn += 1;
    aliases.set(key, `${own} (${turn})`);
    return aliases.get(key);
  };

  const marks = ({ me, host, muted }) => JSON.stringify([me, host, muted]);

  const followRename = (rows, { element, number }) => {
    const now = number !== null && rows.size === number ? { rows, element, number, moved: false } : null;
    const steady = now && whole && !whole.moved && whole.element === element && whole.number === number;
    if (steady) {
      const gone = [...whole.rows].filter(([key]) => !rows.has(key));
      const come = [...rows].filter(([key]) => !whole.rows.has(key));
      if (gone.length === 1 && come.length === 1 && marks(gone[0][1]) === marks(come[0][1])) {
        const id = idOf(gone[0][0]);
        aliases.delete(gone[0][0]);
        aliases.set(come[0][0], id);
      }
    }
    if (now) for (const key of aliases.keys()) if (!rows.has(key)) aliases.delete(key);
    whole?.observer.disconnect();
    whole = now;
    if (whole === null) return;
    now.observer = new MutationObserver(() => (now.moved ||= counted() !== number));
    now.observer.observe(element, { attributes: true, characterData: true, childList: true, subtree: true });
  };

  const readList = () => {
    if (!reader.find("people_list") && !reader.find("person_row")) return null;
    const rows = reader.all("person_row").map(readRow).filter(({ name }) => name);
    if (!rows.length) return null;
    const times = new Map();
    const keyed = new Map();
    for (const row of rows) {
      const time = (times.get(row.name) ?? 0) + 1;
      times.set(row.name, time);
      keyed.set(time === 1 ? row.name : `${row.name}#${time}`, row);
    }
    const shown = count();
    followRename(keyed, shown);
    const seen = [...keyed].map(([key, row]) => ({ id: idOf(key), ...row }));
    if (shown.number === null || seen.length >= shown.number) known.clear();
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
      const id = idOf(name);
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
      const number = counted();
      const everybody = number === null || number === all.length;
      mismatches = everybody ? 0 : mismatches + 1;
      const believed = source === "signalled" ? mismatches < MOST_MISMATCHES : everybody && all.some(({ me }) => me);
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
    if (!listed) return idOf(name);
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

  const BETWEEN = / (?:to|an|a) /;
  const ALONE = /\s*\((?:direct message|direktnachricht)\)\s*$/i;

  // Whom alone a message is for, by what stands before its time ("Ada to Me (Direct Message)"); null for
  // everybody, "" for the bot itself.
  const aloneTo = (head, own) => {
    const between = head.match(BETWEEN);
    const to = between ? head.slice(between.index + between[0].length) : "";
    const name = plain(to.replace(ALONE, ""));
    if (!own && (ME.has(name.toLowerCase()) || /^you$/i.test(name))) return "";
    if (ALONE.test(head)) return own ? name : "";
    // Where no mark is known the names of people tell, but not of one who is called as all are.
    const one = own && name !== meetcore.calledEverybody?.();
    return one && listed?.some((person) => !person.me && person.name === name) ? name : null;
  };

  const readMessage = (row, times) => {
    const label = plain(row.getAttribute("aria-label"));
    const at = label.search(TIME);
    const head = at < 0 ? "" : label.slice(0, at);
    const body = inside("chat_text", row);
    const text = body ? body.innerText?.trim() || plain(body.textContent) : at < 0 ? "" : label.slice(at).replace(TIME, "");
    if (!text) return null;
    const sender = inside("chat_sender", row);
    const named = plain(sender?.dataset.name) || plain(sender?.textContent) || head.split(BETWEEN)[0];
    if (head && sender) senders.set(head, named);
    const name = (!sender && senders.get(head)) || named;
    const first = plain(head.split(BETWEEN)[0]).toLowerCase();
    const own = ME.has(first) || ME.has(name.toLowerCase()) || (Boolean(ownName) && name === ownName && !head);
    const time = (times.get(label) ?? 0) + 1;
    times.set(label, time);
    const id = body?.id || (label ? `${label}#${time}` : `row-${keyOf(row)}`);
    const id_of_sender = source === "signalled" && sender?.dataset.userid;
    const known = id_of_sender && listed?.some((person) => person.id === id_of_sender);
    const ownShown = ownName || listed?.find(({ me }) => me)?.name;
    const to = aloneTo(head, own);
    const alone = to === null ? {} : { direct: true, to };
    return { id, name: (own && ownShown) || name, text, own, ...(known ? { sender: id_of_sender } : {}), ...alone };
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
