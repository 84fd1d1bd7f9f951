"""Small networks of one task that differ in robustness: what trains, exports and describes them."""
