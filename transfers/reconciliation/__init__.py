"""The proof of the whole ledger from the rows that it keeps."""
