"""Stock levels, the holds that orders have on them, and the ledger of every change."""
