// Command lines with which each API that is mounted here sends a bot.

const LINK = "https://meet.google.com/abc-defg-hij";

/**
 * @typedef {{name: string, title: string, path: string, docs: string}} Mount
 * @typedef {{title: string, note: string, command: string}} Example
 */

/** @type {Record<string, {path: string, header: string, body: Record<string, unknown>}>} */
const KNOWN = {
  vexa: { path: "/bots", header: "X-API-Key: $KEY", body: { platform: "google_meet", native_meeting_id: "abc-defg-hij", bot_name: "Notes" } },
  skribby: {
    path: "/api/v1/bot",
    header: "Authorization: Bearer $KEY",
    body: { service: "gmeet", meeting_url: LINK, bot_name: "Notes", transcription_model: "pocketsphinx-realtime" },
  },
  meetstream: { path: "/api/v1/bots/create_bot", header: "Authorization: Token $KEY", body: { meeting_link: LINK, bot_name: "Notes", video_required: false } },
  spoke: { path: "/bots", header: "x-spoke-api-key: $KEY", body: { meeting_url: LINK, bot_name: "Notes", speech_to_text: "Default" } },
};

/** @param {string} url @param {string} header @param {Record<string, unknown>} body */
function curl(url, header, body) {
  return [`curl ${url} \\`, `  -H '${header}' \\`, "  -H 'content-type: application/json' \\", `  -d '${JSON.stringify(body)}'`].join("\n").replace(`'${header}'`, `"${header}"`);
}

/**
 * Return an example for the native API and each mount we know the order of.
 * @param {string} origin
 * @param {Mount[]} mounts
 * @param {string} [link] Of a platform that is installed, for the native API.
 * @returns {Example[]}
 */
export function examples(origin, mounts, link = LINK) {
  const native = { title: "meetcore", note: "The native API.", command: curl(`${origin}/v1/bots`, "Authorization: Bearer $KEY", { meeting_url: link, name: "Notes" }) };
  const others = mounts
    .filter(({ name }) => Object.hasOwn(KNOWN, name))
    .map(({ name, title, path, docs }) => {
      const { path: below, header, body } = KNOWN[name];
      return { title, note: docs, command: curl(origin + path + below, header, body) };
    });
  return [native, ...others];
}
