// In place of unfold's copy of Alpine's plugin for lists that are sorted by hand: no list of this admin is.
