"""Demo data: who takes part (``people``), when (``days``), what happens (``story``), and how it is posted (``run``)."""
