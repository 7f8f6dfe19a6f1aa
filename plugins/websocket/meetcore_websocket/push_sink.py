"""stub"""

from meetcore.contracts import Sink


class WebSocketPushSink(Sink):
    """x"""

    name = "websocket_push"
