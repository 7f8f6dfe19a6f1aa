const { reader } = meetcore;
const rows = () => [...document.querySelectorAll("#people [data-id]")];
meetcore.readers = {
  people: () =>
    document.querySelector("#people") &&
    rows().map((row) => ({ id: row.dataset.id, name: reader.plain(row.textContent), self: "self" in row.dataset })),
  speakers: () => rows().filter((row) => row.classList.contains("speaks")).map((row) => row.dataset.id),
  chat: () =>
    [...document.querySelectorAll("#chat p")].map((line) => ({
      id: line.id,
      name: line.dataset.name,
      text: line.textContent,
      own: line.dataset.name === "Notes",
    })),
  captions: () =>
    [...document.querySelectorAll("#captions p")].map((line) => ({
      key: line.id,
      name: line.dataset.name,
      text: line.textContent,
    })),
};
