"""An OPC UA server in memory, for frames by the hundred thousand: a script on a loop of virtual time.

The driver, its session and asyncua are the real ones; only socket and time are not. `Script` answers each
request as a server without security does, and hands each frame to a mangler on its way.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.common.connection import MessageChunk
from asyncua.common.utils import Buffer
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua import ua_binary
from asyncua.ua.status_codes import StatusCodes

Mangle = Callable[[bytes], bytes]

PORT = 4840
SUBSCRIPTION = 7
_EVERY_S = 0.5


class _Wire(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self, script: "Script") -> None:
        self._script = script
        self._transport: asyncio.Transport | None = None
        self.sequence = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._script.received(self, data)

    def answer(self, frame: bytes, after_s: float) -> None:
        asyncio.get_running_loop().call_later(after_s, self._say, frame)

    def _say(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._script.mangle(frame))


class Script:
    """Counts up: item n of message k has the value of `held(n, k)`."""

    def __init__(self, mangle: Mangle, held: Callable[[int, int], ua.Variant]) -> None:
        self.mangle = mangle
        self.held = held
        self.count = 0  # messages, and the value that all items have now
        self._number = 0

    async def listen(self) -> None:
        """Serve who connects to the port of OPC UA."""
        await asyncio.get_running_loop().create_server(lambda: _Wire(self), "127.0.0.1", PORT)

    def received(self, wire: _Wire, data: bytes) -> None:
        buffer = Buffer(data)
        header = ua_binary.header_from_binary(buffer)
        if header.MessageType == ua.MessageType.Hello:
            ack = ua.Acknowledge()
            ack.ReceiveBufferSize = ack.SendBufferSize = ua.UInt32(65535)
            wire.answer(ua_binary.uatcp_to_binary(ua.MessageType.Acknowledge, ack), 0)
            return
        opening = header.MessageType == ua.MessageType.SecureOpen
        kind = ua.AsymmetricAlgorithmHeader if opening else ua.SymmetricAlgorithmHeader
        ua_binary.struct_from_binary(kind, buffer)
        sequence = ua_binary.struct_from_binary(ua.SequenceHeader, buffer)
        name = ua.ObjectIdNames[ua_binary.nodeid_from_binary(buffer.copy()).Identifier].split("_")[0]
        request = ua_binary.struct_from_binary(getattr(ua, name), buffer)
        if not hasattr(self, "_" + name):
            return  # the channel is closed, which has no answer
        response = getattr(self, "_" + name)(request)
        response.ResponseHeader.RequestHandle = request.RequestHeader.RequestHandle
        (chunk,) = MessageChunk.message_to_chunks(
            SecurityPolicyNone(), ua_binary.struct_to_binary(response), 65535,
            message_type=header.MessageType, channel_id=5, request_id=sequence.RequestId, token_id=13,
        )  # fmt: skip
        wire.sequence += 1
        chunk.SequenceHeader.SequenceNumber = wire.sequence
        wire.answer(chunk.to_binary(), _EVERY_S if name == "PublishRequest" else 0)

    def _OpenSecureChannelRequest(self, request: Any) -> Any:
        response = ua.OpenSecureChannelResponse()
        response.Parameters.SecurityToken.ChannelId = 5
        response.Parameters.SecurityToken.TokenId = 13
        response.Parameters.SecurityToken.RevisedLifetime = request.Parameters.RequestedLifetime
        return response

    def _CreateSessionRequest(self, request: Any) -> Any:
        self._number = 0
        response = ua.CreateSessionResponse()
        offer = ua.EndpointDescription()
        offer.EndpointUrl = f"opc.tcp://127.0.0.1:{PORT}"
        offer.SecurityMode = ua.MessageSecurityMode.None_
        offer.SecurityPolicyUri = SecurityPolicyNone.URI
        offer.UserIdentityTokens = [ua.UserTokenPolicy(PolicyId="any", TokenType=ua.UserTokenType.Anonymous)]
        response.Parameters.ServerEndpoints = [offer]
        response.Parameters.AuthenticationToken = ua.NodeId(ua.Int32(9))
        response.Parameters.RevisedSessionTimeout = request.Parameters.RequestedSessionTimeout
        return response

    def _ActivateSessionRequest(self, request: Any) -> Any:
        return ua.ActivateSessionResponse()

    def _CloseSessionRequest(self, request: Any) -> Any:
        return ua.CloseSessionResponse()

    def _ReadRequest(self, request: Any) -> Any:
        response = ua.ReadResponse()
        for one in request.Parameters.NodesToRead:
            name = one.NodeId
            if name.NamespaceIndex:
                value = self.held(name.Identifier, self.count)
            elif name.Identifier == ua.ObjectIds.Server_NamespaceArray:
                value = ua.Variant(["http://opcfoundation.org/UA/", "urn:own", "urn:oven"])
            else:
                value = ua.Variant(100, ua.VariantType.UInt32)
            response.Results.append(ua.DataValue(value))
        return response

    def _CreateSubscriptionRequest(self, request: Any) -> Any:
        response = ua.CreateSubscriptionResponse()
        response.Parameters.SubscriptionId = SUBSCRIPTION
        response.Parameters.RevisedPublishingInterval = _EVERY_S * 1000
        response.Parameters.RevisedMaxKeepAliveCount = 10
        return response

    def _CreateMonitoredItemsRequest(self, request: Any) -> Any:
        response = ua.CreateMonitoredItemsResponse()
        self._items = [
            (one.RequestedParameters.ClientHandle, one.ItemToMonitor.NodeId.Identifier)
            for one in request.Parameters.ItemsToCreate
        ]
        response.Results = [ua.MonitoredItemCreateResult() for _ in self._items]
        return response

    def _PublishRequest(self, request: Any) -> Any:
        self.count += 1
        self._number += 1
        change = ua.DataChangeNotification()
        change.MonitoredItems = [
            ua.MonitoredItemNotification(handle, ua.DataValue(self.held(node, self.count)))
            for handle, node in self._items
        ]
        response = ua.PublishResponse()
        response.Parameters.SubscriptionId = SUBSCRIPTION
        response.Parameters.NotificationMessage.SequenceNumber = self._number
        response.Parameters.NotificationMessage.NotificationData = [change]
        return response

    def _TransferSubscriptionsRequest(self, request: Any) -> Any:
        response = ua.TransferSubscriptionsResponse()
        response.Parameters.Results = [
            ua.TransferResult(ua.StatusCode(ua.UInt32(StatusCodes.BadNothingToDo)))
        ]
        return response

    def _RepublishRequest(self, request: Any) -> Any:
        response = ua.ServiceFault()
        response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(StatusCodes.BadMessageNotAvailable))
        return response
