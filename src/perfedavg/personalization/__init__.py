"""Fine-tuning of held-out clients, and which of them are evaluated when."""
