// Drives bots from their order to their deletion with MeetingBaaS' own client, and prints what it
// saw. The client hands answers on as they come; here they are held to the schemas it exports.
// node whole_life.mjs BASE_URL API_KEY WEBHOOK_URL STREAMING_URL
import * as sdk from '@meeting-baas/sdk';

const [base_url, api_key, webhook_url, output] = process.argv.slice(2);
const client = sdk.createBaasClient({ api_key, base_url });
const seen = { refused: {}, unlike: {} };
const short = 'https://meet.google.com/short-abc';
const nobody = '123e4567-e89b-12d3-a456-426614174000';

async function asked(name, calling, schema) {
  const answer = await calling;
  if (!answer.success) throw new Error(`${name}: ${answer.error.message}`);
  const held = schema.safeParse(answer.data);
  if (!held.success) seen.unlike[name] = held.error.issues;
  return answer.data;
}

async function refused(name, calling) {
  const { success, error } = await calling;
  seen.refused[name] = success
    ? 'nothing'
    : [error.response?.status ?? error.name, error.response?.data?.error ?? ''];
}

const join = (name, order) => asked(name, client.joinMeeting(order), sdk.joinResponse);
const data = (name, bot_id, more = {}) =>
  asked(name, client.getMeetingData({ bot_id, ...more }), sdk.getMeetingDataResponse);
const list = (name, query) => asked(name, client.listBots(query), sdk.botsWithMetadataResponse);
const named = async (query) => (await list('filtered', query)).bots.map((bot) => bot.bot_name);

