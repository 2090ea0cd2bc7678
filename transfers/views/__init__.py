"""The calls that move money: each reads its request, calls a service or a selector, and answers."""
