"""What the commands do with their arguments, one file per purpose; ``cli`` lists them."""
