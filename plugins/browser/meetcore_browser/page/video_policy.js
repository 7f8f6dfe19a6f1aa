// Refuses incoming video in the session description: decoding it is most of what a bot's browser
// does, and only the m-line (or a transform) stops it. `inactive` is legal SDP and saves the
// network, too. What the page itself sends stays: `sendrecv` becomes `sendonly`.
//
// A direction has to be set between setRemoteDescription and createAnswer, or before createOffer, so
// these are wrapped, and setLocalDescription, which without an argument makes the description
// itself. That covers every renegotiation as well.
if (!meetcore.config.incomingVideo && window.RTCPeerConnection) {
  const proto = window.RTCPeerConnection.prototype;
  const { createOffer, createAnswer, setLocalDescription, getTransceivers } = proto;
  const WITHOUT_RECEIVING = { recvonly: "inactive", sendrecv: "sendonly" };

  const refuse = (peer) => {
    for (const transceiver of getTransceivers.call(peer)) {
      if (transceiver.receiver.track.kind !== "video") continue;
      const direction = WITHOUT_RECEIVING[transceiver.direction];
      if (direction && peer.signalingState !== "closed") transceiver.direction = direction;
    }
  };

  // {offerToReceiveVideo: true} makes a receiving transceiver inside createOffer, too late for us.
  const withoutOfferToReceive = (options) =>
    options?.offerToReceiveVideo ? { ...options, offerToReceiveVideo: false } : options;

  proto.createOffer = function (...parameters) {
    refuse(this);
    return createOffer.apply(this, parameters.map(withoutOfferToReceive));
  };

  proto.createAnswer = function (...parameters) {
    refuse(this);
    return createAnswer.apply(this, parameters);
  };

  proto.setLocalDescription = function (...parameters) {
    if (!parameters[0]?.sdp && parameters[0]?.type !== "rollback") refuse(this);
    return setLocalDescription.apply(this, parameters);
  };
}
