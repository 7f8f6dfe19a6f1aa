// What states and reasons mean to a person, and what to do about them.

import { secondsSince } from "./clock.js";

/** Longer than this in a state that should pass by itself is worth a warning, in seconds. */
const PATIENCE_S = 60;

/** @type {Record<string, [string, string]>} Words and tone of each state. */
const STATES = {
  scheduled: ["Scheduled", "calm"],
  requested: ["Starting", "busy"],
  joining: ["Joining", "busy"],
  awaiting_admission: ["Waiting to be let in", "ask"],
  in_call: ["In the call", "live"],
  recording: ["Recording", "live"],
  paused: ["Paused", "ask"],
  leaving: ["Leaving", "busy"],
  processing: ["Finishing", "busy"],
  completed: ["Completed", "calm"],
  failed: ["Failed", "bad"],
};

/** @type {Record<string, [string, string]>} What happened, and what to do. */
const REASONS = {
  meeting_ended: ["The meeting ended.", ""],
  stop_requested: ["It was told to leave.", ""],
  removed: ["Somebody removed it from the meeting.", ""],
  everyone_left: ["Everybody had left.", ""],
  nobody_joined: ["Nobody else came.", ""],
  silence: ["Nobody had spoken for a long time.", ""],
  max_duration: ["It stayed as long as it was allowed to.", ""],
  denied: ["The host did not let it in.", "Tell the host that a bot is coming, then send it again."],
  admission_timeout: ["Nobody let it in.", "Have the host ready to admit it, then send it again."],
  invalid_meeting_url: ["The link is not that of a meeting.", "Copy the link from the invitation once more."],
  meeting_not_found: ["There is no such meeting.", "Check the link: the meeting may have been deleted."],
  meeting_locked: ["The host has locked the meeting.", "Ask the host to unlock it, then send the bot again."],
  meeting_full: ["The meeting is full.", "Send it again when somebody has left."],
  meeting_not_started: ["The meeting had not started.", "Send it again when the host is there, or give it a time to join."],
  wrong_passcode: ["The passcode is not right.", "Use the whole link of the invitation, with its passcode."],
  sign_in_required: ["The meeting is for people who are signed in.", "Have the host allow guests."],
  captcha_required: ["The platform wanted a puzzle solved.", "Wait a while, or send it from another network."],
  bot_blocked: ["The platform keeps bots out.", "Have the host allow guests and bots in the meeting's settings."],
  official_api_required: ["This kind of meeting can only be joined through the platform's own API.", "Use a meeting that guests can join in a browser."],
  client_never_loaded: ["The platform's page never loaded.", "Check the server's network, then send it again."],
  recording_permission_denied: ["It was not allowed to record.", "Have the host give permission to record."],
  connection_lost: ["The connection to the meeting was lost.", "Check the server's network, then send it again."],
  transcription_failed: ["The transcriber failed.", "Check the transcriber's key and settings; the server's log says more."],
  crashed: ["It ended unexpectedly.", "Send it again; the server's log says more."],
  internal_error: ["Something went wrong in the server.", "Send it again; the server's log says what happened."],
};

const PLATFORMS = { google_meet: "Google Meet", zoom: "Zoom", teams: "Microsoft Teams", rehearsal: "Rehearsal" };

/** @param {string} state */
export const stateWords = (state) => STATES[state]?.[0] ?? state;

/** @param {string} state */
export const toneOf = (state) => STATES[state]?.[1] ?? "calm";

/** @param {string | null} reason */
export const reasonWords = (reason) => (reason ? (REASONS[reason]?.[0] ?? reason) : "");

/** Whether a bot ended as bots are meant to: not failed, and not cut short. @param {{state: string, reason: string | null}} bot */
export const wentWell = (bot) => bot.state === "completed" && !(REASONS[bot.reason ?? ""]?.[1] ?? "");

/** @param {string} platform */
export const platformWords = (platform) => PLATFORMS[platform] ?? platform;

/** @param {string} state */
export const hasEnded = (state) => state === "completed" || state === "failed";

/** @param {string} state */
export const canHear = (state) => state === "in_call" || state === "recording" || state === "paused";

/**
 * What somebody should know, or do, about a bot.
 * @typedef {{tone: string, title: string, todo: string, cancel: boolean}} Advice
 * @param {{state: string, state_since: string, reason: string | null, name: string}} bot
 * @returns {Advice | null}
 */
export function adviceFor(bot) {
  if (bot.state === "awaiting_admission") {
    return { tone: "ask", title: `Ask the host to admit ${bot.name}`, todo: "It stands in the waiting room.", cancel: true };
  }
  if ((bot.state === "requested" || bot.state === "joining") && secondsSince(bot.state_since) > PATIENCE_S) {
    return { tone: "bad", title: "This takes longer than it should", todo: "Check that the link works, or cancel and send it again.", cancel: true };
  }
  if (bot.state === "failed") {
    const [title, todo] = REASONS[bot.reason ?? ""] ?? [bot.reason ?? "It failed.", ""];
    return { tone: "bad", title, todo, cancel: false };
  }
  if (bot.state === "paused") {
    return { tone: "ask", title: "Recording is paused", todo: "Nothing is recorded or transcribed until it goes on.", cancel: false };
  }
  return null;
}
