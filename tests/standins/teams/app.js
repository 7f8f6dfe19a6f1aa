// A local web client made from public facts: the way in, the lobby, the ends. Test equipment.
//
// Switches (what the room's test asks for): launcher, light, frame, loading ("forever", "once",
// "light"), av_before, av_after, av_frame, overlay, no_audio, mic_on, passcode, passcode_at_prejoin,
// passcode_late, drops_passcode, wall, wall_after, open,
// lobby ("shortly", "host", "unworded"), threat, lobby_toolbar, denied ("words",
// "unworded"), strip (attributes that are missing), and those of call.js and media.js.
(async () => {
  const app = document.querySelector("#app");
  const query = new URLSearchParams(location.search);
  const inner = query.get("inner");
  const locale = navigator.language.startsWith("de") ? "de" : "en";
  const w = WORDING[locale];
  document.documentElement.lang = locale;

  const address = () => {
    if (query.get("coords")) {
      const { meetingCode, passcode } = JSON.parse(atob(query.get("coords")));
      return [meetingCode, passcode ?? null];
    }
    const text = inner ?? (location.hash ? location.hash.slice(1) : location.pathname + location.search);
    const meet = /\/meet\/(\d+)(?:\?p=([^&]*))?/.exec(text);
    if (meet) return [meet[1], meet[2] ? decodeURIComponent(meet[2]) : null];
    const thread = /\/l\/meetup-join\/([^/?]+)/.exec(text);
    return [thread ? decodeURIComponent(thread[1]) : "none", null];
  };
  const [room, passcode] = address();
  const answer = await fetch(`/standin/room?id=${encodeURIComponent(room)}`);
  const exists = answer.ok;
  const switches = await answer.json();
  STRIPPED = switches.strip ?? [];

  const report = (what, more = {}) =>
    fetch(`/standin/report?id=${encodeURIComponent(room)}`, { method: "POST", body: JSON.stringify({ what, ...more }) });
  const media = new Media(switches);
  let call = null;
  let state = "boot";
  let name = switches.account ?? ""; // who is signed in is asked for no name
  const done = { admitted: false, before: [] };

  const screen = (tid, ...inside) => {
    state = tid;
    const element = make("div", { "data-tid": tid }, ...inside);
    app.replaceChildren(element);
    return element;
  };
  const button = (text, onclick, more = {}) => make("button", { onclick, ...more }, text);

  // --- before the client ------------------------------------------------------------------

  const once = (key) => {
    const first = !sessionStorage.getItem(key);
    sessionStorage.setItem(key, "1");
    return first;
  };

  const launcher = () =>
    new Promise((resolve) => {
      const frame = make("iframe", { id: "teamsLauncher" });
      app.replaceChildren(
        button(w.app, () => report("app"), { "data-tid": "joinInApp" }),
        button(w.browser, resolve, { "data-tid": "joinOnWeb", "aria-label": w.browser }),
        frame,
      );
      frame.src = "msteams:/l/meetup-join/x";
      report("launcher", { handed: frame.getAttribute("src") ?? "" });
    });

  const loading = (how) => {
    const stuck =
      how === "forever" ||
      (how === "once" && once("loaded")) ||
      (how === "light" && query.get("lightExperience") !== "false");
    app.replaceChildren(make("div", { id: "loading-screen" }, "…"));
    return stuck ? new Promise(() => {}) : new Promise((resolve) => setTimeout(resolve, 60));
  };

  const goLight = () => {
    const coords = { meetingUrl: location.href, meetingCode: room, passcode: passcode ?? undefined };
    const more = `agent=web&lightExperience=true&coords=${encodeURIComponent(btoa(JSON.stringify(coords)))}`;
    location.replace(`/light-meetings/launch?${more}`);
    return new Promise(() => {});
  };

  // --- the way in -------------------------------------------------------------------------

  const mediaQuestion = (after) =>
    new Promise((resolve) => {
      const dialog = make("div", { role: "dialog", id: "cover" }, make("p", {}, w.sure));
      const go = () => {
        dialog.remove();
        report("without media", { after });
        resolve();
      };
      if (switches.av_frame) {
        const frame = make("iframe", {});
        dialog.append(frame);
        app.append(dialog);
        frame.contentDocument.body.append(button(w.without, go));
      } else {
        dialog.append(button(w.without, go));
        app.append(dialog);
      }
    });

  const preJoin = async () => {
    const field = make("input", {
      type: "text",
      placeholder: w.name,
      "data-tid": "prejoin-display-name-input",
    });
    // A controlled field: what stands in it is what its events said.
    field.oninput = (event) => (name = event.target.value);
    const paint = setInterval(() => field.isConnected && field.value !== name && (field.value = name), 50);
    const toggle = (tid, on) => {
      const box = make("input", { type: "checkbox", role: "switch", "data-tid": tid, "aria-checked": String(on) });
      if (tid === "toggle-mute") box.setAttribute("data-cid", `toggle-mute-${!on}`);
      box.onclick = () => {
        const now = box.getAttribute("aria-checked") !== "true";
        box.setAttribute("aria-checked", String(now));
        if (tid === "toggle-mute") box.setAttribute("data-cid", `toggle-mute-${!now}`);
        report("toggle", { tid, on: now });
      };
      return box;
    };
    const radio = (text, on, what) => {
      const choice = make("input", { type: "radio", name: "audio", "aria-label": text });
      choice.checked = on;
      choice.onclick = () => report(what);
      return choice;
    };
    const join = button(w.join, null, { "data-tid": "prejoin-join-button", id: "prejoin-join-button" });
    const pressed = new Promise((resolve) => {
      join.onclick = () => {
        if (name === "") report("joined without a name");
        else resolve();
      };
    });
    const root = screen(
      "calling-prejoin-screen",
      ...(switches.account ? [] : [field]),
      toggle("toggle-mute", switches.mic_on === true),
      toggle("toggle-video", switches.mic_on === true),
      radio(w.computer, !switches.no_audio, "computer audio"),
      radio(w.silent, switches.no_audio === true, "no audio"),
      join,
      button(w.cancel, () => report("cancelled"), { "data-tid": "prejoin-cancel-button" }),
      ...(switches.passcode_at_prejoin ? [make("input", { placeholder: w.passcode, "data-tid": "meeting-passcode-input" })] : []),
    );
    if (switches.overlay) root.append(make("div", { id: "cover" }));
    if (switches.av_before) await mediaQuestion(false);
    await pressed;
    clearInterval(paint);
    const typed = root.querySelector('[data-tid="meeting-passcode-input"]')?.value ?? null;
    report("joined", { name, passcode, typed });
    if (switches.av_after) await mediaQuestion(true);
  };

  const retryScreen = (text, ...inside) =>
    screen(
      "calling-retry-screen",
      make("div", { id: "calling-retry-screen-description" }, text),
      ...inside,
      button(w.dismiss, null, { "data-tid": "calling-retry-cancelbutton" }),
    );

  const askPasscode = (text) =>
    new Promise((resolve) => {
      const field = make("input", { "data-tid": "meeting-passcode-input", placeholder: w.passcode });
      const again = button(w.retry, () => resolve(field.value), { "data-tid": "calling-retry-rejoinbutton", disabled: true });
      field.oninput = () => again.removeAttribute("disabled");
      const code = text ? [make("input", { "data-tid": "meeting-code-input", value: room })] : [];
      retryScreen(text, ...code, field, again);
    });

  const lobby = () => {
    const kind = switches.lobby ?? "shortly";
    const root = screen(
      kind === "unworded" ? "calling-prejoin-screen" : "calling-lobby-screen",
      make("h1", {}, kind === "unworded" ? "…" : w[kind]),
      button(w.join, null, { "data-tid": "prejoin-join-button", id: "prejoin-join-button", disabled: true }),
      button(w.cancel, () => report("cancelled"), { "data-tid": "prejoin-cancel-button" }),
    );
    state = "lobby";
    if (switches.lobby_toolbar) {
      root.append(
        button(w.leave, null, { id: "hangup-button", "aria-label": w.leave }),
        button(w.people, null, { id: "roster-button" }),
        button(w.hand, null, { id: "raisehands-button" }),
        button(w.chat, null, { id: "chat-button" }),
      );
    }
    report("lobby");
  };

  const enter = async () => {
    state = "call";
    const shown = { switches, words: w, name, report, media, leave: () => over("left", "") };
    call = new CallView(shown);
    call.people.set("self", { id: "self", name: switches.own_name ?? `${name} (Guest)`, self: true, mri: switches.mris ? "8:teamsvisitor:self" : null });
    call.show(app);
    await media.begin();
    if (switches.roster === "http") await fetch(`/standin/room?id=${encodeURIComponent(room)}&participants=1`);
    for (const message of done.before.splice(0)) call.act(message);
    report("entered");
  };

  const over = (what, text, ...inside) => {
    state = "over";
    report(what);
    app.replaceChildren(make("h1", {}, text), ...inside);
  };

  const WALLS = {
    early: () => retryScreen(w.early),
    sign_in: () => retryScreen(w.signIn),
    form: () => app.replaceChildren(make("input", { name: "loginfmt" })),
    captcha: () => app.replaceChildren(make("h1", {}, w.human), make("img", { "data-tid": "HIP-Captcha-Image", style: "width:200px;height:60px" })),
    encrypted: () => screen("calling-e2ee-end-screen", make("p", {}, w.encrypted)),
    lost: () => retryScreen(w.lost),
    bad_url: () => app.replaceChildren(make("p", {}, w.badUrl)),
  };

  // --- what the host does -----------------------------------------------------------------

  const deny = () => retryScreen(switches.denied === "unworded" ? "Nope." : w.denied);
  const rejoin = () => button("Rejoin", null, { "data-tid": "anon-meeting-end-screen-rejoin-button" });

  const notify = (url, body) => {
    // Nobody answers at this address: what counts is that the client hears it on such a socket.
    window.notifications ??= new WebSocket(`ws://${location.host}/notifications`);
    window.notifications.dispatchEvent(new MessageEvent("message", { data: `3:::${JSON.stringify({ id: 1, url, body })}` }));
  };
  const deflated = async (what) => {
    const stream = new Blob([JSON.stringify(what)]).stream().pipeThrough(new CompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    return btoa(String.fromCharCode(...bytes));
  };
  // An account hears of its other calls on the same socket, each by a name of the client's own.
  const roster = async ({ participants, agent = "1", thread }) =>
    notify(`/v4/f/xyz/callAgent/${agent}/tag/conversation/rosterUpdate/`, await deflated({ participants, threadId: thread }));
  const snapshot = ({ of }) => fetch(`/standin/room?id=${of}&participants=/conv/${of}/`);
  const endedBy = async ({ subCode, agent = "1", plain }) =>
    plain
      ? notify(`/v4/f/xyz/callAgent/${agent}/tag/call/end/`, { callEnd: { code: 0, subCode, phrase: "x" } })
      : notify(`/v4/f/xyz/callAgent/${agent}/tag/conversation/conversationEnd/`, await deflated({ code: 0, subCode }));

  const act = (message) => {
    if (message.what === "admit" && switches.threat) {
      report("held"); // among 'Suspected threats': to admit those who wait does not reach it
    } else if (message.what === "admit" || message.what === "approve") {
      done.admitted = true;
      if (state === "lobby") enter();
    } else if (message.what === "deny" && state === "lobby") deny();
    else if (message.what === "remove" && state === "call") over("removed", w.removed);
    else if (message.what === "end" && state === "call") over("ended", switches.end_words ? w.ended : w.enjoy, switches.end_words ? "" : rejoin());
    else if (message.what === "roster") roster(message);
    else if (message.what === "snapshot") snapshot(message);
    else if (message.what === "ended by") endedBy(message);
    else if (message.what === "drop") app.replaceChildren(make("p", {}, "?"));
    else if (call) call.act(message);
    else done.before.push(message);
  };

  // --- the way through --------------------------------------------------------------------

  if (switches.launcher && !inner && once(`launcher ${room}`)) {
    await launcher();
    location.assign(`/v2/?meetingjoin=true#/meet/${room}${passcode ? `?p=${encodeURIComponent(passcode)}` : ""}`);
    location.reload();
    return;
  }
  if (switches.light && !location.pathname.startsWith("/light-meetings/")) await goLight();
  if (switches.frame && !inner) {
    const to = `/meet/${room}${passcode ? `?p=${passcode}` : ""}`;
    app.replaceChildren(make("iframe", { src: `/light-meetings/inner?inner=${encodeURIComponent(to)}`, style: "width:900px;height:500px" }));
    return;
  }
  if (switches.loading) await loading(switches.loading);
  if (switches.question) {
    app.replaceChildren(make("p", {}, w.allow));
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  if (switches.wall && !switches.wall_after) {
    WALLS[switches.wall]();
    return;
  }
  await preJoin();
  if (switches.wall) {
    WALLS[switches.wall]();
    return;
  }
  screen("calling-connecting-screen", "…");
  await new Promise((resolve) => setTimeout(resolve, 80));
  let given = passcode;
  if (exists && switches.passcode && given === null) given = await askPasscode("");
  if (exists && switches.drops_passcode) given = await askPasscode(w.missing);
  if (exists && switches.passcode_late && once("late")) given = await askPasscode("");
  if (!exists || (switches.passcode && given !== switches.passcode)) {
    retryScreen(
      w.missing,
      make("input", { "data-tid": "meeting-code-input", value: room }),
      make("input", { "data-tid": "meeting-passcode-input", value: given ?? "" }),
      button(w.retry, null, { "data-tid": "calling-retry-rejoinbutton", disabled: true }),
    );
    report("missing");
    return;
  }
  const events = new EventSource(`/standin/events?id=${encodeURIComponent(room)}`);
  events.onmessage = ({ data }) => act(JSON.parse(data));
  // A call whose service is out of reach is given up after a while.
  let giveUp = null;
  events.onerror = () => {
    if (state !== "call" || giveUp) return;
    giveUp = setTimeout(() => {
      state = "over";
      WALLS.lost();
    }, switches.lost_ms ?? 60000);
  };
  events.onopen = () => {
    clearTimeout(giveUp);
    giveUp = null;
  };
  if (switches.open || done.admitted) await enter();
  else {
    lobby();
    if (done.admitted) await enter();
  }
})();
