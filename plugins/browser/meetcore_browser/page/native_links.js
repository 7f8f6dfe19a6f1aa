// Keeps the page from handing the meeting over to an installed app.
//
// A launcher loads an address such as `msteams:` or `zoommtg:`, and the browser then asks what to do
// with it: nobody is there to answer, and the page stands still behind that question. What goes to
// the web goes on as it was; nothing else of the page changes.
{
  const WEB = /^(https?|wss?|about|blob|data|javascript|filesystem):/i;
  const native = (url) => {
    const text = String(url ?? "").trim();
    return /^[a-z][a-z0-9+.-]*:/i.test(text) && !WEB.test(text);
  };

  const frame = window.HTMLIFrameElement.prototype;
  const src = Object.getOwnPropertyDescriptor(frame, "src");
  Object.defineProperty(frame, "src", {
    ...src,
    set(url) {
      if (!native(url)) src.set.call(this, url);
    },
  });
  const { setAttribute } = window.Element.prototype;
  window.Element.prototype.setAttribute = function (name, value) {
    const leads = /^(src|href)$/i.test(name) && this.matches("iframe, frame, embed, object");
    if (!leads || !native(value)) setAttribute.call(this, name, value);
  };
  const { open } = window;
  window.open = function (...parameters) {
    return native(parameters[0]) ? null : open.apply(window, parameters);
  };
  document.addEventListener(
    "click",
    (event) => {
      const link = event.target.closest?.("a[href]");
      if (link && native(link.getAttribute("href"))) event.preventDefault();
    },
    true,
  );

  // What stands in the page's own text is there before any script could refuse it.
  const clean = (node) => {
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    for (const inner of [node, ...node.querySelectorAll("iframe[src]")]) {
      if (inner.tagName === "IFRAME" && native(inner.getAttribute("src"))) inner.remove();
    }
  };
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) clean(node);
  }).observe(document, { childList: true, subtree: true });
}
