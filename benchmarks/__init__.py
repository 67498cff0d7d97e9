"""How fast the gate is, beside the best this work can cost and beside resolvers. `python -m benchmarks`, or `make bench`."""