async function until(look) {
  for (;;) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function ended(bot_id) {
  const found = await data('polled', bot_id, { include_transcripts: false });
  return found.bot_data.bot.ended_at && found;
}

// --- what is refused
const stranger = sdk.createBaasClient({ api_key: 'nope', base_url });
await refused('wrong key', stranger.listBots());
await refused('no link', client.joinMeeting({ meeting_url: 'nonsense', bot_name: 'Notes' }));
await refused('the client itself', client.joinMeeting({ bot_name: 'Notes' }));
await refused('limits', client.joinMeeting({
  meeting_url: short, bot_name: 'Notes', automatic_leave: { silence_timeout: 1 },
}));
await refused('leave nobody', client.leaveMeeting({ uuid: nobody }));
await refused('data of nobody', client.getMeetingData({ bot_id: nobody }));

// --- a meeting that ends by itself
const began = new Date().toISOString();
const { bot_id } = await join('join', {
  meeting_url: short, bot_name: 'Notes', webhook_url, speech_to_text: { provider: 'Default' },
});
await refused('a second bot', client.joinMeeting({ meeting_url: short, bot_name: 'Notes' }));
await refused('deleted too early', client.deleteBotData({ uuid: bot_id }));
await until(() => ended(bot_id));
const whole = await data('data', bot_id);
seen.bot = whole.bot_data.bot;
seen.duration = whole.duration;
seen.lines = whole.bot_data.transcripts.map((line) => [
  line.speaker, line.words.map((word) => word.text).join(' '),
]);
seen.media = {};
for (const kind of ['mp4', 'audio']) {
  const media = await fetch(whole[kind]);
  const bytes = (await media.arrayBuffer()).byteLength;
  seen.media[kind] = [media.status, media.headers.get('content-type'), bytes];
}
const without = await data('without transcripts', bot_id, { include_transcripts: false });
seen.without = without.bot_data.transcripts;

// --- one with everything the client can order, which is called back
const later = await join('join with everything', {
  meeting_url: 'https://meet.google.com/stay-abc',
  bot_name: 'Other notes',
  bot_image: 'https://example.com/bot.png',
  recording_mode: 'audio_only',
  entry_message: 'Hello',
  speech_to_text: 'Default',
  automatic_leave: { waiting_room_timeout: 300, noone_joined_timeout: null, silence_timeout: 600 },
  deduplication_key: 'another',
  streaming: { output, input: null, audio_frequency: '16khz' },
  extra: { customer: 'a', n: 1 },
  transcription_custom_parameters: { summarization: true },
  reserved: false,
  start_time: Math.floor(Date.now() / 1000) - 5,
  zoom_sdk_id: null,
  webhook_url,
});
await until(async () => (await named({ speaker_name: 'ada', bot_name: 'other' })).length);
await asked('leave', client.leaveMeeting({ uuid: later.bot_id }), sdk.leaveResponse);
const left = await until(() => ended(later.bot_id));
seen.asked = left.bot_data.bot;

// --- the list
seen.filtered = {
  all: await named(),
  name: await named({ bot_name: 'OTHER' }),
  platform: await named({ meeting_url: 'meet.google.com' }),
  meeting: await named({ meeting_url: short }),
  extra: await named({ filter_by_extra: 'customer:a,n:1' }),
  nobodys: await named({ filter_by_extra: 'customer:b' }),
  sorted: await named({ sort_by_extra: 'customer:desc' }),
  after: await named({ created_after: began }),
  before: await named({ created_before: seen.bot.created_at }),
  ended: await named({ ended_after: seen.asked.ended_at }),
  speaker: await named({ speaker_name: 'ada', bot_name: null, cursor: null }),
};
const first = await list('first page', { limit: 1 });
const second = await list('second page', { limit: 1, cursor: first.next_cursor });
seen.pages = [first.bots[0].uuid, second.bots[0].uuid, second.next_cursor];
seen.speakers = second.bots[0].speakers;

// --- what there is besides, and what there is not
seen.screenshots = await asked(
  'screenshots', client.getScreenshots({ uuid: bot_id }), sdk.getScreenshotsResponse);
seen.webhooks = (await client.getWebhookDocumentation()).data;
seen.bot_webhooks = (await client.getBotWebhookDocumentation()).data;
const again = { bot_uuid: bot_id, speech_to_text: { provider: 'Default' }, webhook_url };
seen.again = (await client.retranscribeBot(again)).success;
await refused('transcribe again', client.retranscribeBot(again));
await refused('calendar webhooks', client.getCalendarWebhookDocumentation());
const oauth = {
  oauth_client_id: 'a', oauth_client_secret: 'b', oauth_refresh_token: 'c', platform: 'Google',
};
const uuid = nobody;
const elsewhere = {
  listCalendars: undefined,
  createCalendar: oauth,
  getCalendar: { uuid },
  updateCalendar: { uuid, body: oauth },
  deleteCalendar: { uuid },
  resyncAllCalendars: {},
  listRawCalendars: oauth,
  listCalendarEvents: { calendar_id: uuid },
  getCalendarEvent: { uuid },
  scheduleCalendarRecordEvent: { uuid, body: { bot_name: 'Notes', extra: {} } },
  patchBot: { uuid, body: {} },
  unscheduleCalendarRecordEvent: { uuid },
  listZoomOauthConnections: undefined,
  createZoomOauthConnection: {
    authorization_code: 'a', redirect_uri: 'b', zoom_client_id: 'c', zoom_client_secret: 'd',
  },
  getZoomOauthConnection: { uuid },
  deleteZoomOauthConnection: { uuid },
};
for (const [method, params] of Object.entries(elsewhere)) {
  await refused(method, client[method](params));
}
seen.elsewhere = Object.keys(elsewhere);
seen.untried = Object.keys(client).filter((method) => ![
  ...seen.elsewhere, 'joinMeeting', 'leaveMeeting', 'getMeetingData', 'listBots', 'deleteBotData',
  'retranscribeBot', 'getScreenshots', 'getWebhookDocumentation', 'getBotWebhookDocumentation',
  'getCalendarWebhookDocumentation', 'getApiKey', 'getBaseUrl',
].includes(method));

// --- the end
const gone = () => asked('delete', client.deleteBotData({ uuid: bot_id }), sdk.deleteDataResponse);
seen.deleted = [(await gone()).status, (await gone()).status];
const nothing = await data('data that is deleted', bot_id);
seen.nothing = [nothing.mp4, nothing.audio, nothing.bot_data.transcripts];
process.stdout.write(JSON.stringify(seen), () => process.exit(0));
