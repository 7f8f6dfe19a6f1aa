// Asks whether what a bot left is to be deleted, and deletes it.

import { ask, botPath, get } from "./api.js";
import { element, setText } from "./dom.js";

/** @param {string} botId @param {(bot: Record<string, any>) => void} onDeleted */
export function deleteDialog(botId, onDeleted) {
  const confirm = element("button", { class: "primary danger", type: "button", text: "Delete for good" });
  const stay = element("button", { class: "secondary", type: "button", autofocus: true, text: "Keep it", on: { click: () => dialog.close() } });
  const error = element("p", { class: "error", role: "alert", hidden: true });
  const dialog = element("dialog", { "aria-labelledby": "delete-title" }, element("h2", { id: "delete-title", text: "Delete what this bot left?" }), element("p", { text: "Recording, transcript, chat and journal are gone for good. The bot stays in the list." }), error, element("div", { class: "dialog-buttons" }, confirm, stay));
  confirm.addEventListener("click", async () => {
    confirm.disabled = true;
    try {
      await ask("DELETE", botPath(botId, "/data"));
      dialog.close();
      onDeleted(await get(botPath(botId)));
    } catch (trouble) {
      setText(error, trouble.words ?? trouble.message);
      error.hidden = false;
    } finally {
      confirm.disabled = false;
    }
  });
  return dialog;
}
