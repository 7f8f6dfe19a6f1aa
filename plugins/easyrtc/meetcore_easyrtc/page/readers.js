const { reader } = meetcore;

meetcore.readers = {
  people: () => {
    const own = reader.plain(document.querySelector("#iam")?.textContent).match(/^I am (.+)$/)?.[1];
    const others = document.querySelector("#otherClients");
    if (!own || !others) return null;
    const names = [...others.querySelectorAll("button")].map((one) => reader.plain(one.textContent).replace(/^Call /, ""));
    return [{ id: own, name: own, self: true }, ...names.map((name) => ({ id: name, name, self: false }))];
  },
  // The stream of whom the bot calls: it plays once they have accepted, and until they hang up.
  stream: () => {
    const { srcObject } = document.querySelector("#callerVideo") ?? {};
    return (srcObject?.getAudioTracks?.() ?? []).filter((track) => track.readyState === "live").map((track) => track.id);
  },
};
