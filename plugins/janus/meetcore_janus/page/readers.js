const { reader } = meetcore;
const SLOTS = [1, 2, 3, 4, 5];

// The page numbers its panels; whose feed is in one is known to its own script, where that runs.
const feed = (slot) => String(window.feeds?.[slot]?.rfid ?? `panel ${slot}`);

const panels = () =>
  SLOTS.flatMap((slot) => {
    const label = document.querySelector(`#remote${slot}`);
    const name = label && reader.visible(label) ? reader.plain(label.textContent) : "";
    return name ? [{ slot, id: feed(slot), name }] : [];
  });

meetcore.readers = {
  people: () => {
    const own = document.querySelector("#username");
    if (!document.querySelector("#videos") || !own) return null;
    const self = { id: "self", name: reader.plain(own.value || own.getAttribute("value")), self: true };
    return [self, ...panels().map(({ id, name }) => ({ id, name, self: false }))];
  },
  // Which track of WebRTC plays in whose panel. Janus gives tracks of several people the same id.
  owners: () =>
    panels().flatMap(({ slot, id }) =>
      [...document.querySelectorAll(`#videoremote${slot} :is(audio, video)`)].flatMap((element) =>
        (element.srcObject?.getAudioTracks() ?? []).map((track) => [meetcore.numberOf?.(track) ?? null, id]),
      ),
    ),
};
