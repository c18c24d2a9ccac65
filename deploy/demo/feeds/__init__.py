"""One module a trace: each yields the calls of the demo that the trace gives, in the trace's order."""
