"""Demo data: who takes part (``people``), when (``days``), what happens (``story``), and how it gets into the ledger (``telling``)."""
