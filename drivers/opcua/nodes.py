"""Which node a tag means on a server as it is now, and what the server takes at once.

Names and namespace URIs are looked up at each new session: indices may be others after a server's restart.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from drivers.opcua.decoding import legible
from drivers.opcua.session import Session
from drivers.opcua.settings import NODE, NodeTag, steps
from drivers.opcua.words import Refusal, refusal

Target = ua.NodeId | ua.BrowsePath | Refusal

_AT_ONCE = 500  # nodes a request where the server names no limit


@dataclass(frozen=True)
class Limits:
    """How many nodes the server takes in one request."""

    read: int
    monitor: int
    translate: int


NO_LIMITS = Limits(_AT_ONCE, _AT_ONCE, _AT_ONCE)


async def limits(session: Session) -> Limits:
    """What the server says that it takes (Part 5, 6.3.11); 0 and nothing mean no limit."""
    asked = (
        ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
        ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
        ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
    )
    values = await values_of(session, [ua.NodeId(ua.Int32(one)) for one in asked])
    found = [value.Value.Value if value.Value is not None else None for value in values]
    return Limits(*[min(one, _AT_ONCE) if isinstance(one, int) and one > 0 else _AT_ONCE for one in found])


async def values_of(session: Session, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
    """The nodes' values now. Raises DeviceFault."""
    wanted = ua.ReadParameters()
    wanted.TimestampsToReturn = ua.TimestampsToReturn.Source
    for node in nodes:
        one = ua.ReadValueId()
        one.NodeId = node
        one.AttributeId = AttributeIds.Value
        wanted.NodesToRead.append(one)
    return await session.results("reading", len(nodes), UaSession.read, wanted)


async def find(
    session: Session, tags: Mapping[str, NodeTag], at_once: int
) -> tuple[dict[str, ua.NodeId], dict[str, Refusal]]:
    """The tags' nodes, and why there is none for the others. Raises DeviceFault."""
    nodes: dict[str, ua.NodeId] = {}
    refused: dict[str, Refusal] = {}
    paths: dict[str, ua.BrowsePath] = {}
    for name, target in targets(tags, await namespaces(session)).items():
        if isinstance(target, Refusal):
            refused[name] = target
        elif isinstance(target, ua.BrowsePath):
            paths[name] = target
        else:
            nodes[name] = target
    names = list(paths)
    for first in range(0, len(names), at_once):
        part = names[first : first + at_once]
        follow = UaSession.translate_browsepaths_to_nodeids
        wanted = [paths[name] for name in part]
        results = await session.results("following paths", len(part), follow, wanted)
        for name, result in zip(part, results, strict=True):
            if result.StatusCode.is_good() and result.Targets:
                end = result.Targets[0].TargetId
                nodes[name] = ua.NodeId(end.Identifier, end.NamespaceIndex)
            else:
                refused[name] = refusal(result.StatusCode.value or StatusCodes.BadNoMatch)
    return nodes, refused


async def namespaces(session: Session) -> list[str]:
    """The server's namespace URIs by index. Raises DeviceFault."""
    (value,) = await values_of(session, [ua.NodeId(ua.Int32(ObjectIds.Server_NamespaceArray))])
    found = value.Value.Value if value.Value is not None else None
    return [legible(str(one)) for one in found] if isinstance(found, list) else []


def targets(tags: Mapping[str, NodeTag], namespaces: Sequence[str]) -> dict[str, Target]:
    """For each tag its node id, or the path that the server must follow, or why there is neither."""
    return {name: _target(tag, namespaces) for name, tag in tags.items()}


def _target(tag: NodeTag, namespaces: Sequence[str]) -> Target:
    uri = tag.namespace
    found = NODE.fullmatch(tag.node or "")
    if found is not None:
        uri = found["uri"]
    if uri is not None and uri not in namespaces:
        return Refusal(
            f"the server has no namespace {uri}", f"It has {', '.join(namespaces[1:]) or 'none of its own'}"
        )
    index = namespaces.index(uri) if uri is not None else 0
    if found is None:
        return _browse_path(tag.path or "", index)
    return _node_id(found["kind"], found["id"], int(found["index"] or index))


def _node_id(kind: str, text: str, index: int) -> ua.NodeId:
    if kind == "i":
        return ua.NodeId(ua.Int32(int(text)), ua.Int16(index))
    if kind == "s":
        return ua.NodeId(ua.String(text), ua.Int16(index))
    if kind == "g":
        return ua.NodeId(ua.Guid(text), ua.Int16(index))
    return ua.NodeId(ua.ByteString(base64.b64decode(text)), ua.Int16(index))


def _browse_path(path: str, default: int) -> ua.BrowsePath:
    found = ua.BrowsePath()
    found.StartingNode = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
    for index, name in steps(path):
        step = ua.RelativePathElement()
        step.ReferenceTypeId = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences))
        # asyncua types truths as a class of its own, and takes a path for an inverse one by default.
        step.IsInverse = False  # type: ignore[assignment]
        step.IncludeSubtypes = True  # type: ignore[assignment]
        step.TargetName = ua.QualifiedName(name, ua.UInt16(default if index is None else index))
        found.RelativePath.Elements.append(step)
    return found
