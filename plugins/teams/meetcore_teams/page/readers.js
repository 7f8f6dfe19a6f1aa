// Reads people, speakers, chat and captions off the client's page. It only looks; which elements those
// are is the selector pack's matter.
{
  const { reader } = meetcore;
  const { all } = reader;
  // A name and a message stay as they are written, but for white space and invisible signs.
  const tidy = (text) =>
    (text ?? "")
      .normalize("NFC")
      .replace(/[\u00ad\u200b\u200e\u200f\u2060\ufeff]/g, "")
      .replace(/\s+/g, " ")
      .trim();
  const wire = meetcore.wire ?? { self: null, people: new Map(), sources: new Map() };

  const BADGES =
    /\s*[(\uff08](unverified|guest|external|you|me|nicht überprüft|gast|extern|sie|ich|no verificad[oa]|invitado|invitada|externo|externa|tú|usted|invité|externe|未確認|ゲスト|外部|自分|あなた)[)\uff09](\s*\(\d+\))?\s*$/i;
  const NOBODY = /^(unknown user|unbekannter benutzer|unknown|)$/i;
  const bare = (name) => {
    let text = tidy(name);
    while (BADGES.test(text)) text = text.replace(BADGES, "");
    return NOBODY.test(text) ? "" : text;
  };
  // In a language that is not known the client shows its badge for guests on the bot's own row: what
  // stands there behind the bot's name is a badge on the others, too.
  const learned = new Set();
  const GROUPS = /\s*[(\uff08][^()\uff08\uff09]*[)\uff09]/g;
  const behindOwn = (name) => {
    const own = tidy(wire.self ?? "");
    const rest = own && name.startsWith(own) ? name.slice(own.length) : "";
    return rest && rest.replace(GROUPS, "").trim() === "" ? (rest.match(GROUPS) ?? []).map(tidy) : [];
  };
  const shorn = (name) => {
    let text = name;
    for (;;) {
      const last = [...learned].find((badge) => text.endsWith(badge) && text.length > badge.length);
      if (!last) return text;
      text = text.slice(0, -last.length).trim();
    }
  };
  const SELF = /[(\uff08](you|me|sie|ich|tú|usted|自分|あなた)[)\uff09]/i;
  const HOST = /\b(organi[sz]er|co-organi[sz]er|host|organisator(in)?|mitorganisator(in)?)\b/i;
  const MUTED = /\b(muted|stummgeschaltet)\b/i;
  const UNMUTED = /\b(unmuted|nicht stummgeschaltet)\b/i;

  // The name at the beginning of a row's label: as the row shows it, for a name may have commas.
  const nameOf = (row) => {
    const label = tidy(row.getAttribute("aria-label"));
    const holder = row.closest('[data-tid^="participantsInCall-"]');
    const told = tidy((holder?.getAttribute("data-tid") ?? "").replace(/^participantsInCall-/, ""));
    if (told && label.startsWith(told)) return [told, label.slice(told.length)];
    if (told && !label && !/^\d+$/.test(told)) return [told, tidy(row.textContent).replace(told, "")];
    const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    let shown = "";
    while (walker.nextNode()) {
      const text = tidy(walker.currentNode.data);
      if (text.length > shown.length && (!label || label.startsWith(text))) shown = text;
      if (!label && shown) break;
    }
    if (shown) return [shown, label.slice(shown.length) || tidy(row.textContent).slice(shown.length)];
    const [first] = label.split(/, /);
    return [first, label.slice(first.length)];
  };

  const idIn = (row) => {
    for (const element of [row, row.closest("[id]"), row.querySelector("[data-mri], [data-user-id]")]) {
      for (const { value } of element?.attributes ?? []) {
        const found = /\b\d+:(orgid|teamsvisitor|guest|live|acs|gid|sfb|phone)[:.][\w.+:-]+/.exec(value);
        if (found) return found[0];
      }
    }
    return null;
  };

  // Two rows of one name are two people: the second is `name:Ada#2`.
  const numbered = (rows) => {
    const seen = new Map();
    return rows.map((row) => {
      const n = (seen.get(row.name) ?? 0) + 1;
      seen.set(row.name, n);
      return { ...row, id: row.id ?? `name:${row.name}${n > 1 ? `#${n}` : ""}` };
    });
  };

  const markSelf = (people) => {
    const own = bare(wire.self ?? "");
    const marked = people.filter((person) => person.self);
    if (marked.length !== 1) {
      // Of several with the bot's name one is the bot, and it does not matter which.
      const named = people.filter(({ name }) => own && (bare(name) === own || behindOwn(name).length));
      for (const person of people) person.self = false;
      const [mine] = marked.length ? marked : named;
      if (mine) mine.self = true;
    }
    for (const { self, name } of people) {
      if (self) for (const badge of behindOwn(name)) if (!/^\(\d+\)$/.test(badge)) learned.add(badge);
    }
    return people.map((person) => ({ ...person, name: shorn(bare(person.name)) }));
  };

  const fromRows = () => {
    const rows = all("roster_row").filter((row) => !row.closest('[data-tid*="lobby" i]'));
    if (!rows.length) return null;
    return rows.map((row) => {
      const [name, rest] = nameOf(row);
      const muted = UNMUTED.test(rest) ? false : MUTED.test(rest) ? true : null;
      return { id: idIn(row), name, self: SELF.test(name + rest), host: HOST.test(rest), muted };
    });
  };

  const fromWire = () =>
    [...wire.people.values()].map(({ id, name, role }) => ({
      id,
      name: tidy(name),
      self: false,
      host: /organizer/i.test(role),
      muted: null,
    }));

  // A list that the page shows only in part is filled up with those who were in it before.
  const KEPT_MS = 180_000;
  let before = new Map(); // id -> [person, when the page last showed them]
  const filledUp = (people) => {
    const [badge] = all("roster_count");
    const count = Number(/\d+/.exec(tidy(badge?.textContent ?? ""))?.[0] ?? 0);
    const here = new Map(people.map((person) => [person.id, person]));
    const now = performance.now();
    const seen = new Map([...here].map(([id, person]) => [id, [person, now]]));
    const recent = [...before].filter(([id, [, at]]) => !here.has(id) && now - at < KEPT_MS);
    for (const [id, kept] of recent.sort(([, [, a]], [, [, b]]) => b - a)) {
      if (seen.size >= count || count > 1000) break;
      seen.set(id, kept);
    }
    before = seen;
    return [...seen.values()].map(([person]) => person);
  };

  // Where the list of people cannot be found, those who are shown are better than nobody.
  const WITHOUT_LIST = 20;
  let missed = 0;
  const fromTiles = () => {
    const names = new Set(all("tile").map((tile) => tidy(tileName(tile))));
    names.delete("");
    if (!names.size) return null;
    const people = [...names].map((name) => ({ id: null, name, self: SELF.test(name), host: false, muted: null }));
    const own = tidy(wire.self ?? "");
    if (own && !people.some(({ name }) => bare(name) === own || behindOwn(name).length)) {
      people.push({ id: null, name: own, self: true, host: false, muted: null });
    }
    return people;
  };

  // Whichever list comes first stays the one: the two know people by other ids.
  let listedBy = null;
  let listed = [];
  const people = () => {
    const live = meetcore.connected === true;
    if (live && wire.self === null) return null;
    if (listedBy === "wire" && !wire.complete) listedBy = null; // which call it is has become a doubt
    let rows = listedBy === "wire" ? null : fromRows();
    missed = rows ? 0 : missed + 1;
    if (!rows && listedBy === null && (!live || missed > WITHOUT_LIST)) rows = fromTiles();
    listedBy ??= wire.complete && wire.live ? "wire" : rows && !missed ? "rows" : null;
    if (listedBy === "wire") listed = markSelf(fromWire());
    else if (rows) listed = filledUp(markSelf(numbered(rows)));
    else return null;
    return listed;
  };

  const named = (name) => {
    const wanted = shorn(bare(name));
    const found = listed.filter((person) => wanted && shorn(bare(person.name)) === wanted);
    return found.length === 1 ? found[0].id : null;
  };
  wire.named = named;
  wire.bare = bare;
  wire.listed = (id, name) => (listed.some((person) => person.id === id) ? id : named(name ?? ""));

  // --- speakers by their tiles -----------------------------------------------------------

  const rings = (ring, tile) => {
    const marked = ring.closest(".vdi-frame-occlusion");
    if ((marked && tile.contains(marked)) || ring.querySelector(".vdi-frame-occlusion")) return true;
    const edge = getComputedStyle(ring, "::before");
    const clear = edge.borderTopColor === "transparent" || edge.borderTopColor === "rgba(0, 0, 0, 0)";
    const drawn = edge.content !== "none" && parseFloat(edge.borderTopWidth) > 0 && !clear;
    return drawn && parseFloat(edge.opacity) === 1;
  };

  const tileName = (tile) => {
    const [tag] = all("tile_name", tile);
    if (tag && tidy(tag.textContent)) return tag.textContent;
    return tile.hasAttribute("data-stream-type") ? tile.getAttribute("data-tid") : "";
  };

  const speakers = () => {
    const tiles = all("tile").filter((tile) => all("voice_ring", tile).length);
    if (!tiles.length) return null;
    const speaking = tiles.filter((tile) => all("voice_ring", tile).some((ring) => rings(ring, tile)));
    const ids = speaking.map((tile) => named(tileName(tile))).filter((id) => id !== null);
    return [...new Set(ids)].sort();
  };

  // A screen is a tile of its own kind. There is one at a time; whose it is, its name says, if anything.
  meetcore.sharedTiles = () =>
    all("shared_tile").map((element, number) => {
      const name = tidy(tileName(element) ?? "");
      return { key: `${number} ${name}`, by: named(name), element };
    });

  // --- chat and captions -----------------------------------------------------------------

  const first = (control, within) => all(control, within)[0] ?? null;

  const chat = () => {
    if (!all("chat_list").length) return null;
    const items = all("chat_item");
    const marksOwn = items.some((item) => all("chat_own", item).length);
    const seen = new Map();
    return items
      .map((item) => {
        const body = first("chat_text", item) ?? item;
        const author = tidy(first("chat_author", item)?.textContent ?? "");
        const text = contentOf(body).split("\n").map(tidy).filter(Boolean).join("\n");
        const when = first("chat_time", item)?.getAttribute("datetime") ?? "";
        const named = bare(author) !== "" && bare(author) === bare(wire.self ?? "");
        const own = marksOwn ? all("chat_own", item).length > 0 : named;
        const known = item.getAttribute("data-mid") || item.querySelector("[data-mid]")?.getAttribute("data-mid");
        const base = known || `${when}|${author}|${text}`;
        const n = (seen.get(base) ?? 0) + 1;
        seen.set(base, n);
        return { id: n > 1 ? `${base}#${n}` : base, name: own && !author ? (wire.self ?? "") : shorn(bare(author)), text, own };
      })
      .filter(({ text }) => text !== "");
  };

  // What a message says, without the name and the time that stand in it.
  const contentOf = (body) => {
    const copy = body.cloneNode(true);
    const drop = meetcore.pack.controls;
    for (const name of ["chat_author", "chat_time"]) {
      for (const { kind, value } of drop[name]?.selectors ?? []) {
        if (kind === "css") for (const element of copy.querySelectorAll(value)) element.remove();
      }
    }
    for (const image of copy.querySelectorAll("img[alt]")) image.replaceWith(image.alt);
    for (const end of copy.querySelectorAll("br, p, div")) end.append("\n");
    return copy.textContent;
  };

  const keys = new WeakMap();
  let keysGiven = 0;
  const captions = () => {
    if (!all("captions_list").length) return null;
    return all("caption_item")
      .map((item) => {
        const text = tidy(first("caption_text", item)?.textContent ?? "");
        const name = tidy(first("caption_author", item)?.textContent ?? "");
        let known = keys.get(item);
        // A virtual list uses an element for one line after the other.
        const other = known && text.length < known.text.length && !text.startsWith(known.text.slice(0, 8));
        if (!known || known.name !== name || other) known = { key: `c${++keysGiven}`, name };
        keys.set(item, { ...known, text });
        return { key: known.key, name: shorn(bare(name)), text };
      })
      .filter(({ text }) => text !== "");
  };

  meetcore.readers = { people, speakers, chat, captions };
}
