"""All defects, those of one part of the source together."""

from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.letters import LETTERS
from services.local.proofs.defects.orders import ORDERS
from services.local.proofs.defects.payments import PAYMENTS
from services.local.proofs.defects.plumbing import PLUMBING
from services.local.proofs.defects.stock import STOCK

DEFECTS: tuple[Defect, ...] = (*ORDERS, *STOCK, *PAYMENTS, *LETTERS, *PLUMBING)
