"""The reference costing endpoint: the ERP side of the HTTP contract, on SQLite, with a cost sheet per order.

It answers only after COMMIT under `synchronous=FULL`, judges each event for itself (chain, numbers, order,
period), and posts each accepted figure exactly once under a gapless document number. It shares no code with
the sender's delivery or reconciliation: what the two agree on, they agree on by contract.
"""

from edge.demo.endpoint.app import Options, application
from edge.demo.endpoint.ledger import Ledger
from edge.demo.endpoint.masterfile import MasterFile
from edge.demo.endpoint.server import MASTERDATA, Endpoint

__all__ = ["MASTERDATA", "Endpoint", "Ledger", "MasterFile", "Options", "application"]
