"""What federated models are compared with: a centrally trained model, and models trained on one client alone."""
