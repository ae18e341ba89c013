"""From an input file to requests: lines, records, bodies; every problem with its line number."""
