// An EasyRTC server with its own demo pages, on a free port of loopback; prints the port.
const path = require("path");
const http = require("http");
const express = require("express");
const serveStatic = require("serve-static");
const socketIo = require("socket.io");
const easyrtc = require("open-easyrtc");

const app = express();
app.use("/demos", serveStatic(path.join(path.dirname(require.resolve("open-easyrtc")), "demos")));
const web = http.createServer(app);
easyrtc.setOption("logLevel", "none");
easyrtc.setOption("appIceServers", []);
easyrtc.setOption("demosEnable", false);
easyrtc.listen(app, socketIo(web), null, () => {
  web.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(web.address().port));
});
process.stdin.on("end", () => process.exit(0)).resume();
