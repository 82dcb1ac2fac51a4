"""What a user of Flower writes for this task; ``flwr run`` packs it and runs it in Flower's environment."""
