"""The HTTP side of moving money: read a request, call a service or selector, give its answer."""
