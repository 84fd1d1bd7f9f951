"""Files that outlive any interruption and trust nobody: schemas, reading, writing."""
