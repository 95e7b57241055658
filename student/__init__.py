"""The model that learns to answer without the prompt: training, choice of the best, prediction."""
