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
        const who = node.textContent.replace(/ sent [^:]*:$/, "");
        lines.push({ who, text: "" });
      } else if (lines.length && node.nodeName === "BR") lines.at(-1).text += "\n";
      else if (lines.length) lines.at(-1).text += node.textContent;
    }
    return lines.map(({ who, text }, n) => ({
      id: `m${n}`,
      name: who === "Me" ? "" : named(who),
      text: text.replace(/^\u00a0/, "").trim(),
      own: who === "Me",
    }));
  },
};
