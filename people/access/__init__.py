"""Who calls: authentication, tokens, rate limits, operators."""
