// The page writes every stream's bit rate and resolution anew each second, and paints itself for
// that. A bot reads neither: what is not shown is not laid out and painted.
document.addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style");
  style.textContent = "[id^=curbitrate], [id^=curres] { display: none !important; }";
  document.head.append(style);
});
