"""Training to the end, resumably: federated, centralized, and the theory experiment."""
