"""Analysis as in Argo Rollouts: conditions on measured values, limits on their outcomes, when to measure again."""
