"""One update: who may send it, once and in order, whatever fails."""
