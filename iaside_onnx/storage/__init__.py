"""Files that outlive any interruption and are read without trust: schemas, reading, writing."""
