// Writes what the stand-in's service tells its client: protobuf, deflated on a datachannel, in base64 over
// HTTP. Field numbers are those of the public record.
const utf8 = new TextEncoder();

function varint(number) {
  const bytes = [];
  let left = BigInt(number);
  do {
    const low = Number(left & 0x7fn);
    left >>= 7n;
    bytes.push(left > 0n ? low | 0x80 : low);
  } while (left > 0n);
  return bytes;
}

// A message is a list of [field, value]: numbers, texts, or messages.
function encode(fields) {
  const bytes = [];
  for (const [number, value] of fields) {
    if (value === null || value === undefined) continue;
    if (typeof value === "number") bytes.push(...varint(number << 3), ...varint(value));
    else {
      const inner = typeof value === "string" ? utf8.encode(value) : encode(value);
      bytes.push(...varint((number << 3) | 2), ...varint(inner.length), ...inner);
    }
  }
  return Uint8Array.from(bytes);
}

async function packed(bytes, format) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

const userRecord = (person, status = 1) => [
  [1, person.device],
  [2, person.name],
  [3, "https://photo.invalid/x"],
  [4, status],
  [7, person.self ? 1 : null],
  [21, person.parent],
  [29, person.name],
  [34, person.host ? 1 : null],
];

const collections = ({ users = [], media = [], chats = [] }) =>
  encode([
    [1, [[2, [
      [3, media.length ? media.map((one) => [2, one]) : null],
      [13, [
        [1, users.length ? [[1, 7], ...users.map((user) => [2, user])] : null],
        ...chats.map((chat) => [4, [[2, chat]]]),
      ]],
    ]]]],
  ]);

const mediaRecord = (device, source, off) => [[2, 1], [4, source], [6, device], [10, [[1, off ? 1 : 0]]]];
const chatRecord = (id, device, text) => [[1, id], [2, device], [3, Date.now()], [5, [[1, text]]]];
const everybody = (people) => encode([[2, people.map((person) => [2, userRecord(person)])]]);
const captionRecord = (device, id, text, final) =>
  encode([[1, [[1, device], [2, id], [3, 1], [4, final ? 1 : 0], [6, text], [8, "en"]]]]);

async function speakerMessage(device, speaking) {
  const inner = encode([[3, [[4, device], [8, 99], [9, speaking ? [[1, 5], [2, 1]] : [[1, 5]]]]]]);
  const gzip = await packed(inner, "gzip");
  return Uint8Array.from([(2 << 3) | 2, ...varint(gzip.length), ...gzip]);
}
