// Reads along what the server tells the page: that somebody removed the bot shows nowhere on it.
const native = window.fetch;
const look = (body) => {
  for (const message of Array.isArray(body) ? body : [body]) {
    const data = message?.plugindata?.data;
    if (data?.leaving === "ok" && data?.reason === "kicked") meetcore.tell("kicked");
  }
};
window.fetch = async (...parameters) => {
  const response = await native(...parameters);
  if (/\/janus(\/|\?|$)/.test(response.url)) response.clone().json().then(look, () => {});
  return response;
};
