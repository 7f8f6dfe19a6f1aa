// Takes the others' video out of the page where none is received. The page has an element for each,
// which stays black, and as long as it is there asks for its statistics and writes its bit rate anew
// every second.
const LEFT_OUT = "[id^=videoremote] video, [id^=curbitrate], [id^=curres]";
if (!meetcore.config.incomingVideo) {
  const clean = () => {
    for (const element of document.querySelectorAll(LEFT_OUT)) {
      if (element.srcObject) element.srcObject = null;
      element.remove();
    }
  };
  // Called when all that made the changes has run: the page itself still finds what it has just added.
  new MutationObserver(clean).observe(document, { childList: true, subtree: true });
}
