"""What a trained model can do with songs, one module a tool."""
