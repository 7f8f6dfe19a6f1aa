// Reads a page by a selector pack: which controls are there, at which rank, and what they say.
//
// A fragment like the others here: `meetcore` is in scope, `meetcore.pack` is the pack as plain data.
// The same text reads a live page, where it is run before the page's own scripts, and a saved one.
// It only reads. Where a joiner clicks, it asks `find` for the element and `forbidden` whether it may.
{
  const pack = meetcore.pack;
  const IMPLICIT = {
    button: "button, input[type=button], input[type=submit], summary",
    link: "a[href]",
    heading: "h1, h2, h3, h4, h5, h6",
    textbox: "textarea, input:not([type]), input[type=text], input[type=email], input[type=tel], input[type=url], [contenteditable=''], [contenteditable=true]",
    searchbox: "input[type=search]",
    checkbox: "input[type=checkbox]",
    radio: "input[type=radio]",
    combobox: "select",
    dialog: "dialog",
    list: "ul, ol",
    listitem: "li",
    img: "img",
    main: "main",
    navigation: "nav",
    banner: "header",
    contentinfo: "footer",
    row: "tr",
  };
  const SILENT = new Set(["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE", "HEAD", "TITLE"]);
  const LONGEST = 600;

  // Typographic and plain signs are one, invisible characters none, any white space a blank.
  const plain = (text) =>
    (text ?? "")
      .normalize("NFC")
      .replace(/[\u2018\u2019\u02bc]/g, "'")
      .replace(/[\u201c\u201d]/g, '"')
      .replace(/\u2026/g, "...")
      .replace(/[\u00ad\u200b-\u200f\u2060\ufeff]/g, "")
      .replace(/\s+/g, " ")
      .trim();

  const visible = (element) => {
    if (element.checkVisibility && !element.checkVisibility({ visibilityProperty: true })) return false;
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };

  const roots = () => {
    const found = [document];
    for (let i = 0; i < found.length; i++) {
      const walker = document.createTreeWalker(found[i], NodeFilter.SHOW_ELEMENT);
      while (walker.nextNode()) if (walker.currentNode.shadowRoot) found.push(walker.currentNode.shadowRoot);
    }
    return found;
  };

  // As `closest`, out of shadow roots as well.
  const inside = (element, css) => {
    for (let at = element; at; at = at.getRootNode().host) if (at.closest(css)) return true;
    return false;
  };

  const label = (element) => {
    const by = element.getAttribute("aria-labelledby");
    if (by) {
      const root = element.getRootNode();
      const said = by.split(/\s+/).map((id) => root.getElementById?.(id)?.textContent ?? "");
      if (plain(said.join(" "))) return plain(said.join(" "));
    }
    const own = plain(element.getAttribute("aria-label"));
    if (own) return own;
    if ("labels" in element && element.labels?.length) {
      return plain([...element.labels].map((l) => l.textContent).join(" "));
    }
    if (element.tagName === "INPUT" || element.tagName === "TEXTAREA") {
      const value = /^(button|submit|reset)$/.test(element.type) ? element.value : "";
      return plain(value || element.getAttribute("placeholder") || element.title);
    }
    return plain(element.getAttribute("alt")) || plain(element.textContent) || plain(element.title);
  };

  const contains = (element, text) => plain(element.textContent).toLowerCase().includes(plain(text).toLowerCase());

  // One look at the page: its roots and its texts are fetched once, and only if somebody asks.
  class Look {
    constructor(known) {
      this.at = performance.now();
      this._roots = known;
    }

    get roots() {
      return (this._roots ??= roots());
    }

    // Everything that carries text of its own, and what encloses that, as [element, text]. In
    // document order, so of two that say the same the inner one comes last.
    get texts() {
      if (this._texts) return this._texts;
      const seen = new Set();
      for (const root of this.roots) {
        const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const node = walker.currentNode;
          const owner = node.parentElement;
          if (!owner || SILENT.has(owner.tagName) || !node.data.trim()) continue;
          if (owner.parentElement) seen.add(owner.parentElement);
          seen.add(owner);
        }
        for (const input of root.querySelectorAll("input[type=submit], input[type=button]")) seen.add(input);
      }
      this._texts = [];
      for (const element of seen) {
        const text = plain(element.tagName === "INPUT" ? element.value : element.textContent);
        if (text && text.length <= LONGEST) this._texts.push([element, text, text.toLowerCase()]);
      }
      return this._texts;
    }

    // All of them as one: most words of a pack are nowhere, and that is found out at once.
    get words() {
      return (this._words ??= this.texts.map(([, , small]) => small).join("\n"));
    }

    byCss(css, within) {
      const found = [];
      for (const root of within ? [within] : this.roots) found.push(...root.querySelectorAll(css));
      return found;
    }

    byText(value, whole) {
      const wanted = whole ? plain(value) : plain(value).toLowerCase();
      if (!this.words.includes(wanted.toLowerCase())) return [];
      const says = whole ? ([, text]) => text === wanted : ([, , small]) => small.includes(wanted);
      const found = this.texts.filter(says).map(([element]) => element);
      const inner = found.filter((element) => !found.some((other) => other !== element && element.contains(other)));
      return inner;
    }

    byRole(role, name) {
      const implicit = IMPLICIT[role] ? `, :is(${IMPLICIT[role]}):not([role])` : "";
      const found = this.byCss(`[role="${role}"]${implicit}`);
      if (name == null) return found;
      const wanted = plain(name);
      return found.filter((element) => label(element) === wanted);
    }

    candidates(selector) {
      if (selector.kind === "css") return this.byCss(selector.value);
      if (selector.kind === "role") return this.byRole(selector.value, selector.name);
      return this.byText(selector.value, selector.kind === "text");
    }

    matches(selector, presence) {
      const read = selector.kind === "words" || selector.kind === "text";
      const found = this.candidates(selector).filter((element) => {
        if (selector.within && !inside(element, selector.within)) return false;
        if (selector.outside && inside(element, selector.outside)) return false;
        if (selector.without && contains(element, selector.without)) return false;
        if (read && pack.never_read && inside(element, pack.never_read)) return false;
        if (presence === "visible" && !visible(element)) return false;
        if (selector.min_size) {
          const box = element.getBoundingClientRect();
          if (box.width < selector.min_size[0] || box.height < selector.min_size[1]) return false;
        }
        return true;
      });
      if (!selector.only) return found;
      const may = found.filter((element) => forbidden(element) === null);
      return may.length === 1 ? may : [];
    }

    // [rank, element] of the first selector that matches, or null.
    first(name) {
      const control = pack.controls[name];
      if (!control) return null;
      for (const selector of control.selectors) {
        const [element] = this.matches(selector, control.state);
        if (element) return [selector.rank, element];
      }
      return null;
    }
  }

  const says = (element) => {
    const text = plain(element.getAttribute?.("aria-label")) || plain(element.textContent) || plain(element.value);
    return text.slice(0, 200);
  };

  const forbidden = (element) => {
    const never = pack.never_click;
    for (const css of never.selectors) if (inside(element, css)) return css;
    const texts = new Set(never.texts.map((text) => plain(text).toLowerCase()));
    const whole = element.closest?.("button, a, [role=button], [role=menuitem], [role=link]") ?? element;
    for (const part of [element, whole]) {
      for (const said of [label(part), plain(part.textContent), plain(part.innerText)]) {
        if (texts.has(said.toLowerCase())) return said;
      }
    }
    // The name of an icon is text, too, and stands before what the button says.
    for (const part of whole.querySelectorAll?.("*") ?? []) {
      const said = plain(part.textContent);
      if (texts.has(said.toLowerCase())) return said;
    }
    return null;
  };

  const look = () => {
    const now = new Look();
    const hits = {};
    for (const name of Object.keys(pack.controls)) {
      const found = now.first(name);
      if (found) hits[name] = [found[0], says(found[1])];
    }
    const { href } = location;
    return { url: href, title: document.title, lang: document.documentElement?.lang ?? "", hits };
  };

  // Readers ask many times a second, and a page rarely gets another shadow root.
  const ROOTS_MS = 2000;
  let lastRoots = null;
  let rootsAt = 0;
  const recentRoots = () => {
    if (!lastRoots || performance.now() - rootsAt > ROOTS_MS) [lastRoots, rootsAt] = [roots(), performance.now()];
    return lastRoots;
  };

  // All elements that the best selector with any gives; within one element, or on the whole page.
  const all = (name, within) => {
    const control = pack.controls[name];
    const now = new Look(recentRoots());
    for (const selector of control?.selectors ?? []) {
      const found =
        within && selector.kind === "css" ? now.byCss(selector.value, within) : now.matches(selector, control.state);
      const here = within ? found.filter((element) => within.contains(element)) : found;
      if (here.length) return here;
    }
    return [];
  };

  const find = (name) => new Look().first(name)?.[1] ?? null;
  meetcore.reader = { plain, label, visible, inside, look, find, all, forbidden };
}
