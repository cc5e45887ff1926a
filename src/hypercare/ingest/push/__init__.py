"""What jobs push before they end: kept, and scraped as a target of our own, until somebody deletes it."""
