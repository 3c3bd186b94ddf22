"""What a server has to offer, as a tree whose variables are ready to be pasted as tags."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.object_ids import ObjectIds

from drivers.opcua.decoding import legible
from drivers.opcua.nodes import limits, namespaces, values_of
from drivers.opcua.session import Session
from drivers.opcua.settings import OpcUaSettings

_AT_ONCE = 100  # nodes a request to browse
_SHOWN = 40  # characters of a value


@dataclass
class Branch:
    """A node below the Objects folder; `node` and `value` are of variables only."""

    name: str
    id: ua.NodeId
    node: str | None = None  # as a tag names it
    value: str = ""
    branches: list["Branch"] = field(default_factory=list)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Branch"]]:
        """This and all below it, each with its depth."""
        yield depth, self
        for branch in self.branches:
            yield from branch.walk(depth + 1)


@dataclass(frozen=True)
class Tree:
    """What was found; `whole` is false where the limit ended the search."""

    root: Branch
    whole: bool

    def lines(self) -> dict[str, str]:
        """By node id the line of TOML that makes a tag of it; names are made of the nodes' own."""
        taken: set[str] = set()
        found: dict[str, str] = {}
        for _, branch in self.root.walk():
            if branch.node is None or branch.node in found:
                continue
            plain = re.sub(r"[^A-Za-z0-9_-]+", "_", branch.name).strip("_").lower()[:56] or "tag"
            name = next(
                one
                for n in range(1, len(taken) + 3)
                if (one := plain if n == 1 else f"{plain}_{n}") not in taken
            )
            taken.add(name)
            found[branch.node] = f"{name} = {{ node = {json.dumps(branch.node, ensure_ascii=False)} }}"
        return found


async def browse(device: str, settings: OpcUaSettings, limit: int) -> Tree:
    """Look through the server below its Objects folder, at most so many nodes. Raises DeviceFault."""
    session = Session(device, settings)
    try:
        await session.connect()
        uris = await namespaces(session)
        root = Branch("Objects", ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder)))
        seen = {root.id.to_string(), ua.NodeId(ua.Int32(ObjectIds.Server)).to_string()}
        level, variables = [root], list[Branch]()
        while level and len(seen) < limit:
            found: list[Branch] = []
            for first in range(0, len(level), _AT_ONCE):
                found += await _below(session, level[first : first + _AT_ONCE], seen, uris)
            variables += [one for one in found if one.node is not None]
            level = found
        at_once = (await limits(session)).read
        for first in range(0, len(variables), at_once):
            part = variables[first : first + at_once]
            for one, value in zip(part, await values_of(session, [v.id for v in part]), strict=True):
                one.value = _shown(value)
        return Tree(root, whole=not level)
    finally:
        await session.leave()


async def _below(
    session: Session, parents: Sequence[Branch], seen: set[str], uris: Sequence[str]
) -> list[Branch]:
    """The nodes directly below these that were not seen yet; they are put where they belong."""
    wanted = ua.BrowseParameters()
    for parent in parents:
        one = ua.BrowseDescription()
        one.NodeId = parent.id
        one.BrowseDirection = ua.BrowseDirection.Forward
        one.ReferenceTypeId = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences))
        one.IncludeSubtypes = True
        one.NodeClassMask = ua.UInt32(ua.NodeClass.Object | ua.NodeClass.Variable)
        one.ResultMask = ua.UInt32(ua.BrowseResultMask.All)
        wanted.NodesToBrowse.append(one)
    found: list[Branch] = []
    results = await session.results("browsing", len(parents), UaSession.browse, wanted)
    for parent, result in zip(parents, results, strict=True):
        references = list(result.References or ())
        while result.ContinuationPoint:
            more = ua.BrowseNextParameters()
            more.ReleaseContinuationPoints = False
            more.ContinuationPoints = [result.ContinuationPoint]
            (result,) = await session.results("browsing", 1, UaSession.browse_next, more)
            references += result.References or ()
        for reference in references:
            node = ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)
            if node.to_string() in seen:
                continue
            seen.add(node.to_string())
            branch = Branch(legible(str(reference.BrowseName.Name)), node)
            if reference.NodeClass == ua.NodeClass.Variable:
                branch.node = _named(node, uris)
            parent.branches.append(branch)
            found.append(branch)
    return found


def _named(node: ua.NodeId, uris: Sequence[str]) -> str:
    """The id with its namespace's URI, which outlives a change of the indices."""
    text, index = node.to_string(), int(node.NamespaceIndex)
    if index == 0 or index >= len(uris) or ";" in uris[index]:
        return text
    return f"nsu={uris[index]};{text.partition(';')[2]}"


def _shown(value: ua.DataValue) -> str:
    if value.StatusCode is not None and not value.StatusCode.is_good():
        return value.StatusCode.name
    variant = value.Value
    if variant is None or variant.Value is None:
        return "empty"
    text = legible(" ".join(str(variant.Value).split()))
    kind = getattr(variant.VariantType, "name", "")
    return f"{text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''} ({kind})"
