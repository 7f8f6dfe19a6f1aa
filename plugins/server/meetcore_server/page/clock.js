// Times and durations in words, and the second hand that moves every one that is shown.

import { serverNow } from "./api.js";
import { element, setText } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const MINUTE = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** @type {Set<() => void>} */
const listeners = new Set();

/** Seconds as `0:07`, `12:03`, `1:02:03` or `3 days`. @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  const rest = `${String(Math.floor((whole % 3600) / 60)).padStart(hours ? 2 : 1, "0")}:${String(whole % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${rest}` : rest;
}

/** How long something lasted; short times with their tenths. @param {number} seconds */
export const lasting = (seconds) => (seconds < 10 ? `${Math.max(0, seconds).toFixed(1)} s` : duration(seconds));

/** Seconds from a moment until now, by the server's clock. @param {string} at */
export const secondsSince = (at) => (serverNow() - Date.parse(at)) / 1000;

/** @param {string} at */
export const clockTime = (at) => CLOCK.format(new Date(at));

/** A moment, with its day where that is not today. @param {string} at */
export function moment(at) {
  const date = new Date(at);
  return date.toDateString() === new Date(serverNow()).toDateString() ? MINUTE.format(date) : DAY.format(date);
}

/** A moment as an element. @param {string} at @param {(at: string) => string} [write] */
export function timeElement(at, write = moment) {
  return element("time", { datetime: at, title: FULL.format(new Date(at)), text: write(at) });
}

/** Make an element that shows how long ago a moment was, and goes on. @param {string} at */
export function ticking(at) {
  const made = element("time", { class: "ticking", role: "timer", "aria-live": "off" });
  setSince(made, at);
  return made;
}

/** @param {HTMLElement} target @param {string} at */
export function setSince(target, at) {
  target.dataset.since = at;
  setText(target, duration(secondsSince(at)));
}

/** Call something each second, until the function returned is called. @param {() => void} listener */
export function eachSecond(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

setInterval(() => {
  if (document.hidden) return;
  for (const each of document.querySelectorAll("[data-since]")) setText(each, duration(secondsSince(each.dataset.since)));
  for (const listener of [...listeners]) listener();
}, 1000);
