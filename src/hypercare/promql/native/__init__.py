"""Native histograms in queries: arithmetic, quantiles, and what each kind of node does with them.

Everything here is entered only where a selector found a histogram.
"""
