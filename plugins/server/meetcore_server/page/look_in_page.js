// A page of its own to look in, for whoever was given a link: the link's token is all it needs.

import { element } from "./dom.js";
import { LookIn } from "./look_in.js";

const main = document.getElementById("main");
const token = location.hash.slice(1);

if (token) {
  const lookIn = new LookIn(async () => ({ token }), { mayAsk: false });
  main.replaceChildren(lookIn.element);
  lookIn.open();
} else {
  main.replaceChildren(element("p", { class: "error", role: "alert", text: "This link is not whole: it lacks what stands behind the #. Copy all of it." }));
}
window.addEventListener("hashchange", () => location.reload());
