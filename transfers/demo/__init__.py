"""Demo data: the merchants (``people``), the times (``days``), the movements (``story``), and their
posting (``run``).
"""
