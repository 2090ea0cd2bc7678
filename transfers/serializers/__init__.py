"""Bodies, queries and answers of the calls that move money, by noun."""
