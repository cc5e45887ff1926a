"""Every published figure, one command each: ``python -m benchmarks NAME``; without a name all of them."""
