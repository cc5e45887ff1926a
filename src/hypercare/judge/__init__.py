"""The judge of deployments: limits, excursions, drift, trends, burn rates, the verdict. Arrays in, findings out."""
