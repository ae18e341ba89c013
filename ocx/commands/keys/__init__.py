"""`ocx keys`: named keys, stored for their owner only, checked against their endpoint."""
