"""The topics of one edge, and where answers may go. Pure."""

from dataclasses import dataclass

from edge.settings import Edge
from sync.mqtt.settings import MqttSettings

_TOPIC_BYTES_MAX = 512
ASKED = ("pull", "ack", "reconcile")  # what a consumer may ask, each with a topic of its own


@dataclass(frozen=True)
class Topics:
    """Names below `base`; `answers` is where a consumer's own answers lie below."""

    base: str
    answers: str

    @classmethod
    def of(cls, edge: Edge, settings: MqttSettings) -> "Topics":
        """The topics of an edge as DESIGN, section 7, has them."""
        base = "/".join((settings.root, edge.enterprise, edge.site, edge.area, edge.line, edge.id))
        return cls(base, settings.answers or f"{base}/answer")

    def __call__(self, *parts: str) -> str:
        return "/".join((self.base, *parts))

    def answer(self, consumer: str) -> str:
        """Where answers go that name no other topic."""
        return f"{self.answers}/{consumer}"

    def allows(self, consumer: str, topic: str) -> bool:
        """Whether an answer for a consumer may go to a topic: its own, and what lies below."""
        if len(topic.encode("utf-8", "replace")) > _TOPIC_BYTES_MAX or not topic.isprintable():
            return False
        own = self.answer(consumer)
        return (topic == own or topic.startswith(f"{own}/")) and not set(topic) & {"+", "#"}
