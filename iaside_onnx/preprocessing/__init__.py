"""From a decoded picture to the model's input, and the search for how."""
