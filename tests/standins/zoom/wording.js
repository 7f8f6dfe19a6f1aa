// What the stand-in says, by language. The wording is the one of the sheets; where they have none for a
// language, the client shows the English one, and so does this.

const TEXTS = {
  en: {
    hold: "Please wait, the meeting host will let you in soon.",
    hold2: "The host will let you in soon",
    wait_for_host: "Waiting for the host to start the meeting.",
    joining: "Joining Meeting...",
    ended: "This meeting has been ended by host",
    ended_admin: "This meeting has been ended by your admin",
    ended_other: "This meeting has ended as someone has started a new meeting with this account",
    free_limit: "This free Zoom meeting has ended",
    removed: "You have been removed",
    removed_body: "You have been removed from this meeting by the host.",
    locked: "Host has locked this meeting.",
    full: "The meeting is at the host's allowed capacity",
    not_started: "The meeting has not started",
    invalid: "This meeting link is invalid",
    not_exist: "Meeting does not exist.",
    passcode_wrong: "Passcode wrong",
    incorrect_passcode: "Incorrect passcode",
    unable: "Unable to join this meeting",
    bots: "Automated bots aren't allowed to join this meeting.",
    rtms: "We detected you may be a bot. Automated bots aren't allowed to join this meeting or webinar and must use Zoom RTMS.",
    human: "If this was a mistake and you are a human, sign in to join the meeting.",
    sign_in: "Sign in to join this meeting",
    verify: "Verify to continue",
    network: "Joining Meeting Timeout or Browser restriction",
    browser: "Your network connection has timed out or your organization has disabled access to Zoom from the browser.",
    reconnect: "Trying to reconnect",
    recorded: "This meeting is being recorded",
    recorded_ai: "This meeting is being recorded. It's also being transcribed for AI Companion.",
    consent: "By staying in this meeting, you consent to being recorded.",
    unmute: "The host would like you to unmute",
    leave: "Leave",
    leave_meeting: "Leave Meeting",
    join: "Join",
    your_name: "Your Name",
    passcode: "Meeting Passcode",
    join_audio: "Join Audio",
    by_computer: "Join Audio by Computer",
    mute: "Mute",
    unmute_button: "Unmute",
    me: "Me",
    host: "Host",
    to: "to",
    everyone: "Everyone",
    more: "More",
    allow: "Allow",
  },
  de: {
    hold: "Bitte warten, der Meeting-Host lässt Sie in Kürze eintreten.",
    hold2: "Der Host lässt Sie bald hinein",
    wait_for_host: "Bitte warten Sie, bis der Host das Meeting beginnt.",
    joining: "Am Meeting teilnehmen...",
    ended: "Das Meeting wurde vom Host beendet",
    ended_admin: "Dieses Meeting wurde von Ihrem Administrator beendet",
    ended_other: "Das Meeting wurde beendet, da jemand mit diesem Konto ein neues Meeting gestartet hat",
    removed: "Sie wurden entfernt.",
    removed_body: "Sie wurden vom Host von diesem Meeting entfernt.",
    locked: "Der Host hat dieses Meeting gesperrt.",
    full: "Dieses Meeting hat die zulässige Kapazität des Hosts erreicht",
    not_started: "Das Meeting hat noch nicht begonnen.",
    invalid: "Der Link zu diesem Meeting ist ungültig",
    not_exist: "Meeting ist nicht vorhanden.",
    passcode_wrong: "Falsches Passwort",
    incorrect_passcode: "Falscher Kenncode",
    bots: "Automatisierte Bots dürfen nicht an diesem Meeting teilnehmen.",
    sign_in: "Melden Sie sich an, um diesem Meeting beizutreten",
    verify: "Zum Fortfahren überprüfen",
    network: "Zeitüberschreitung Meeting-Beitritt oder Browser-Einschränkung",
    reconnect: "Der Versuch, wieder zu verbinden",
    recorded: "Dieses Meeting wird aufgezeichnet",
    unmute: "Der Host möchte Ihre Stummschaltung aufheben",
    leave: "Verlassen",
    leave_meeting: "Meeting verlassen",
    join: "Beitreten",
    your_name: "Ihr Name",
    passcode: "Meetingkenncode",
    join_audio: "Audio beitreten",
    by_computer: "An Audio per Computer teilnehmen",
    mute: "Stummschalten",
    unmute_button: "Stummschaltung aufheben",
    me: "Mich",
    to: "an",
    everyone: "Alle",
    more: "Mehr",
    allow: "Zulassen",
  },
};

let language;
export const speak = (tag) => {
  language = tag.split("-")[0];
  document.documentElement.lang = TEXTS[language] ? tag : "en-US";
};
speak(navigator.language);

export const say = (key) => (TEXTS[language]?.[key] ?? TEXTS.en[key]).replaceAll("'", "’").replaceAll("...", "…");

export const make = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
};

export const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
