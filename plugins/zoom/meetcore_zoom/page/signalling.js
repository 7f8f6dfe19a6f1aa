// Overhears what the client is told of people: who is there, under which id, and who speaks.
//
// The list on the page shows only the rows that fit, loses them while a screen is shared, and tells two
// people of one name apart by nothing. What the server sends has an id for everybody. It is JSON that
// comes over a WebSocket or from a worker; events are known by their fields, since their numbers change.
// Nothing is sent, and nothing that the client gets is changed.
{
  const LONGEST = 2_000_000;
  const JOIN_ANSWER = 4098;
  const people = new Map();
  let speaking = [];
  let told = false;

  const nameOf = (coded) => {
    try {
      return new TextDecoder().decode(Uint8Array.from(atob(coded), (char) => char.charCodeAt(0)));
    } catch {
      return "";
    }
  };

  const idOf = (entry) => (typeof entry === "object" && entry ? (entry.id ?? entry.userId) : entry);

  const change = (entry) => {
    const id = idOf(entry);
    if (id === undefined || id === null || typeof entry !== "object") return;
    const known = people.get(String(id)) ?? { id: String(id), name: "" };
    if (typeof entry.dn2 === "string") known.name = nameOf(entry.dn2);
    if ("bHost" in entry || "bCoHost" in entry) known.host = Boolean(entry.bHost || entry.bCoHost);
    if ("bHold" in entry) known.hold = Boolean(entry.bHold);
    if ("muted" in entry) known.muted = Boolean(entry.muted);
    if ("bBotUser" in entry) known.bot = Boolean(entry.bBotUser);
    people.set(known.id, known);
  };

  const list = (value) => (Array.isArray(value) ? value : []);

  const take = (event) => {
    const body = event?.body;
    if (!body || typeof body !== "object") return;
    if (event.evt === JOIN_ANSWER) people.clear();
    const added = list(body.add);
    const changed = list(body.update);
    const names = [...added, ...changed].some((entry) => entry && ("dn2" in entry || people.has(String(idOf(entry)))));
    const gone = list(body.remove).filter((entry) => people.has(String(idOf(entry))));
    if (names || gone.length) {
      told = true;
      for (const entry of [...added, ...changed]) change(entry);
      for (const entry of gone) people.delete(String(idOf(entry)));
    }
    const voices = Object.keys(body).filter((key) => /^asn\d+$/.test(key));
    if (voices.length) speaking = voices.map((key) => String(body[key])).filter((id) => people.has(id));
  };

  const hear = ({ data }) => {
    const text = typeof data === "string" ? data : typeof data?.data === "string" ? data.data : null;
    if (!text || text.length > LONGEST || !/"(?:dn2|remove|update|asn\d+)"/.test(text)) return;
    try {
      take(JSON.parse(text));
    } catch {
      // It was no JSON, or of another kind.
    }
  };

  for (const name of ["Worker", "WebSocket"]) {
    const Native = window[name];
    if (!Native) continue;
    window[name] = new Proxy(Native, {
      construct(target, parameters, called) {
        const made = Reflect.construct(target, parameters, called);
        made.addEventListener("message", hear);
        return made;
      },
    });
  }

  meetcore.signalled = {
    people: () => (told ? [...people.values()].filter(({ hold }) => !hold) : null),
    speakers: () => (told ? speaking : null),
  };
}
