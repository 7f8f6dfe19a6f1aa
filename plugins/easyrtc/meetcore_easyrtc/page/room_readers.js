const { reader } = meetcore;
const PRESENCE = /\((?:show|status)=[^)]*\)$/;

const named = (id) => reader.plain(window.easyrtc?.idToName?.(id) ?? id);

meetcore.readers = {
  rooms: () =>
    [...document.querySelectorAll("#rooms .roomDiv")].map((one) => one.id.replace(/^roomblock_/, "")),
  // Everybody in the rooms that were joined; the page lists the others of each.
  people: () => {
    const own = reader.plain(document.querySelector("#iam")?.textContent).match(/^I am (.+)$/)?.[1];
    if (!own || !document.querySelector("#main.connected")) return null;
    const buttons = [...document.querySelectorAll("#rooms .roomOccupants button")];
    const names = new Set(buttons.map((one) => reader.plain(one.textContent).replace(PRESENCE, "").trim()));
    return [{ id: own, name: named(own), self: true }, ...[...names].map((name) => ({ id: name, name, self: false }))];
  },
  chat: () => {
    const lines = [];
    for (const node of document.querySelector("#conversation")?.childNodes ?? []) {
      if (node.nodeName === "B") {
        // "sent user=ID room=ROOM:" is for one person alone, "sent room=ROOM:" for all.
        const [, who, to] = node.textContent.match(/^(.*?) sent ?([^:]*):$/s) ?? [null, node.textContent, ""];
        lines.push({ who, text: "", direct: /^user=/.test(to) });
      } else if (lines.length && node.nodeName === "BR") lines.at(-1).text += "\n";
      else if (lines.length) lines.at(-1).text += node.textContent;
    }
    return lines.map(({ who, text, direct }, n) => ({
      id: `m${n}`,
      name: who === "Me" ? "" : named(who),
      text: text.replace(/^\u00a0/, "").trim(),
      own: who === "Me",
      ...(direct ? { direct } : {}),
    }));
  },
};
