// Drives a bot from its order to its deletion with Skribby's own client, and prints what it saw.
// node whole_life.mjs BASE_URL API_KEY MEETING_URL WEBHOOK_URL PICTURE_URL
import { createClient } from '@skribby/sdk';

const [base_url, api_key, meeting_url, webhook_url, picture_url] = process.argv.slice(2);
const client = createClient({ api_key, base_url });
const order = {
  bot_name: 'Notes',
  meeting_url,
  service: 'gmeet',
  transcription_model: 'deepgram-realtime',
  webhook_url,
  custom_metadata: { crm: '42' },
};
const seen = { errors: {} };

async function failing(name, call) {
  try {
    await call();
    seen.errors[name] = 'nothing';
  } catch (error) {
    seen.errors[name] = error.constructor.name;
  }
}

await failing('wrong key', () =>
  createClient({ api_key: 'nope', base_url }).getScheduledBots());
await failing('no model', () => client.createBot({ ...order, transcription_model: '' }));

const planned = await client.scheduleBot({ ...order, scheduled_for: '2099-01-01T10:00:00Z' });
seen.planned = [planned.data.status, planned.data.scheduled_for];
seen.scheduled = (await client.getScheduledBots()).map((bot) => bot.id === planned.id);
await planned.update({ bot_name: 'Renamed' });
seen.renamed = planned.data.bot_name;
await planned.delete();
await failing('deleted bot', () => client.getBotById(planned.id));

const batch = await client.scheduleBot({
  ...order, scheduled_start_time: new Date('2099-01-01T10:00:00Z'), transcription_model: 'whisper',
});
try {
  batch.getRealtimeClient();
} catch (error) {
  seen.errors['batch socket'] = 'refused';
}
await batch.delete();

const bot = await client.createBot({
  ...order, video: true, bot_avatar_url: `${picture_url}/first.png`,
});
seen.created = [bot.data.status, bot.data.created_at instanceof Date];
await failing('delete while it runs', () => bot.delete());
const realtime = bot.getRealtimeClient();
seen.types = [];
seen.lines = [];
seen.transitions = [];
seen.chat = [];
seen.audio_bytes = 0;
realtime.on('raw', (frame) => seen.types.push(frame.type));
realtime.on('audio', (sound) => { seen.audio_bytes += sound.length; });
realtime.on('ts', (line) => seen.lines.push(line));
realtime.on('status-update', (change) => seen.transitions.push(change));
realtime.on('chat-message', (message) => seen.chat.push(message));
realtime.on('start', () => {
  bot.sendChatMessage('Hello over REST').catch((error) => { seen.chat_error = String(error); });
  realtime.send('chat-message', { content: 'Hello over the socket' });
  realtime.send('change-avatar', { avatar_url: `${picture_url}/second.png` });
});
const stopped = new Promise((resolve) => realtime.on('stop', resolve));
await realtime.connect();
seen.connected = [realtime.connected, realtime.audioConnected];
await stopped;
seen.transcript = realtime.transcript.length;
await realtime.disconnect();

await bot.refresh();
const { status, stop_reason, transcript, participants, recording_url } = bot.data;
seen.end = { status, stop_reason, lines: transcript.length };
seen.people = participants.map((person) => [person.name, person.first_seen_at instanceof Date]);
const recording = await fetch(recording_url);
seen.recording = (await recording.arrayBuffer()).byteLength;
seen.recorded = [bot.data.video, recording.headers.get('content-type'), bot.data.bot_avatar];
seen.pricing = (await bot.getPricing()).total;
seen.capacity = await client.getReservedCapacity();
await failing('recording', () =>
  client.createRecording({ recording_url: 'https://example.com/a.mp3', transcription_model: 'whisper' }));
await bot.stop();
await bot.delete();
await failing('deleted at the end', () => client.getBotById(bot.id));
process.stdout.write(JSON.stringify(seen), () => process.exit(0));
