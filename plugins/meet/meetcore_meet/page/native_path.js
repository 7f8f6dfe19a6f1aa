// Keeps the client on the browser's own audio path.
//
// Where it finds `createEncodedStreams` on a receiver, the client may take the encoded frames and decode
// them itself, into one stream for everybody; who speaks is then told nowhere. A browser without that
// method is an ordinary one to it. Nothing else is changed, and nothing is pretended.
delete window.RTCRtpReceiver?.prototype.createEncodedStreams;
