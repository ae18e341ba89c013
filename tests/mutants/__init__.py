"""`make mutants`: one small change to the program at a time; the tests must notice it."""
