// Chooses whom the chat's next message is for, by the list behind "To:".
//
// The client remembers the choice, and what is written later goes to the same person. So the choice is
// read back before anything is written, and whoever cannot be told from others is never chosen. It finds
// people by name: the list has nothing else.
{
  const { reader } = meetcore;
  const { plain } = reader;
  const OPENS_MS = 3000;
  const POLL_MS = 50;
  let everybody = null; // what the button says before anybody was chosen

  meetcore.calledEverybody = () => everybody;

  // What stands there without marks like "(Host)", which have an element of their own.
  const named = (element) => {
    const copy = element.cloneNode(true);
    for (const mark of copy.querySelectorAll("[class*='chat-receiver-list__appendix']")) mark.remove();
    return plain(copy.textContent);
  };

  const until = async (found) => {
    for (const end = performance.now() + OPENS_MS; performance.now() < end; ) {
      const now = found();
      if (now) return now;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return null;
  };

  // Everybody stands first: whoever is called the same is further down.
  const choose = async (button, wanted, { among = (items) => items } = {}) => {
    if (!reader.all("chat_receiver_item").length) button.click();
    const items = await until(() => (reader.all("chat_receiver_item").length ? reader.all("chat_receiver_item") : null));
    if (!items) return "the list of whom to write to did not open";
    const found = among(items).filter((item) => named(item) === wanted);
    if (found.length !== 1) {
      button.click(); // closes the list
      return found.length ? `${found.length} people in the list are called so` : "nobody in the list is called so";
    }
    const never = reader.forbidden(found[0]);
    if (never !== null) return `what says ${never} is never pressed`;
    found[0].click();
    const taken = await until(() => named(reader.find("chat_receiver") ?? document.createElement("i")) === wanted);
    return taken ? "" : "the client did not take the choice";
  };

  // Returns "" once the next message goes to a person of that name, or to everybody for null; else why
  // not; and null in a frame without a chat.
  meetcore.offer("chooseReceiver", async (name) => {
    if (!reader.find("chat_field")) return null;
    const button = reader.find("chat_receiver");
    if (!button) return name === null ? "" : "this chat does not offer to write to one person";
    everybody ??= named(button);
    if (name === null) {
      return named(button) === everybody ? "" : choose(button, everybody, { among: ([first]) => [first] });
    }
    const wanted = plain(name);
    if (wanted === everybody) return "their name is what the client calls everybody";
    return choose(button, wanted);
  });
}
