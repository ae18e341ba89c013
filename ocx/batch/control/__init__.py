"""When a row may be sent: concurrency, rates, outages and budgets. Pure: time comes in as `now`."""
